//! The README's commands do what it says.

use std::fs;
use std::process::Command;

use crate::alone::alone;
use crate::repository;

/// The lines of the README's shell blocks that run netyard.
fn commands() -> Vec<String> {
    let text = fs::read_to_string(repository().join("README.md")).expect("the README");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && line.starts_with("cargo run") => commands.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

alone! { User, fn the_commands_of_the_readme_work_in_their_order() {
    let commands = commands();
    assert!(commands.len() >= 4, "{commands:?}");
    for line in commands {
        let line = line.replace("cargo run --release --", env!("CARGO_BIN_EXE_netyard"));
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(repository())
            .output()
            .expect("sh");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {}\n{stderr}", output.status);
    }
}}

#[test]
fn the_yard_in_the_readme_is_the_quickstart() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    let (_, rest) = readme.split_once("```yaml\n").expect("a yard in the README");
    let (yard, _) = rest.split_once("```").expect("the end of the yard");
    let dir = crate::directory();
    let path = crate::write_yard(dir.path(), yard);
    let quickstart = repository().join("examples/quickstart/netyard.yaml");
    let names = |file: &std::path::Path| {
        let output =
            crate::netyard().arg("__complete").arg("-f").arg(file).arg("nodes").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(names(&path), names(&quickstart));
    assert!(names(&path).contains("h1\n"));
}
