//! Interfaces that the file has and the kernel does not: somebody deleted them.

use super::super::sight::{Missing, Routing};
use super::super::{Direction, Hop};
use super::{Case, Culprit};

/// What an interface that is not there looks like.
const LOOKS: [&str; 7] = [
    "no-route",
    "no-return-route",
    "no-neighbour",
    "wrong-gateway",
    "outside",
    "nat-missing",
    "lost",
];

impl Case<'_> {
    /// The interface whose absence looks like this culprit, if there is one.
    pub(super) fn not_there(&self, culprit: &Culprit) -> Option<Culprit> {
        if !LOOKS.contains(&culprit.id) {
            return None;
        }
        let hops = match culprit.direction {
            Direction::There => &self.journey.there,
            Direction::Back => &self.journey.back,
        };
        let hop = hops.iter().find(|hop| hop.place == culprit.place).or(hops.last())?;
        let next = match &hop.routing {
            Routing::Onward { gateway: Some(gateway), .. } => *gateway,
            _ => hop.routed.destination,
        };
        let mut all = self.journey.missing.iter();
        if let Some(missing) = all.clone().find(|missing| missing.addresses.contains(&next)) {
            let what = format!("`{}`, which has {next} in the file, is not there", missing.name());
            return Some(self.missing(hop, missing, what));
        }
        let is_route = matches!(culprit.id, "no-route" | "no-return-route");
        let relevant = |missing: &&Missing| match is_route {
            true => missing.place == hop.place,
            false => missing.bridge,
        };
        let missing = all.find(relevant)?;
        let name = missing.name();
        let what = format!("{}; `{name}`, which is in the file, is not there", culprit.what);
        Some(self.missing(hop, missing, what))
    }

    fn missing(&self, hop: &Hop, missing: &Missing, what: String) -> Culprit {
        let fix = vec!["`netyard up` makes it again".to_owned()];
        let mut culprit = self.make(hop, "interface-missing", what, fix);
        culprit.place = missing.place.clone();
        culprit
    }
}
