//! A plan for people: lines of text, each with its meaning, so that a terminal
//! can colour them.

use super::{Disturbance, Op, Plan, ShellNames, Step, Why};
use crate::state::Object;

/// What a line of a shown plan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Something comes: `+`.
    Add,
    /// Something changes: `~`.
    Change,
    /// Something goes: `-`.
    Remove,
    /// A command that would do the same: `$`.
    Shell,
    /// What traffic will notice: `!`.
    Disturbance,
    /// How many of each, at the end.
    Summary,
}

impl Line {
    /// The sign that begins the line; none for the summary.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+ ",
            Self::Change => "~ ",
            Self::Remove => "- ",
            Self::Shell => "    $ ",
            Self::Disturbance => "! ",
            Self::Summary => "",
        }
    }
}

/// What to show of a plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// The commands that would do the same.
    pub shell: bool,
}

/// The lines of a plan: its steps, what traffic will notice, a summary.
pub fn show(plan: &Plan, names: &ShellNames, detail: Detail) -> Vec<(Line, String)> {
    let mut lines = Vec::new();
    for step in plan.steps() {
        lines.push(title(step));
        lines.extend(rules(step));
        if detail.shell {
            lines.extend(step.op.shell(names).into_iter().map(|line| (Line::Shell, line)));
        }
    }
    lines.extend(plan.disturbances.iter().map(|d| (Line::Disturbance, disturbance(d))));
    lines.push((Line::Summary, summary(plan)));
    lines
}

/// The lines as one text without colours, each with its sign.
pub fn text(lines: &[(Line, String)]) -> String {
    lines.iter().map(|(line, text)| format!("{}{text}\n", line.sign())).collect()
}

/// The line of a step: what, and why unless that goes without saying.
pub(crate) fn title(step: &Step) -> (Line, String) {
    let (line, what) = match &step.op {
        Op::Add { object: Object::Process(o) } => (
            Line::Add,
            format!("process {} in {}: {}", o.name, o.place, o.program.words().join(" ")),
        ),
        Op::Add { object } => (Line::Add, object.to_string()),
        Op::AddPair { first, second } => (Line::Add, format!("{first} to {}", second.id)),
        Op::Set { to, .. } => (Line::Change, to.to_string()),
        Op::Remove { object } => (Line::Remove, object.to_string()),
        Op::Mark { object, .. } => (Line::Change, format!("{object} becomes the yard's")),
        Op::RemovePair { first, second } => (Line::Remove, format!("{first} to {}", second.id)),
    };
    match why(&step.why, &step.op) {
        Some(why) => (line, format!("{what}: {why}")),
        None => (line, what),
    }
}

/// Most lines that are shown of what changes in one table.
const RULES: usize = 40;

/// What changes in a table, a line each.
fn rules(step: &Step) -> Vec<(Line, String)> {
    let Why::Differs { attributes } = &step.why else { return Vec::new() };
    if !matches!(step.op, Op::Set { to: Object::Table(_), .. }) {
        return Vec::new();
    }
    let line = |d: &super::Difference| match (&*d.actual, &*d.desired) {
        ("none", new) => (Line::Add, format!("  {}: {new}", d.attribute)),
        (old, "none") => (Line::Remove, format!("  {}: {old}", d.attribute)),
        (old, new) => (Line::Change, format!("  {}: {old} → {new}", d.attribute)),
    };
    let mut lines: Vec<_> = attributes.iter().take(RULES).map(line).collect();
    if let Some(more) = attributes.len().checked_sub(RULES).filter(|more| *more > 0) {
        lines.push((Line::Change, format!("  and {more} more")));
    }
    lines
}

fn why(why: &Why, op: &Op) -> Option<String> {
    match why {
        Why::Missing | Why::Unwanted => None,
        // A file's text is too long for a line.
        Why::Differs { .. } if matches!(op, Op::Set { to: Object::Table(_), .. }) => None,
        Why::Differs { .. } if matches!(op, Op::Set { to: Object::File(_), .. }) => {
            Some("its text differs".to_string())
        }
        Why::Differs { attributes } => {
            let each = attributes.iter();
            let each = each.map(|d| format!("{} {} → {}", d.attribute, d.actual, d.desired));
            Some(each.collect::<Vec<_>>().join(", "))
        }
        Why::Recreated { because } => Some(format!("made anew, for {because}")),
        Why::Follows { object } => Some(format!("with {object}")),
    }
}

fn disturbance(disturbance: &Disturbance) -> String {
    match disturbance {
        Disturbance::Flaps { interface, because } => {
            format!("{interface} is down for a moment: {because}")
        }
        Disturbance::Restarts { node, because } => {
            format!("{node} restarts, and all in it ends: {because}")
        }
    }
}

/// `3 to add, 1 to change, 2 to remove`, or that there is nothing to do.
fn summary(plan: &Plan) -> String {
    let mut counts = [0_usize; 3];
    for step in plan.steps() {
        match &step.op {
            Op::Add { .. } | Op::AddPair { .. } => counts[0] += 1,
            Op::Set { .. } | Op::Mark { .. } => counts[1] += 1,
            Op::Remove { .. } | Op::RemovePair { .. } => counts[2] += 1,
        }
    }
    let [add, change, remove] = counts;
    match counts {
        [0, 0, 0] => "nothing to do".to_string(),
        _ => format!("{add} to add, {change} to change, {remove} to remove"),
    }
}
