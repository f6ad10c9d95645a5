//! What the kernel's routing says of one packet in one namespace.

use std::io;
use std::net::IpAddr;

use netyard_core::explain::{Packet, Refusal, Reverse, Routing, Stack};
use netyard_core::wire::lookup::{
    self, Fate, GET_ROUTE, GET_RULE, PolicyRule, RouteAnswer, RouteQuestion, table_word,
};
use rustix::io::Errno;

use crate::error::errno_name;
use crate::netlink::Socket;

/// A packet where it is routed.
pub(super) struct Asked<'a> {
    pub packet: &'a Packet,
    /// The index of the interface it came by.
    pub iif: Option<u32>,
    pub mark: u32,
    /// What else is known of the namespace.
    pub stack: &'a Stack,
    /// Devices that should be up.
    pub wanted_up: &'a [String],
}

/// What is said, and the index of the interface it leaves by.
pub(super) struct Said {
    pub routing: Routing,
    pub oif: Option<u32>,
}

impl Asked<'_> {
    /// Asks the kernel.
    pub fn ask(&self, socket: &mut Socket) -> io::Result<Said> {
        let question = RouteQuestion {
            destination: self.packet.destination,
            source: Some(self.packet.source).filter(|source| !source.is_unspecified()),
            iif: self.iif,
            mark: self.mark,
            flow: Some(self.packet.flow()),
            matched: false,
        };
        let refused = |refusal| Said { routing: Routing::Refused(refusal), oif: None };
        let answer = match get(socket, &question) {
            Ok(answer) => answer,
            Err(error) => return Ok(refused(self.refusal(socket, &error)?)),
        };
        match answer.fate {
            Fate::Local => return Ok(Said { routing: Routing::Here, oif: None }),
            Fate::Unicast | Fate::Many => {}
            fate => {
                let why = self.by_table(socket)?;
                let route =
                    why.unwrap_or_else(|| Refusal::ByRoute(fate, text(&answer, self.stack)));
                return Ok(refused(route));
            }
        }
        let matched = get(socket, &RouteQuestion { matched: true, ..question }).ok();
        let matched = matched.unwrap_or_else(|| answer.clone());
        let Some(oif) = answer.oif else { return Ok(refused(Refusal::Other("ENODEV".into()))) };
        let device = self.stack.devices.get(&oif).map_or(1500, |device| device.mtu);
        let rule = match answer.table {
            253..=255 | 0 => None,
            table => self.rules(socket)?.into_iter().find(|rule| rule.table == Some(table)),
        };
        Ok(Said {
            routing: Routing::Onward {
                route: text(&matched, self.stack),
                table: table_word(answer.table),
                rule: rule.map(|rule| rule.text()),
                interface: self.stack.name(oif),
                gateway: answer.gateway,
                mtu: answer.mtu.unwrap_or(device).min(device),
            },
            oif: Some(oif),
        })
    }

    /// The way back to the source, as `rp_filter` looks for it.
    pub fn reverse(&self, socket: &mut Socket, came_from: IpAddr) -> Option<Reverse> {
        let iif = self.iif.filter(|_| came_from.is_ipv4())?;
        let rp_filter = self.stack.rp_filter(iif);
        let question = RouteQuestion {
            destination: came_from,
            source: None,
            iif: None,
            mark: 0,
            flow: None,
            matched: false,
        };
        let oif = get(socket, &question).ok().and_then(|answer| answer.oif);
        let refuses = match rp_filter {
            0 => false,
            1 => oif != Some(iif),
            _ => oif.is_none(),
        };
        Some(Reverse { interface: oif.map(|oif| self.stack.name(oif)), rp_filter, refuses })
    }

    fn refusal(&self, socket: &mut Socket, error: &io::Error) -> io::Result<Refusal> {
        let errno = Errno::from_io_error(error);
        if errno == Some(Errno::XDEV) {
            return Ok(Refusal::ReversePath);
        }
        let ipv6 = self.packet.destination.is_ipv6();
        if let Some(iif) = self.iif
            && errno == Some(Errno::HOSTUNREACH)
            && !self.stack.forwards(iif, ipv6)
        {
            return Ok(Refusal::NotForwarding);
        }
        if let Some(refusal) = self.by_table(socket)? {
            return Ok(refusal);
        }
        // Newer kernels have one errno for all that a packet can be refused for
        // when it comes in (`inet_rtm_getroute`, 6.14).
        if self.reverse(socket, self.packet.source).is_some_and(|reverse| reverse.refuses) {
            return Ok(Refusal::ReversePath);
        }
        Ok(match errno {
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::SRCH) => {
                Refusal::NoRoute(self.down())
            }
            Some(errno) => {
                let number = || errno.raw_os_error().to_string();
                Refusal::Other(errno_name(errno).map_or_else(number, str::to_owned))
            }
            None => Refusal::Other(error.to_string()),
        })
    }

    /// A rule or a route that is there to refuse.
    fn by_table(&self, socket: &mut Socket) -> io::Result<Option<Refusal>> {
        let to = self.packet.destination;
        let mut routes: Vec<RouteAnswer> = Vec::new();
        socket.dump_raw(GET_ROUTE, &lookup::all_routes(to.is_ipv6()), |message| match message {
            None => routes.clear(),
            Some(message) => routes.extend(
                RouteAnswer::read(message.payload)
                    .filter(|route| !route.cached && route.destination.contains(&to)),
            ),
        })?;
        for rule in self.rules(socket)? {
            if let Some(fate) = rule.fate {
                return Ok(Some(Refusal::ByRoute(fate, rule.text())));
            }
            let best = routes
                .iter()
                .filter(|route| Some(route.table) == rule.table)
                .max_by_key(|route| (route.destination.prefix_len(), u32::MAX - route.metric));
            match best {
                Some(route)
                    if matches!(
                        route.fate,
                        Fate::Blackhole | Fate::Unreachable | Fate::Prohibit
                    ) =>
                {
                    let text = text(route, self.stack);
                    return Ok(Some(Refusal::ByRoute(route.fate, text)));
                }
                Some(route) if route.fate != Fate::Throw => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The policy rules that are about the packet, in order.
    fn rules(&self, socket: &mut Socket) -> io::Result<Vec<PolicyRule>> {
        let mut rules = Vec::new();
        let body = lookup::all_routes(self.packet.destination.is_ipv6());
        socket.dump_raw(GET_RULE, &body, |message| match message {
            None => rules.clear(),
            Some(message) => rules.extend(PolicyRule::read(message.payload)),
        })?;
        let iif = match self.iif.and_then(|iif| self.stack.devices.get(&iif)) {
            Some(device) => device.kernel_name.clone(),
            None => "lo".to_owned(),
        };
        let Packet { source, destination, .. } = *self.packet;
        rules.retain(|rule| rule.matches(source, destination, self.mark, &iif));
        rules.sort_by_key(|rule| rule.priority);
        Ok(rules)
    }

    /// A device that is down and would be the way.
    fn down(&self) -> Option<String> {
        let down = || self.stack.devices.values().filter(|device| !device.up && !device.loopback);
        let covers = |index: u32| {
            let mut all = self.stack.addresses.iter();
            all.any(|own| own.index == index && own.net.contains(&self.packet.destination))
        };
        let wanted = |index: u32| {
            self.wanted_up.contains(&self.stack.name(index))
                || self.stack.addresses.iter().any(|own| own.index == index)
        };
        let best = down().find(|device| covers(device.index));
        let best = best.or_else(|| down().find(|device| wanted(device.index)));
        best.map(|device| self.stack.name(device.index))
    }
}

fn get(socket: &mut Socket, question: &RouteQuestion) -> io::Result<RouteAnswer> {
    socket
        .ask(GET_ROUTE, &question.body(), |message| RouteAnswer::read(message.payload))?
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// As `ip route` writes it.
fn text(route: &RouteAnswer, stack: &Stack) -> String {
    let mut text = String::new();
    if !route.fate.word().is_empty() {
        text.push_str(route.fate.word());
        text.push(' ');
    }
    match route.destination.prefix_len() {
        0 => text.push_str("default"),
        _ if route.destination.prefix_len() == route.destination.max_prefix_len() => {
            text.push_str(&route.destination.addr().to_string());
        }
        _ => text.push_str(&route.destination.to_string()),
    }
    if let Some(gateway) = route.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    // A blackhole of IPv6 leads to lo, which nobody wants to read.
    if let Some(oif) = route.oif.filter(|_| route.fate == Fate::Unicast) {
        text.push_str(&format!(" dev {}", stack.name(oif)));
    }
    text
}
