//! What may be said of every service: when it starts, as whom, and what is done
//! when it ends.

use std::collections::BTreeMap;

use crate::diag::{Report, Spanned, service as say};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{Process, Restart};

/// The keys.
pub static CARE: Shape = Shape {
    name: "service",
    doc: "What may be said of every service.",
    fields: &[
        Field::new(
            "restart",
            Type::Word(&["always", "on-failure", "never"]),
            "What is done when it has ended by itself; left out, `always`, for one that is ready when it has ended `never`.",
        ),
        Field::new(
            "after",
            Type::OneOrMore(&Type::Text),
            "What must be there first: a service (`babeld`, `r2:babeld`), `address eth0` (usable, no longer tentative), `carrier eth0`, `lease eth0`, `neighbour eth0` (somebody answers on its link).",
        ),
        Field::new(
            "environment",
            Type::Map(&Type::Text),
            "Its environment, beside `PATH` and what supervision needs.",
        ),
        Field::new("user", Type::Text, "The user it runs as; left out, as netyard itself."),
    ],
    also: &[],
};

/// What a service comes after, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A service: of which node, where it is not the same, and its name.
    Service(Option<String>, String),
    /// A usable address of an interface of the node.
    Address(String),
    /// The carrier of one.
    Carrier(String),
    /// A lease for one.
    Lease(String),
    /// Somebody who answers on its link.
    Neighbour(String),
}

/// How a service is cared for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Care {
    /// `restart:`.
    pub restart: Option<Restart>,
    /// `after:`.
    pub after: Vec<Spanned<Wish>>,
    /// `environment:`.
    pub environment: BTreeMap<String, String>,
    /// `user:`.
    pub user: Option<String>,
}

impl Care {
    /// Reads the keys.
    pub fn from_record(record: &Record, report: &mut Report) -> Self {
        let restart = record.text("restart").and_then(|word| match &*word.value {
            "always" => Some(Restart::Always),
            "on-failure" => Some(Restart::OnFailure),
            "never" => Some(Restart::Never),
            _ => None,
        });
        let after = record.list("after").iter().filter_map(|value| {
            let Value::Text(text) = &value.value else { return None };
            let wish = wish(text);
            if wish.is_none() {
                report.push(say::bad_after(text, value.span));
            }
            Some(Spanned::new(wish?, value.span))
        });
        let after = after.collect();
        let mut environment = BTreeMap::new();
        for (name, value) in record.map("environment") {
            if name.value.is_empty() || name.value.contains(['=', '\0']) {
                report.push(say::bad_variable(&name.value, name.span));
            }
            if let Value::Text(text) = &value.value {
                environment.insert(name.value.clone(), text.clone());
            }
        }
        let user = record.text("user").map(|user| user.value);
        Self { restart, after, environment, user }
    }

    /// Puts it into a process.
    pub fn apply(&self, process: &mut Process) {
        process.restart = self.restart.unwrap_or(process.restart);
        process.environment.extend(self.environment.clone());
        process.user = self.user.clone().or(process.user.take());
    }
}

fn wish(text: &str) -> Option<Wish> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let owned = |text: &str| text.to_owned();
    match words[..] {
        ["address", interface] => Some(Wish::Address(owned(interface))),
        ["carrier", interface] => Some(Wish::Carrier(owned(interface))),
        ["lease", interface] => Some(Wish::Lease(owned(interface))),
        ["neighbour", interface] => Some(Wish::Neighbour(owned(interface))),
        [name] => match name.split_once(':') {
            None => Some(Wish::Service(None, owned(name))),
            Some((node, name)) if !node.is_empty() && !name.is_empty() => {
                Some(Wish::Service(Some(owned(node)), owned(name)))
            }
            Some(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_is_a_service_or_what_an_interface_has() {
        assert_eq!(wish("babeld"), Some(Wish::Service(None, "babeld".into())));
        assert_eq!(wish("r2:babeld"), Some(Wish::Service(Some("r2".into()), "babeld".into())));
        assert_eq!(wish("address  eth0"), Some(Wish::Address("eth0".into())));
        assert_eq!(wish("lease eth0"), Some(Wish::Lease("eth0".into())));
        assert_eq!(wish(":babeld"), None);
        assert_eq!(wish("the weather"), None);
        assert_eq!(wish(""), None);
    }
}
