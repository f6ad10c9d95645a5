//! What the ways out of networks need of the host's ruleset.
//!
//! Without a firewall of the user's, the host is to a masqueraded network what a
//! home router is: those inside open connections to the outside, what answers
//! them comes back, and ports that were forwarded on purpose come in. A routed
//! network is open both ways, and a network without an uplink is closed.
//!
//! With `forward:` or `policies:` of the user's, these are asked first. What
//! they leave open is decided as above where it helps (from inside to outside),
//! and else by the user's `policy`.

use super::filter::Extra;
use super::nat::Nat;
use super::words::{is_v6, rule, sides};
use super::{End, Masquerade};
use crate::nft::{Matcher, Rule, Statement};
use crate::spec::{Exit, Through};
use crate::state::Place;
use crate::yard::{Uplink, Way, Yard};

/// Adds what the uplinks need to the host's chains; `user_decides` where the
/// user has a policy for what is forwarded.
pub(super) fn add(yard: &Yard, user_decides: bool, nat: &mut Nat, forward: &mut Extra) {
    let own = own_interfaces(yard);
    for uplink in &yard.uplinks {
        if uplink.inside.is_empty() {
            continue;
        }
        let outside = match &uplink.way {
            Way::Routed { through: Through::Interface(name), .. } => {
                End::Interfaces(vec![name.to_string()])
            }
            Way::Routed { through: Through::Auto, .. } | Way::None => {
                End::NotInterfaces(own.clone())
            }
            Way::Bridge(_) | Way::Macvlan(_) => continue,
        };
        let network = yard.networks.get(uplink.network).map_or("", |n| n.name.as_str());
        let label = format!("uplink of {network}");
        let mut inside: Vec<String> = uplink.inside.iter().map(ToString::to_string).collect();
        inside.sort();
        let inside = End::Interfaces(inside);
        let ends = Ends { inside, outside, label };
        for ipv6 in [false, true] {
            match uplink.exit(ipv6) {
                None => continue,
                Some(Exit::Masquerade) => ends.masquerade(uplink, ipv6, user_decides, nat, forward),
                Some(Exit::Routed) => {
                    forward.late.push(ends.rule(true, ipv6, None, Statement::Accept));
                    forward.late.push(ends.rule(false, ipv6, None, Statement::Accept));
                }
                Some(Exit::None) => {
                    forward.late.push(ends.rule(true, ipv6, None, Statement::Drop));
                    forward.late.push(ends.rule(false, ipv6, None, Statement::Drop));
                }
            }
            forward.needed = true;
        }
    }
}

/// The yard's own interfaces on the host, sorted.
fn own_interfaces(yard: &Yard) -> Vec<String> {
    let hosts = yard.nodes.iter().filter(|n| n.place == Place::Host);
    let devices = yard.networks.iter().flat_map(|n| &n.devices).map(|d| &d.device);
    let mut names: Vec<String> = hosts
        .flat_map(|n| &n.interfaces)
        .map(|i| &i.device)
        .chain(devices.filter(|d| d.id.place == Place::Host && d.master.is_none()))
        .map(|d| d.kernel_name.to_string())
        .chain(["lo".to_owned()])
        .collect();
    // A bridge that stands in for an interface of the host is outside, as that is.
    let outside = yard.uplinks.iter().filter(|u| matches!(u.way, Way::Bridge(_)));
    let outside: Vec<String> = outside.flat_map(|u| &u.inside).map(ToString::to_string).collect();
    names.retain(|name| !outside.contains(name));
    names.sort();
    names.dedup();
    names
}

struct Ends {
    inside: End,
    outside: End,
    label: String,
}

impl Ends {
    fn rule(&self, outward: bool, ipv6: bool, more: Option<Matcher>, verdict: Statement) -> Rule {
        let (inside, outside) = ([self.inside.clone()], [self.outside.clone()]);
        let way = if outward {
            sides(&inside, &outside, Some(ipv6))
        } else {
            sides(&outside, &inside, Some(ipv6))
        };
        let mut words: Vec<Statement> = way.into_iter().flat_map(|(words, _)| words).collect();
        words.extend(more.map(Statement::is));
        words.extend([Statement::Counter, verdict]);
        rule(words, &self.label)
    }

    fn masquerade(
        &self,
        uplink: &Uplink,
        ipv6: bool,
        user_decides: bool,
        nat: &mut Nat,
        forward: &mut Extra,
    ) {
        let prefixes: Vec<_> =
            uplink.prefixes.iter().filter(|p| is_v6(p) == ipv6).copied().collect();
        if prefixes.is_empty() {
            return;
        }
        nat.masquerade(&Masquerade {
            label: self.label.clone(),
            out: vec![self.outside.clone()],
            from: vec![End::Nets(prefixes)],
            ports: None,
            random: false,
            families: [!ipv6, ipv6],
        });
        forward.late.push(self.rule(true, ipv6, None, Statement::Accept));
        let accept = Statement::Accept;
        forward.late.push(self.rule(false, ipv6, Some(Matcher::CtDnat), accept));
        if !user_decides {
            forward.late.push(self.rule(false, ipv6, None, Statement::Drop));
        }
    }
}
