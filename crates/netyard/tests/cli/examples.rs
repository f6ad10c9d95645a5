//! Every example is a file without fault.

use std::fs;

use crate::{netyard, repository};

#[test]
fn every_example_passes_check() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("examples")).expect("examples") {
        let file = entry.expect("an example").path().join("netyard.yaml");
        if !file.exists() {
            continue;
        }
        seen += 1;
        let output = netyard().arg("check").arg("-f").arg(&file).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{stderr}", file.display());
        assert_eq!(stderr, "", "{} has warnings", file.display());
    }
    assert!(seen >= 6, "only {seen} examples were found");
}

#[test]
fn the_file_that_init_writes_passes_check() {
    let dir = crate::directory();
    netyard().arg("init").current_dir(dir.path()).assert().success();
    netyard().arg("check").current_dir(dir.path()).assert().success().stderr_eq("");
}
