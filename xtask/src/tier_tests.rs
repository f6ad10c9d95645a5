//! Tests of the counting and of the table's verdict.

use super::*;

const OUTPUT: &str = "\
   Compiling netyard-linux v0.1.0
     Running unittests src/lib.rs (target/debug/deps/netyard_linux-0a1b2c)
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
     Running tests/kernel/main.rs (target/debug/deps/kernel-9f)
test veth::carries_traffic ... ok
test vm_vlan::tags ... ignored, needs the VM tier: 802.1Q
test vm_vlan::trunks ... ignored, needs the VM tier: 802.1Q
test slow ... ignored
test result: FAILED. 4 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 2.50s
   Doc-tests netyard_core
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

fn count(output: &str, ended_well: bool) -> Vec<Row> {
    let mut counter = Counter::default();
    output.lines().for_each(|line| counter.see(line));
    counter.finish(ended_well, "tests")
}

fn record(rows: Vec<Row>) -> Option<Record> {
    Some(Record { rows, ..Record::default() })
}

#[test]
fn counts_each_binary_with_the_reasons_of_what_was_skipped() {
    let rows = count(OUTPUT, false);
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["netyard_linux", "kernel", "netyard_core (examples in docs)"]);
    assert_eq!((rows[1].passed, rows[1].failed, rows[1].seconds), (4, 1, 2.5));
    assert_eq!(rows[1].skipped["needs the VM tier: 802.1Q"], 2);
    assert_eq!(rows[1].skipped["no reason given"], 1);
}

#[test]
fn a_result_inside_the_output_of_a_failed_test_is_not_counted() {
    let output = "\
== kernel ==
test a ... FAILED
---- a stdout ----
test a ... FAILED
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.00s
test result: FAILED. 9 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s
";
    let rows = count(output, false);
    assert_eq!((rows[0].passed, rows[0].failed, rows[0].seconds), (9, 1, 2.0));
}

#[test]
fn what_a_failed_test_said_is_kept_without_its_trace() {
    let output = "\
== kernel ==
test a ... FAILED
failures:

---- a stdout ----
thread 'a' panicked at a.rs:1:
4 of 5
stack backtrace:
   0: std::panicking
             at ./panicking.rs:689:5

failures:
    a
test result: FAILED. 9 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s
";
    let mut counter = Counter::default();
    output.lines().for_each(|line| counter.see(line));
    let said = ["---- a stdout ----", "thread 'a' panicked at a.rs:1:", "4 of 5", "    a"];
    assert_eq!(counter.said(), said);
    let mut rows = counter.finish(false, "tests");
    assert_eq!(rows[0].failing, BTreeSet::from(["a".to_owned()]));
    rows[0].passed_alone();
    assert_eq!((rows[0].passed, rows[0].failed), (10, 0));
    let (text, well) = table(&[(CHECK, record(rows)), (VM, record(vec![]))]);
    assert!(text.contains("FLAKY in `kernel`: a failed beside others"), "{text}");
    assert!(well);
}

#[test]
fn docs_are_counted_in_all_their_parts() {
    let part = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; finished in 0.10s\n";
    assert_eq!(count(&format!("   Doc-tests x\n{part}{part}"), true)[0].passed, 4);
}

#[test]
fn a_binary_that_dies_before_its_result_is_a_failure() {
    let rows = count("== kernel ==\ntest a ... ok\n", false);
    assert_eq!((rows.len(), rows[0].failed), (1, 1));
}

#[test]
fn a_command_that_fails_without_a_failing_test_is_a_failure() {
    let rows = count("error: could not compile\n", false);
    assert_eq!(rows, [Row::step("tests", false, 0.0)]);
}

#[test]
fn the_last_line_is_the_total() {
    let records = [(CHECK, record(vec![Row::step("fmt", true, 1.0)])), (VM, record(vec![]))];
    let (text, well) = table(&records);
    assert!(text.ends_with("\n1 passed, 0 failed\n"), "{text}");
    assert!(well);
}

#[test]
fn a_tier_that_did_not_run_is_a_failure() {
    let (text, well) = table(&[(CHECK, record(vec![Row::step("fmt", true, 1.0)])), (VM, None)]);
    assert!(text.contains("vm: NOT RUN"), "{text}");
    assert!(!well);
}

#[test]
fn a_tier_that_cannot_run_here_is_loud_but_no_failure() {
    let impossible =
        Some(Record { impossible: Some("it is no x86_64".into()), ..Record::default() });
    let rows = vec![Row::step("fmt", true, 1.0), Row::skipped("kernel", "needs the VM tier: vrf")];
    let (text, well) = table(&[(CHECK, record(rows)), (VM, impossible)]);
    assert!(text.contains("vm: SKIPPED, this machine cannot run it: it is no x86_64"), "{text}");
    assert!(well);
}

#[test]
fn every_test_left_to_the_vm_must_have_run_there() {
    let left = vec![Row::step("fmt", true, 1.0), Row::skipped("kernel", "needs the VM tier: vrf")];
    let native_in_vm = vec![Row::step("kernel, natively possible", true, 1.0)];
    let (_, well) = table(&[(CHECK, record(left.clone())), (VM, record(native_in_vm))]);
    assert!(!well);
    let name = format!("{}: kernel", crate::vm::ONLY_VM);
    let (text, well) =
        table(&[(CHECK, record(left)), (VM, record(vec![Row::step(&name, true, 1.0)]))]);
    assert!(well, "{text}");
}
