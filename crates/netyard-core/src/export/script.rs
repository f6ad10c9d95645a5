//! `sh`: the plan as scripts, for a host without netyard.

use super::{Papers, Subject, Target, UNMADE, one_line, unmade};
use crate::interface::{Interface, Kind};
use crate::plan::{Op, Plan, ShellNames, plan, quoted, title};
use crate::state::{Object, Place, State, Sysctl};

pub(super) static TARGET: Target = Target {
    word: "sh",
    doc: "Shell scripts: up.sh builds the yard with ip, nft, tc and sysctl, down.sh takes it away",
    write,
};

const NEEDS: &str = "As root, with iproute2, nftables, procps and util-linux.";

/// How the host's settings come back: as they were before the first `up.sh`.
const KEEP: &str = "\
keep() { mkdir -p \"$was/${1%/*}\"; test -e \"$was/$1\" || cat \"/proc/sys/$1\" >\"$was/$1\"; }
back() { if test -e \"$was/$1\"; then cat \"$was/$1\" >\"/proc/sys/$1\" || true; rm \"$was/$1\"; fi; }
";

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    for (name, what, up) in [("up.sh", "Builds", true), ("down.sh", "Takes away", false)] {
        let script = Script::of(subject, up, &|_| true);
        papers.file(name.to_owned(), script.text(subject, &TARGET, what), 0o755);
    }
    for object in subject.desired.objects() {
        match object {
            Object::Process(_) => papers.leave(object, "a script supervises nothing"),
            Object::Interface(o) if is_port_of_hardware(o) => {
                let why = "it becomes a port; its addresses and routes, which `netyard up` moves \
                           to the bridge, stay on it";
                papers.leave(object, why);
            }
            Object::Tunnel(tunnel) if unmade(tunnel) => papers.leave(object, UNMADE),
            _ => papers.take(object),
        }
    }
}

/// True for an interface that the host had before, and that becomes a port.
fn is_port_of_hardware(o: &Interface) -> bool {
    matches!(o.kind, Kind::Physical(_)) && o.id.place == Place::Host && o.port.is_some()
}

/// A script, and what of the plan it does not do.
pub(super) struct Script {
    body: String,
    left_out: Vec<String>,
}

impl Script {
    /// The commands that build the yard, or take it away, in the order of the plan: of those
    /// steps that are `wanted`.
    pub fn of(subject: &Subject<'_>, up: bool, wanted: &dyn Fn(&Op) -> bool) -> Self {
        let (nothing, names) = (State::default(), ShellNames::of([subject.desired]));
        let plan: Plan = match up {
            true => plan(&nothing, subject.desired),
            false => plan(subject.desired, &nothing),
        };
        let (mut body, mut left_out) = (String::new(), Vec::new());
        // Inside quotes, as its braces ask for them.
        let secrets = subject.secrets().replace('\'', "'\\''");
        let unmade = |op: &Op| matches!(op, Op::Add { object: Object::Tunnel(o) } if unmade(o));
        for step in plan.steps().filter(|step| wanted(&step.op) && !unmade(&step.op)) {
            let title = one_line(&title(step).1);
            if is_supervised(&step.op) {
                left_out.push(title);
                continue;
            }
            let lines = lines(subject, &step.op, &names);
            // What the kernel does by itself has no command.
            if !lines.is_empty() {
                body.push_str(&format!("\n# {title}\n"));
                let placed = |line: &String| line.replace("{secrets}", &secrets);
                body.extend(lines.iter().map(|line| format!("{}\n", placed(line))));
            }
        }
        Self { body, left_out }
    }

    /// True where it does nothing.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The whole file.
    pub fn text(&self, subject: &Subject<'_>, target: &Target, what: &str) -> String {
        let mut notes = vec![NEEDS.to_owned()];
        if self.body.contains(&subject.secrets()) {
            notes.push(format!("Keys are read from {}.", subject.secrets()));
        }
        let head = subject.head(target, what, &notes);
        let mut text = format!("#!/bin/sh\n{head}");
        if !self.left_out.is_empty() {
            text.push_str("#\n# Not in here, because a script supervises nothing:\n");
            text.extend(self.left_out.iter().map(|line| format!("#   {line}\n")));
        }
        text.push_str("set -eu\n");
        if self.body.contains("\nkeep ") || self.body.contains("\nback ") {
            let was = quoted(&format!("/run/{}.settings", subject.yard.name));
            text.push_str(&format!("was={was}\n{KEEP}"));
        }
        text.push_str(&self.body);
        text
    }
}

/// The commands of a step. What a setting of the host was is kept, and comes back.
fn lines(subject: &Subject<'_>, op: &Op, names: &ShellNames) -> Vec<String> {
    match op {
        Op::Add { object } | Op::Set { to: object, .. } => match object {
            Object::Sysctl(sysctl) if sysctl.place == Place::Host => {
                let keep = format!("keep {}", quoted(&path(subject, sysctl)));
                std::iter::once(keep).chain(op.shell(names)).collect()
            }
            _ => op.shell(names),
        },
        Op::Remove { object } => match object {
            Object::Sysctl(sysctl) if sysctl.place == Place::Host => {
                vec![format!("back {}", quoted(&path(subject, sysctl)))]
            }
            _ => op.shell(names),
        },
        Op::AddPair { .. } | Op::RemovePair { .. } | Op::Mark { .. } => op.shell(names),
    }
}

/// Where a setting is below `/proc/sys`.
pub(super) fn path(subject: &Subject<'_>, sysctl: &Sysctl) -> String {
    match &sysctl.interface {
        Some(name) => sysctl.key.replace("{if}", &subject.device(&sysctl.place, name)),
        None => sysctl.key.clone(),
    }
}

fn is_supervised(op: &Op) -> bool {
    match op {
        Op::Add { object } | Op::Remove { object } | Op::Set { to: object, .. } => {
            matches!(object, Object::Process(_))
        }
        Op::AddPair { .. } | Op::RemovePair { .. } | Op::Mark { .. } => false,
    }
}
