//! Foreign names that become a yard's.

use std::collections::BTreeMap;

use crate::name::NodeName;

/// Names as the yard has them: each foreign one gets one of its own.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: BTreeMap<String, String>,
}

impl Names {
    /// The yard's name for a foreign one; the same whenever it is asked for.
    pub fn of(&mut self, foreign: &str) -> String {
        let plain = plain(foreign);
        let mut name = plain.clone();
        let mut more = 2;
        while self.taken.get(&name).is_some_and(|other| other != foreign) {
            name = format!("{plain}-{more}");
            more += 1;
        }
        self.taken.insert(name.clone(), foreign.to_owned());
        name
    }
}

/// A name without what names may not have, and without what means a range.
pub(crate) fn plain(foreign: &str) -> String {
    let allowed = |c: char| {
        let fits = NodeName::new(c.to_string().as_str()).is_ok() || ".-".contains(c);
        fits && !"[]$,{}".contains(c)
    };
    let mut name: String = foreign.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    while name.len() > 200 {
        name.pop();
    }
    match NodeName::new(name.as_str()) {
        Ok(_) => name,
        Err(_) => format!("x{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_foreign_names_never_become_one() {
        let mut names = Names::default();
        assert_eq!(names.of("r/1"), "r-1");
        assert_eq!(names.of("r:1"), "r-1-2");
        assert_eq!(names.of("r/1"), "r-1");
        assert_eq!(names.of("r[1..9]"), "r-1..9-");
    }
}
