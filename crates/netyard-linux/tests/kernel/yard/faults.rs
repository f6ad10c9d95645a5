//! What becomes of a yard when something goes wrong half-way.

use netyard_core::state::{Place, State};
use netyard_linux::{Access, Session};

use super::*;

const ROLE: &str = "NETYARD_TEST_ROLE";

/// True in a process that [`again`] started: it does its part and ends.
fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

fn small() -> State {
    let mut state = star(2);
    for place in [Place::Host, crate::bed::node("n1")] {
        state.insert(netyard_core::state::Object::Table(Box::new(crate::nft::lenient(&place))));
    }
    state
}

/// Kills a command before and after each of its batches, for as long as there
/// are batches, and counts: as many are killed before as after.
fn each_kill(command: &str, mut prepare: impl FnMut(), mut check: impl FnMut(&str)) {
    let mut counts = Vec::new();
    for when in ["before", "after"] {
        for number in 0.. {
            assert!(number < 50, "the kills do not end");
            prepare();
            let kill = format!("{when}:{number}");
            if again(&[(ROLE, command), ("NETYARD_KILL", &kill)]).success() {
                assert!(number > 1, "{command} was never killed {when} a batch");
                check("not killed");
                counts.push(number);
                break;
            }
            check(&kill);
        }
    }
    assert_eq!(counts[0], counts[1], "{command}: before and after as many batches");
    println!("{command}: killed before and after each of {} batches", counts[0]);
}

fn play() -> bool {
    match role().as_deref() {
        None => return false,
        Some("up") => drop(up(&small()).map_err(|e| panic!("{e} {e:?}"))),
        Some("try-up") => match up(&small()) {
            Ok(_) => println!("came up"),
            Err(error) => {
                let undone = error.get_undone().cloned().unwrap_or_default();
                assert!(undone.failures.is_empty(), "{error}: {undone:?}");
                println!("failed: {error}");
            }
        },
        Some("down") => down().unwrap(),
        Some(other) => panic!("{other}"),
    }
    true
}

#[test]
fn an_up_killed_at_any_batch_is_finished_by_the_next_and_leaves_no_trace() {
    alone(|| {
        if play() {
            return;
        }
        let before = snapshot();
        each_kill(
            "up",
            || (),
            |kill| {
                up(&small()).unwrap_or_else(|error| panic!("{kill}: {error:?}"));
                assert_eq!(steps_left(&small()), [] as [String; 0], "{kill}");
                talks(("bed-n1", "10.0.0.1"), ("bed-n2", "10.0.0.2"));
                down().unwrap();
                assert_eq!(snapshot(), before, "{kill}");
            },
        );
    });
}

#[test]
fn an_up_killed_at_any_batch_is_taken_away_by_down() {
    alone(|| {
        if play() {
            return;
        }
        let before = snapshot();
        each_kill(
            "up",
            || (),
            |kill| {
                down().unwrap();
                assert_eq!(snapshot(), before, "{kill}");
            },
        );
    });
}

#[test]
fn a_down_killed_at_any_part_is_finished_by_the_next() {
    alone(|| {
        if play() {
            return;
        }
        let before = snapshot();
        each_kill(
            "down",
            || {
                up(&small()).unwrap();
            },
            |kill| {
                down().unwrap();
                assert_eq!(snapshot(), before, "{kill}");
            },
        );
    });
}

#[test]
fn an_up_after_a_killed_down_converges() {
    alone(|| {
        if play() {
            return;
        }
        each_kill(
            "down",
            || {
                up(&small()).unwrap();
            },
            |kill| {
                up(&small()).unwrap_or_else(|error| panic!("{kill}: {error:?}"));
                talks(("bed-n1", "10.0.0.1"), ("bed-n2", "10.0.0.2"));
            },
        );
    });
}

#[test]
fn whatever_request_the_kernel_refuses_all_is_undone() {
    alone(|| {
        if play() {
            return;
        }
        let before = snapshot();
        for errno in ["EPERM", "EBUSY", "ENOBUFS", "ENOMEM"] {
            let mut failures = 0;
            for number in (1..60).step_by(3) {
                let fault = format!("{errno}@{number}");
                let status = again(&[(ROLE, "try-up"), ("NETYARD_FAULT", &fault)]);
                assert!(status.success(), "{fault}");
                if std::path::Path::new("/run/netyard").exists() {
                    assert_eq!(steps_left(&small()), [] as [String; 0], "{fault}");
                    down().unwrap();
                } else {
                    failures += 1;
                }
                assert_eq!(snapshot(), before, "{fault}");
            }
            // Lost replies are made up for by looking.
            assert_eq!(failures > 0, errno != "ENOBUFS", "{errno}: {failures}");
        }
    });
}

#[test]
fn a_refusal_in_the_middle_of_a_change_leaves_the_yard_as_it_was() {
    alone(|| {
        up(&small()).unwrap();
        // A stranger's interface has the name that the third node's port will get.
        let stranger = "ip -n bed-fabric link add port3 type veth peer name stranger";
        sh(stranger);
        let before = snapshot_of_yard();
        let error = up(&star(3)).unwrap_err();
        assert_eq!(error.get_errno().map(|e| e.raw_os_error()), Some(libc::EEXIST), "{error}");
        let undone = error.get_undone().unwrap();
        assert!(undone.done > 1 && undone.failures.is_empty(), "{undone:?}");
        assert_eq!(snapshot_of_yard(), before);
        assert_eq!(steps_left(&small()), [] as [String; 0]);
        talks(("bed-n1", "10.0.0.1"), ("bed-n2", "10.0.0.2"));
        down().unwrap();
    });
}

/// Does what leads to one State, and says that another is desired.
fn up_to_another(done: &State, desired: &State, keep: bool) -> netyard_linux::Error {
    let mut session = open();
    if keep {
        session.keep_differences();
    }
    let (done, desired) = (done.clone().settled(), desired.clone().settled());
    let actual = session.observe(&desired).unwrap().state;
    let plan = netyard_core::plan::plan(&actual, &done);
    session.apply(&plan, &desired, &mut |_| ()).unwrap_err()
}

#[test]
fn what_is_not_as_desired_when_all_is_done_is_taken_back() {
    alone(|| {
        let before = snapshot();
        let error = up_to_another(&small(), &star(3), false);
        assert_eq!(error.kind(), netyard_linux::ErrorKind::NotConverged);
        let undone = error.get_undone().unwrap();
        assert!(undone.done > 10 && undone.failures.is_empty(), "{undone:?}");
        assert_eq!(snapshot(), before);
        // And what was there before stays as it was.
        up(&small()).unwrap();
        let before = snapshot_of_yard();
        let mut larger = star(3);
        larger.insert(setting(&crate::bed::node("n1"), "net/ipv4/ip_default_ttl", "7"));
        let error = up_to_another(&star(3), &larger, false);
        assert!(error.get_undone().unwrap().failures.is_empty(), "{error}");
        assert_eq!(snapshot_of_yard(), before);
        assert_eq!(steps_left(&small()), [] as [String; 0]);
        talks(("bed-n1", "10.0.0.1"), ("bed-n2", "10.0.0.2"));
        // On request it stays for a closer look.
        let error = up_to_another(&star(3), &larger, true);
        assert_eq!(error.get_undone(), None);
        assert_eq!(steps_left(&larger).len(), 1);
        down().unwrap();
    });
}

/// What is in the yard's namespaces.
fn snapshot_of_yard() -> String {
    sh("for n in $(ip netns list | cut -d' ' -f1 | sort); do echo $n;
          ip -n $n -d -o link show | sed 's/ promiscuity.*allmulti/ allmulti/; s/[a-z_]*_timer  *[0-9.]*//g'; ip -n $n -o addr show | sed 's/valid_lft.*//; s/ tentative//'; ip -n $n route; ip -n $n -6 route; ip -n $n rule; done;
        ls -A /run/netns /run/netyard/* /etc/netns 2>&1 || true")
}

#[test]
fn down_needs_no_state_directory() {
    alone(|| {
        // Going back from forwarding would set it to 1.
        sh("echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects");
        let before = snapshot();
        let mut state = small();
        state.insert(setting(&Place::Host, "net/ipv4/ip_forward", "1"));
        up(&state).unwrap();
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
        sh("rm -r /run/netyard");
        down().unwrap();
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn up_needs_no_state_directory_to_find_what_is_there() {
    alone(|| {
        up(&small()).unwrap();
        sh("rm -r /run/netyard");
        assert_eq!(steps_left(&small()), [] as [String; 0]);
        assert_eq!(up(&small()).unwrap(), 0);
        down().unwrap();
    });
}

#[test]
fn two_commands_at_once_take_turns() {
    alone(|| {
        if play() {
            return;
        }
        let held = open();
        let error = Session::open(&yard(), Access::Write, &mut |_| false).unwrap_err();
        assert_eq!(error.kind(), netyard_linux::ErrorKind::Busy);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        std::thread::scope(|scope| {
            let (told, waiting) = std::sync::mpsc::channel();
            let second = scope.spawn(move || {
                Session::open(&yard(), Access::Write, &mut |_| {
                    told.send(()).unwrap();
                    true
                })
            });
            waiting.recv().unwrap();
            drop(held);
            drop(second.join().unwrap().unwrap());
        });
        down().unwrap();
    });
}
