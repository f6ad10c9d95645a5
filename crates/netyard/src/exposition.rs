//! A yard's metrics, from what was seen of it.

use std::collections::BTreeMap;

use netyard_core::diag::Sources;
use netyard_core::facts::TunnelPulse;
use netyard_core::interface::Kind;
use netyard_core::metric::{Exposition, Metric};
use netyard_core::service::babel_dump::{Dump, Route};
use netyard_core::service::lease::Lease;
use netyard_core::state::{Impairment, InterfaceId, Key, Object, Place, State};
use netyard_core::wire::link::Pulse;
use netyard_core::yard::{Link, Wireguard, Yard};
use netyard_linux::{Observation, ProcessState, RuleCount, Tracked, Trial, babel};

use crate::health::is_well;
use crate::ui;

/// All that was seen.
pub struct View<'a> {
    /// The yard's objects as they are.
    pub seen: &'a Observation,
    /// As they should be; empty where that is not known.
    pub desired: &'a State,
    /// What the file means, and its text.
    pub file: Option<(&'a Yard, &'a Sources)>,
    /// What interfaces do.
    pub pulses: &'a BTreeMap<InterfaceId, Pulse>,
    /// What rules of firewalls counted.
    pub rules: &'a BTreeMap<Place, Vec<RuleCount>>,
    /// Connections that are tracked.
    pub tracked: &'a BTreeMap<Place, Tracked>,
    /// The processes that there are or were.
    pub processes: &'a [ProcessState],
    /// Leases of the networks that are served, and the time of day.
    pub leases: (&'a [Lease], u64),
    /// What tunnels do.
    pub tunnels: &'a BTreeMap<InterfaceId, TunnelPulse>,
    /// What came of the expectations.
    pub trial: Option<&'a Trial>,
}

impl View<'_> {
    /// Tells all of it.
    pub fn tell(&self, told: &mut Exposition) {
        let state = &self.seen.state;
        told.put(Metric::YardUp, &[], !state.is_empty());
        told.put(Metric::YardInterrupted, &[], self.seen.interrupted.is_some());
        self.tell_nodes(told);
        if let Some((yard, _)) = self.file {
            yard.links.iter().for_each(|link| self.tell_link(told, link));
            yard.tunnels.iter().for_each(|end| self.tell_tunnel(told, end));
        }
        self.tell_firewalls(told);
        self.tell_processes(told);
        let (leases, now) = self.leases;
        for lease in leases {
            told.add(Metric::DhcpLeases, &[lease.network.as_str()], lease.is_held(now).into());
        }
        if let Some(trial) = self.trial {
            told.put(Metric::TestTime, &[], trial.ended);
            told.put(Metric::TestDuration, &[], trial.took);
            for result in &trial.results {
                let family = result.family.to_string().to_lowercase();
                let labels = [result.expectation.as_str(), &family, &result.place];
                told.put(Metric::ExpectationPassed, &labels, result.passed);
            }
        }
    }

    fn tell_nodes(&self, told: &mut Exposition) {
        for object in self.desired.objects().chain(self.seen.state.objects()) {
            match object {
                Object::Namespace(o) if o.place != Place::Fabric => {
                    let there = self.seen.state.get(&Key::Namespace(o.place.clone())).is_some();
                    told.put(Metric::NodeUp, &[&o.place.to_string()], there);
                }
                Object::Interface(o) if o.id.place != Place::Fabric => {
                    // The loopback that nobody spoke of is as in every node.
                    let silent = o.kind == Kind::Loopback;
                    if !silent {
                        self.tell_interface(told, &o.id);
                    }
                }
                _ => {}
            }
        }
    }

    fn tell_interface(&self, told: &mut Exposition, id: &InterfaceId) {
        let (node, name) = (id.place.to_string(), id.name.to_string());
        let labels = [node.as_str(), name.as_str()];
        let interface = self.seen.state.interface(id);
        told.put(Metric::InterfaceUp, &labels, interface.is_some_and(|i| i.up));
        if let Some(mtu) = interface.and_then(|interface| interface.mtu) {
            told.put(Metric::InterfaceMtu, &labels, mtu);
        }
        let Some(pulse) = self.pulses.get(id) else { return };
        told.put(Metric::InterfaceCarrier, &labels, pulse.carrier);
        let (received, sent) = (pulse.received, pulse.sent);
        for (metric, value) in [
            (Metric::InterfaceReceiveBytes, received.bytes),
            (Metric::InterfaceReceivePackets, received.packets),
            (Metric::InterfaceReceiveErrors, received.errors),
            (Metric::InterfaceReceiveDrops, received.dropped),
            (Metric::InterfaceTransmitBytes, sent.bytes),
            (Metric::InterfaceTransmitPackets, sent.packets),
            (Metric::InterfaceTransmitErrors, sent.errors),
            (Metric::InterfaceTransmitDrops, sent.dropped),
        ] {
            told.put(metric, &labels, value);
        }
    }

    fn tell_link(&self, told: &mut Exposition, link: &Link) {
        let works = |id: &InterfaceId| {
            let up = self.seen.state.interface(id).is_some_and(|interface| interface.up);
            up && self.pulses.get(id).is_none_or(|pulse| pulse.carrier)
        };
        told.put(Metric::LinkUp, &[&link.name], link.ends.iter().all(works));
        for end in &link.ends {
            if let Some(Object::Qdisc(qdisc)) = self.seen.state.get(&Key::Qdisc(end.clone())) {
                let (node, name) = (end.place.to_string(), end.name.to_string());
                tell_impairment(told, &[&link.name, &node, &name], &qdisc.impairment);
            }
        }
    }

    /// A tunnel's end by the names of its peers, which only the file has.
    fn tell_tunnel(&self, told: &mut Exposition, end: &Wireguard) {
        let id = &end.tunnel.interface;
        let Some(pulse) = self.tunnels.get(id) else { return };
        let (node, name) = (id.place.to_string(), id.name.to_string());
        let (_, now) = self.leases;
        for peer in &pulse.peers {
            let key = peer.public_key.to_string();
            let peer_name = end.names.get(&peer.public_key).unwrap_or(&key);
            let labels = [node.as_str(), &name, peer_name];
            if let Some(age) = peer.age {
                told.put(Metric::WireguardHandshake, &labels, now.saturating_sub(age));
            }
            told.put(Metric::WireguardReceiveBytes, &labels, peer.received);
            told.put(Metric::WireguardTransmitBytes, &labels, peer.sent);
        }
    }

    fn tell_firewalls(&self, told: &mut Exposition) {
        for (place, rules) in self.rules {
            let node = place.to_string();
            for rule in rules {
                let written = self.rule_place(place, &rule.rule);
                let labels = [node.as_str(), &rule.chain, &rule.rule, &written];
                // A rule of the file can be several of the kernel's.
                told.add(Metric::FirewallRulePackets, &labels, rule.packets);
                told.add(Metric::FirewallRuleBytes, &labels, rule.bytes);
            }
        }
        for (place, tracked) in self.tracked {
            let node = place.to_string();
            told.put(Metric::ConntrackEntries, &[&node], tracked.entries);
            if let Some(limit) = tracked.limit {
                told.put(Metric::ConntrackLimit, &[&node], limit);
            }
        }
    }

    fn tell_processes(&self, told: &mut Exposition) {
        for object in self.desired.objects() {
            if let Object::Process(o) = object {
                told.put(Metric::ProcessUp, &[&o.place.to_string(), &o.name], false);
            }
        }
        for state in self.processes {
            let node = state.process.place.to_string();
            let labels = [node.as_str(), &state.process.name];
            told.put(Metric::ProcessUp, &labels, is_well(state));
            told.put(Metric::ProcessRestarts, &labels, state.restarts);
            if let Some(started) = state.started {
                told.put(Metric::ProcessStart, &labels, started);
            }
            let socket = state.directory.join(babel::SOCKET);
            if socket.exists() {
                tell_babel(told, labels, babel::read(&socket).ok().as_ref());
            }
        }
    }

    /// Where the file says what a rule does: `netyard.yaml:12`; empty for rules that
    /// netyard makes on its own.
    fn rule_place(&self, place: &Place, comment: &str) -> String {
        let find = || {
            let (yard, sources) = self.file?;
            let firewall = yard.firewalls.iter().find(|firewall| firewall.place == *place)?;
            line(sources, firewall.place_of(comment)?)
        };
        find().unwrap_or_default()
    }
}

/// The file and the line of a place.
pub fn line(sources: &Sources, span: netyard_core::diag::Span) -> Option<String> {
    let place = ui::place(sources, span)?;
    let (line, _column) = place.rsplit_once(':')?;
    // Which directory it is in is nobody's business here.
    Some(line.rsplit('/').next().unwrap_or(line).to_owned())
}

fn tell_babel(told: &mut Exposition, [node, process]: [&str; 2], babel: Option<&Dump>) {
    told.put(Metric::BabelUp, &[node, process], babel.is_some());
    let Some(babel) = babel else { return };
    for neighbour in &babel.neighbours {
        let address = neighbour.address.to_string();
        let labels = [node, process, &neighbour.interface, &address];
        told.put(Metric::BabelNeighbourCost, &labels, u32::from(neighbour.cost));
    }
    for (family, ipv6) in [("ipv4", false), ("ipv6", true)] {
        let leads =
            |route: &&Route| route.prefix.addr().is_ipv6() == ipv6 && route.metric < UNREACHABLE;
        let routes: Vec<_> = babel.routes.iter().filter(leads).collect();
        let installed = routes.iter().filter(|route| route.installed).count();
        told.put(Metric::BabelRoutes, &[node, process, family], routes.len());
        told.put(Metric::BabelRoutesInstalled, &[node, process, family], installed);
    }
}

/// Babel's infinity (RFC 8966, 2.1).
const UNREACHABLE: u16 = 65535;

fn tell_impairment(told: &mut Exposition, labels: &[&str], impairment: &Impairment) {
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    told.put(Metric::LinkDelay, labels, seconds(impairment.delay));
    told.put(Metric::LinkJitter, labels, seconds(impairment.jitter));
    told.put(Metric::LinkLoss, labels, f64::from(impairment.loss) / 1e6);
    if impairment.rate > 0 {
        told.put(Metric::LinkRate, labels, impairment.rate as f64 / 8.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impairments_are_told_in_seconds_ratios_and_bytes() {
        let mut told = Exposition::new("y");
        let (delay, jitter, loss, rate) = (20_000_000, 1_500_000, 5_000, 8_000_000);
        let impairment = Impairment { delay, jitter, loss, rate, ..Impairment::default() };
        tell_impairment(&mut told, &["l", "a", "x"], &impairment);
        let text = told.text();
        let labels = "{yard=\"y\",link=\"l\",node=\"a\",interface=\"x\"}";
        for (name, value) in [
            ("delay_seconds", "0.02"),
            ("jitter_seconds", "0.0015"),
            ("loss_ratio", "0.005"),
            ("rate_bytes_per_second", "1000000"),
        ] {
            let line = format!("netyard_link_{name}{labels} {value}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }

    #[test]
    fn a_place_is_a_file_and_a_line() {
        let source = netyard_core::diag::Source { name: "/a/b/c.yaml".into(), text: "x\ny".into() };
        let span = netyard_core::diag::Span { file: 0, start: 2, end: 3 };
        assert_eq!(line(&Sources(vec![source]), span).as_deref(), Some("c.yaml:2"));
    }
}
