//! A directory as a template.

use super::{Bench, ROOT, same, same_trees};
use netyard_linux::image::{Missing, Wish, unpack};
use std::fs;

#[test]
fn a_template_is_copied_with_all_that_belongs_to_it() {
    let bench = Bench::new();
    bench.sh(ROOT);
    let done = bench.unpack("root");
    assert_eq!(done.kind, "directory");
    same_trees(&bench.path("root"), &bench.path("out/tree"), "a copy");
    let time = fs::metadata(bench.path("out/tree/etc/passwd")).unwrap().modified().unwrap();
    assert_eq!(time, fs::metadata(bench.path("root/etc/passwd")).unwrap().modified().unwrap());
    assert!(same(&bench.path("out/tree/bin/program"), &bench.path("out/tree/bin/again")));
    assert!(!same(&bench.path("root/bin/program"), &bench.path("out/tree/bin/program")));
    assert_eq!(done.left_out, []);
    bench.sh("chmod -R u+rwX root out");
}

#[test]
fn holes_stay_holes() {
    let bench = Bench::new();
    bench.sh("mkdir root; truncate -s 200M root/hole; printf x >> root/hole");
    let done = bench.unpack("root");
    assert!(done.bytes <= 4096, "{}", done.bytes);
    assert!(bench.sh("du -k out/tree/hole | cut -f1").trim().parse::<u64>().unwrap() < 100);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let bench = Bench::new();
    bench.sh("mkdir -p root out/tree; echo mine > out/tree/file");
    let error = bench.try_unpack("root").unwrap_err();
    assert!(error.to_string().contains("is there already"), "{error}");
    assert_eq!(fs::read_to_string(bench.path("out/tree/file")).unwrap(), "mine\n");
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 1);
}

#[test]
fn a_template_does_not_swallow_its_own_copy() {
    let bench = Bench::new();
    bench.sh("mkdir root; echo a > root/a");
    let (from, into) = (bench.path("root"), bench.path("root/copy"));
    let error = unpack(&from, &into, Wish::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("inside of its own template"), "{error}");
    assert_eq!(fs::read_dir(from).unwrap().count(), 1);
}

#[test]
fn what_a_killed_process_left_is_taken_away_by_the_next() {
    let bench = Bench::new();
    bench.sh("mkdir -p root out/.tree.netyard-part/half/etc; echo a > root/a
              echo half > out/.tree.netyard-part/half/etc/file; chmod 0 out/.tree.netyard-part/half/etc");
    bench.unpack("root");
    assert_eq!(fs::read_dir(bench.path("out")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(bench.path("out/tree")).unwrap().count(), 1);
}

#[test]
fn two_at_once_do_not_mix() {
    let bench = Bench::new();
    bench.sh("mkdir root out; echo a > root/a");
    let (from, into) = (bench.path("root"), bench.path("out/tree"));
    let mut inner = None;
    unpack(&from, &into, Wish::default(), &mut |_| {
        let second = unpack(&from, &into, Wish::default(), &mut |_| {});
        inner.get_or_insert(second.map(|_| ()).map_err(|error| error.to_string()));
    })
    .unwrap();
    let said = inner.expect("it tells how far it is").unwrap_err();
    assert!(said.contains("another process"), "{said}");
    assert!(bench.path("out/tree/a").exists());
}

#[test]
fn sockets_are_left_out_and_told() {
    let bench = Bench::new();
    bench.sh("mkdir root");
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("root/socket")).unwrap();
    let done = bench.unpack("root");
    assert_eq!(done.left_out[0].what, Missing::Socket);
    assert!(!bench.path("out/tree/socket").exists());
}
