//! A plan with colours: what comes is green, what changes yellow, what goes red.

use anstyle::Style;
use netyard_core::plan::show::Line;

use super::{BAD, FAINT, GOOD, WARNING};

/// The lines of a plan, each with its sign.
pub fn plan_lines(lines: &[(Line, String)]) -> String {
    let mut shown = String::new();
    for (line, text) in lines {
        if *line == Line::Summary && lines.len() > 1 {
            shown.push('\n');
        }
        let style = style(*line);
        shown.push_str(&format!("{style}{}{text}{style:#}\n", line.sign()));
    }
    shown
}

fn style(line: Line) -> Style {
    match line {
        Line::Add => GOOD,
        Line::Change | Line::Disturbance => WARNING,
        Line::Remove => BAD,
        Line::Shell => FAINT,
        Line::Summary => Style::new(),
    }
}
