//! The other end of a cable is in no namespace of the yard's.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Link, Stack};
use crate::state::{InterfaceId, Place};
use crate::wire::Mark;
use crate::yard::Yard;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "peer-astray",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "a link leads to somebody else",
    means: "both ends of a veth pair go at once, so that one without the other has its peer in a namespace that is not the yard's: somebody moved it there, and frames go where nobody looks",
    evidence: "one end of a link of the file, by its mark, and the other in none of the yard's namespaces",
    fix: "`netyard up` makes the pair anew; find out who moved it",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(yard) = scene.yard else { return Vec::new() };
    let mut found = Vec::new();
    for link in &yard.links {
        let [one, other] = &link.ends;
        for (here, gone) in [(one, other), (other, one)] {
            let Some((place, end)) = of(scene, yard, here) else { continue };
            if end.kind != "veth" || of(scene, yard, gone).is_some() {
                continue;
            }
            let what = format!(
                "`{}` is one end of link `{}`, and the other, `{gone}`, is in no namespace of the yard's",
                end.name, link.name
            );
            let finding = CHECK
                .finding(place, what)
                .with("interface", end.name.as_str())
                .with("link", link.name.as_str())
                .with("missing", gone.to_string());
            found.push(finding.fix("`netyard up` makes the pair anew"));
        }
    }
    found
}

/// The interface that bears this mark, wherever it is.
fn of<'a>(scene: &Scene<'a>, yard: &Yard, id: &InterfaceId) -> Option<(&'a Place, &'a Link)> {
    let is = |link: &&Link| {
        Stack::is_ours(link, yard.name.as_str())
            && Mark::parse(&link.alias).is_some_and(|mark| mark.id == *id)
    };
    scene.stacks().find_map(|(place, stack)| Some((place, stack.links.iter().find(is)?)))
}
