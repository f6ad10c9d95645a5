//! A plan as a shell script: what `netyard` would do, for a host without it.

use super::show::title;
use super::{Op, Plan, ShellNames};
use crate::state::Object;

/// A script, and what of the plan it does not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// For `/bin/sh`, as root.
    pub text: String,
    /// A line each, for people.
    pub left_out: Vec<String>,
}

/// The commands of a plan, in its order; `about` says in a line or more what the
/// script is, and becomes its head.
pub fn script(plan: &Plan, names: &ShellNames, about: &str) -> Script {
    let (mut body, mut left_out) = (String::new(), Vec::new());
    for step in plan.steps() {
        let title = one_line(&title(step).1);
        if is_supervised(&step.op) {
            left_out.push(title);
            continue;
        }
        let lines = step.op.shell(names);
        // What the kernel does by itself has no command.
        if !lines.is_empty() {
            body.push_str(&format!("\n# {title}\n"));
            body.extend(lines.iter().map(|line| format!("{line}\n")));
        }
    }
    let mut text = String::from("#!/bin/sh\n");
    text.extend(about.lines().map(|line| format!("# {}\n", one_line(line))));
    if !left_out.is_empty() {
        text.push_str("#\n# Not in here, because a script supervises nothing:\n");
        text.extend(left_out.iter().map(|line| format!("#   {line}\n")));
    }
    text.push_str("set -eu\n");
    text.push_str(&body);
    Script { text, left_out }
}

fn is_supervised(op: &Op) -> bool {
    match op {
        Op::Add { object } | Op::Remove { object } | Op::Set { to: object, .. } => {
            matches!(object, Object::Process(_))
        }
        Op::AddPair { .. } | Op::RemovePair { .. } => false,
    }
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
