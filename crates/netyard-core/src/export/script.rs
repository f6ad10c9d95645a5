//! `sh`: the plan as scripts, for a host without netyard.

use super::{Papers, Subject, Target, one_line};
use crate::plan::{Op, Plan, ShellNames, plan, title};
use crate::state::{Object, State};

pub(super) static TARGET: Target = Target {
    word: "sh",
    doc: "Shell scripts: up.sh builds the yard with ip, nft, tc and sysctl, down.sh takes it away",
    write,
};

const NEEDS: &str = "As root, with iproute2, nftables, procps and util-linux.";

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    let (nothing, names) = (State::default(), ShellNames::of([subject.desired]));
    let up = script(&plan(&nothing, subject.desired), &names);
    let down = script(&plan(subject.desired, &nothing), &names);
    for (name, what, script) in [("up.sh", "Builds", up), ("down.sh", "Takes away", down)] {
        let head = subject.head(&TARGET, what, &[NEEDS.to_owned()]);
        let mut text = format!("#!/bin/sh\n{head}");
        if !script.left_out.is_empty() {
            text.push_str("#\n# Not in here, because a script supervises nothing:\n");
            text.extend(script.left_out.iter().map(|line| format!("#   {line}\n")));
        }
        text.push_str("set -eu\n");
        text.push_str(&script.body);
        papers.file(name.to_owned(), text, 0o755);
    }
    for object in subject.desired.objects() {
        match object {
            Object::Process(_) => papers.leave(object, "a script supervises nothing"),
            _ => papers.take(object),
        }
    }
}

/// A script, and what of the plan it does not do.
struct Script {
    body: String,
    left_out: Vec<String>,
}

/// The commands of a plan, in its order.
fn script(plan: &Plan, names: &ShellNames) -> Script {
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
    Script { body, left_out }
}

fn is_supervised(op: &Op) -> bool {
    match op {
        Op::Add { object } | Op::Remove { object } | Op::Set { to: object, .. } => {
            matches!(object, Object::Process(_))
        }
        Op::AddPair { .. } | Op::RemovePair { .. } => false,
    }
}
