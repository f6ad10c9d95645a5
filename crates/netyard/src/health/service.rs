//! How a yard's services are.

use netyard_core::state::Place;
use netyard_linux::{ProcessPhase, ProcessState};
use serde_json::{Value, json};

use crate::ui;

/// The word for how far it is.
fn word(phase: ProcessPhase) -> &'static str {
    match phase {
        ProcessPhase::Starting => "starting",
        ProcessPhase::Running => "up",
        ProcessPhase::Done => "done",
        ProcessPhase::Waiting => "restarting",
        ProcessPhase::Failed => "failed",
    }
}

/// True when it does what it is there for.
pub fn is_well(state: &ProcessState) -> bool {
    matches!(state.phase, ProcessPhase::Running | ProcessPhase::Done)
}

/// For people: all of them, or those that are not well; empty where there are none.
pub fn text(states: &[ProcessState], all: bool) -> String {
    let head = ["NODE", "SERVICE", "STATE", "FOR", "RESTARTS", "SAYS"].map(String::from);
    let mut rows = vec![head.to_vec()];
    for state in states.iter().filter(|state| all || !is_well(state)) {
        let says = match state.phase {
            ProcessPhase::Running | ProcessPhase::Done => state.status.clone(),
            _ => state.ended.clone(),
        };
        rows.push(vec![
            state.process.place.to_string(),
            state.process.name.clone(),
            word(state.phase).to_owned(),
            age(state.age),
            state.restarts.to_string(),
            says.unwrap_or_default(),
        ]);
    }
    if rows.len() > 1 { format!("\n{}", ui::table(&rows)) } else { String::new() }
}

/// For programs.
pub fn json(states: &[ProcessState]) -> Value {
    let one = |state: &ProcessState| {
        let process = &state.process;
        json!({
            "node": match &process.place { Place::Host => "host".to_owned(), place => place.to_string() },
            "service": process.name, "state": word(state.phase), "seconds": state.age,
            "pid": state.pid, "restarts": state.restarts, "ended": state.ended,
            "status": state.status, "command": process.program.words(),
        })
    };
    states.iter().map(one).collect()
}

/// `5 s`, `3 min`, `2 h`, `9 d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_one_unit() {
        assert_eq!([59, 60, 7200, 200_000].map(age), ["59 s", "1 min", "2 h", "2 d"]);
    }
}
