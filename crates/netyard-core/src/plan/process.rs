//! What differs between two definitions of a process.

use super::Difference;
use crate::state::Process;

/// The attributes in which two processes differ; of a file, the first line.
pub(super) fn differences(from: &Process, to: &Process) -> Vec<Difference> {
    let mut differences = Vec::new();
    let plain = |process: &Process| {
        // Serialising plain data cannot fail.
        serde_json::to_value(Process { files: Vec::new(), ..process.clone() }).unwrap_or_default()
    };
    super::diff::compare("", &plain(from), &plain(to), &mut differences);
    let names = from.files.iter().chain(&to.files).map(|file| &file.name);
    let names: std::collections::BTreeSet<&String> = names.collect();
    for name in names {
        let find = |process: &Process| process.files.iter().find(|f| f.name == *name).cloned();
        let (old, new) = (find(from), find(to));
        if old == new {
            continue;
        }
        let none = || "none".to_owned();
        let (actual, desired) = match (&old, &new) {
            (Some(old), Some(new)) if old.content == new.content => {
                (format!("mode {:o}", old.mode), format!("mode {:o}", new.mode))
            }
            (Some(old), Some(new)) => first_difference(&old.content, &new.content),
            _ => (old.map_or_else(none, |f| f.name), new.map_or_else(none, |f| f.name)),
        };
        let attribute = format!("file {name}");
        differences.push(Difference { attribute, actual, desired });
    }
    differences
}

/// The first lines that differ.
fn first_difference(old: &str, new: &str) -> (String, String) {
    let (mut old, mut new) = (old.lines(), new.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return ("an end".into(), "another end".into()),
            (a, b) if a == b => {}
            (a, b) => {
                let line = |line: Option<&str>| format!("`{}`", line.unwrap_or_default().trim());
                return (line(a), line(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Place, ProcessFile, Program};

    #[test]
    fn of_a_file_the_first_line_that_differs_is_told() {
        let new = |content: &str| Process {
            files: vec![ProcessFile::new("a.conf", content.into())],
            ..Process::new(Place::Host, "p", Program::Argv(vec!["p".into()]))
        };
        let [one] = &differences(&new("x 1\ny 2\n"), &new("x 1\ny 3\nz\n"))[..] else { panic!() };
        assert_eq!(
            (&*one.attribute, &*one.actual, &*one.desired),
            ("file a.conf", "`y 2`", "`y 3`")
        );
    }
}
