//! Tables as what `nft -f -` reads.

use super::unit::{heredoc, quoted};
use super::{ShellNames, Verb};
use crate::nft::{Edit, Table, edits};
use crate::state::FlowDevice;

/// One call of nft, so that all of it is done at once.
pub(super) fn table(
    names: &ShellNames,
    verb: Verb,
    from: Option<&Table>,
    to: &Table,
) -> Vec<String> {
    let exec = names.exec(&to.place);
    if verb == Verb::Remove {
        return vec![format!("{exec}nft delete table inet {}", to.name)];
    }
    let text = match from {
        None => to.to_string(),
        Some(from) => {
            let lines = edits(Some(from), to).iter().map(|e| line(&to.name, e)).collect::<Vec<_>>();
            lines.join("\n")
        }
    };
    heredoc(&format!("{exec}nft -f -"), &text)
}

/// A rule is taken out by its handle, which only the kernel knows.
fn line(table: &str, edit: &Edit<'_>) -> String {
    match edit {
        Edit::AddSet(set) => {
            let flags = if set.has_intervals() { " flags interval;" } else { "" };
            let elements = set.words().join(", ");
            let elements = match &*elements {
                "" => String::new(),
                all => format!(" elements = {{ {all} }};"),
            };
            format!(
                "add set inet {table} {} {{ type {};{flags}{elements} }}",
                set.name,
                set.kind.word()
            )
        }
        Edit::RemoveSet(set) => format!("delete set inet {table} {}", set.name),
        Edit::AddLearned(set) => {
            format!("add {} inet {table} {} {{ {} }}", set.sort(), set.name, set.words().join("; "))
        }
        Edit::RemoveLearned(set) => format!("delete {} inet {table} {}", set.sort(), set.name),
        Edit::AddOther(set) => format!("add set inet {table} {} {{ … }}", set.name),
        Edit::RemoveOther(set) => format!("delete set inet {table} {}", set.name),
        Edit::AddElements(set, elements) => {
            format!("add element inet {table} {} {{ {} }}", set.name, elements.join(", "))
        }
        Edit::RemoveElements(set, elements) => {
            format!("delete element inet {table} {} {{ {} }}", set.name, elements.join(", "))
        }
        Edit::AddFlowtable(flowtable) => format!(
            "add flowtable inet {table} {} {{ hook ingress priority {}; }}",
            flowtable.name, flowtable.priority
        ),
        Edit::RemoveFlowtable(flowtable) => {
            format!("delete flowtable inet {table} {}", flowtable.name)
        }
        Edit::AddChain(chain) => match &chain.base {
            Some(base) => format!("add chain inet {table} {} {{ {base} }}", chain.name),
            None => format!("add chain inet {table} {}", chain.name),
        },
        Edit::RemoveChain(chain) => format!("delete chain inet {table} {}", chain.name),
        Edit::SetPolicy(chain) => {
            let policy = chain.base.map_or("accept", |base| base.policy.word());
            format!("add chain inet {table} {} {{ policy {policy}; }}", chain.name)
        }
        Edit::RemoveRule { chain, index } => {
            let rule = &chain.rules[*index];
            format!("delete rule inet {table} {} handle …  # {rule}", chain.name)
        }
        Edit::AddRule { chain, index, before: Some(_) } => {
            let rule = &chain.rules[*index];
            format!("insert rule inet {table} {} handle … {rule}", chain.name)
        }
        Edit::AddRule { chain, index, before: None } => {
            format!("add rule inet {table} {} {}", chain.name, chain.rules[*index])
        }
    }
}

/// A device comes into a flowtable, or leaves it.
pub(super) fn flow_device(names: &ShellNames, verb: Verb, o: &FlowDevice) -> String {
    let place = &o.interface.place;
    let device = names.device(place, &o.interface.name);
    let (exec, verb) = (names.exec(place), if verb == Verb::Remove { "delete" } else { "add" });
    let text = format!(
        "{verb} flowtable inet {} {} {{ hook ingress priority {}; devices = {{ {device} }}; }}",
        o.table, o.flowtable, o.priority
    );
    format!("{exec}nft {}", quoted(&text))
}
