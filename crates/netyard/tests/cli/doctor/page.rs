//! The page that lists all checks.

use crate::repository;

#[test]
fn the_page_in_docs_is_of_these_checks() {
    let page = repository().join("docs/doctor.md");
    let text = netyard_core::check::page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &text).unwrap();
    }
    let written = std::fs::read_to_string(page).unwrap_or_default();
    assert!(
        written == text,
        "docs/doctor.md is not of these checks; `UPDATE=1 cargo test` writes it anew"
    );
}

#[test]
fn every_check_has_a_test_that_breaks_something() {
    let directory = repository().join("crates/netyard/tests/cli/doctor");
    let tests: String = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let free = |id: &str| tests.contains(&format!("is_free_of(\"{id}\")"));
    let suffers = |id: &str| {
        tests.contains(&format!("suffers(\"{id}\""))
            || tests.contains(&format!("suffers_beside(\"{id}\""))
    };
    let ids = netyard_core::check::CHECKS.iter().map(|check| check.id);
    let untested: Vec<&str> = ids.filter(|id| !free(id) || !suffers(id)).collect();
    assert_eq!(untested, [] as [&str; 0]);
}
