//! What differs between two States, object by object.

use serde_json::Value;

use super::Difference;
use super::shell::unit;
use crate::interface::Change;
use crate::state::{Object, State};

/// One key of either State, and what both say about it.
pub(super) struct Slot<'a> {
    /// As it is.
    pub actual: Option<&'a Object>,
    /// As it shall be.
    pub desired: Option<&'a Object>,
    /// True when there is nothing to do.
    pub same: bool,
}

/// All keys of both, in order: one walk along two sorted maps.
pub(super) fn join<'a>(actual: &'a State, desired: &'a State) -> Vec<Slot<'a>> {
    let mut slots = Vec::with_capacity(actual.len().max(desired.len()));
    let (mut left, mut right) = (actual.iter().peekable(), desired.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return slots,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((d, _))) => a.cmp(d),
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        let (actual, desired) = (old.map(|(_, o)| o), new.map(|(_, o)| o));
        slots.push(Slot { actual, desired, same: actual == desired });
    }
}

impl Object {
    /// How this object becomes `to`, which has the same key.
    pub fn change(&self, to: &Self) -> Change {
        match (self, to) {
            (Self::Interface(from), Self::Interface(to)) => from.change(to),
            (Self::Namespace(from), Self::Namespace(to)) if from.netns != to.netns => {
                Change::Recreate("a namespace keeps its name while it is mounted and in use")
            }
            // RTM_NEWADDR with NLM_F_REPLACE changes neither the other end nor,
            // once detection has run, whether it ran.
            (Self::Address(_), Self::Address(_)) => {
                Change::Recreate("an address keeps its other end and its duplicate detection")
            }
            (Self::PortVlan(from), Self::PortVlan(to)) if from.on_bridge != to.on_bridge => {
                Change::Recreate("the bridge's own VLANs are not its ports'")
            }
            (Self::Neighbour(from), Self::Neighbour(to))
                if from.mac.is_some() != to.mac.is_some() =>
            {
                Change::Recreate("a proxy entry is not a neighbour entry")
            }
            (Self::File(from), Self::File(to)) if from.netns != to.netns => {
                Change::Recreate("the namespace has another name")
            }
            (Self::FlowDevice(_), Self::FlowDevice(_)) => {
                Change::Recreate("a flowtable keeps its priority")
            }
            (Self::Table(from), Self::Table(to)) if from.name != to.name => {
                Change::Recreate("a table keeps its name")
            }
            (Self::LibvirtNetwork(from), Self::LibvirtNetwork(to)) => from.change(to),
            _ => Change::InPlace,
        }
    }
}

/// The attributes in which two objects of one key differ, by the name that the
/// file has for them, sorted.
pub(super) fn differences(from: &Object, to: &Object) -> Vec<Difference> {
    if let (Object::Table(from), Object::Table(to)) = (from, to) {
        return super::table::differences(from, to);
    }
    let mut differences = Vec::new();
    if let (Object::Process(from), Object::Process(to)) = (from, to) {
        return super::process::differences(from, to);
    }
    // Serialising plain data cannot fail.
    let (from, to) = (serde_json::to_value(from), serde_json::to_value(to));
    if let (Ok(from), Ok(to)) = (from, to) {
        compare("", &from, &to, &mut differences);
    }
    differences
}

pub(super) fn compare(name: &str, from: &Value, to: &Value, differences: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    let empty = serde_json::Map::new();
    let (left, right) = match (from, to) {
        (Value::Object(left), Value::Object(right)) => (left, right),
        (Value::Object(left), Value::Null) => (left, &empty),
        (Value::Null, Value::Object(right)) => (&empty, right),
        _ => {
            let (actual, desired) = (show(name, from), show(name, to));
            differences.push(Difference { attribute: name.to_string(), actual, desired });
            return;
        }
    };
    let keys: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (a, b) =
            (left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null));
        let key = key.replace('_', "-");
        // What a kind or an impairment says is said without saying whose it is.
        let name = match name {
            "" | "kind" | "impairment" => key,
            _ => format!("{name} {key}"),
        };
        compare(&name, a, b, differences);
    }
}

/// A value as a person reads it.
fn show(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_string(),
        Value::Array(items) => {
            items.iter().map(|item| show(name, item)).collect::<Vec<_>>().join(", ")
        }
        Value::Object(map) => {
            let words = map.iter().filter_map(|(key, value)| match (&**key, value) {
                (_, Value::Null | Value::Bool(false)) => None,
                (_, Value::Bool(true)) => Some(key.clone()),
                ("weight", weight) if *weight == 1 => None,
                ("gateway", gateway) => Some(format!("via {}", show(key, gateway))),
                ("interface", interface) => Some(format!("dev {}", show(key, interface))),
                (_, value) => Some(format!("{key} {}", show(key, value))),
            });
            words.collect::<Vec<_>>().join(" ")
        }
        Value::Number(number) => match (name, number.as_u64()) {
            ("delay" | "jitter", Some(n)) => unit::duration(n),
            ("loss" | "duplicate" | "reorder" | "corrupt", Some(n)) => {
                unit::percent(u32::try_from(n).unwrap_or(u32::MAX))
            }
            ("rate", Some(n)) => unit::rate(n),
            _ => number.to_string(),
        },
        Value::Bool(truth) => truth.to_string(),
    }
}
