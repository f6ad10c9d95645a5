//! Policy rules over netlink.

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction as WireAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::attribute::{ip, text};
use super::{Names, PROTOCOL, Request, attributes, u8_of, u32_of};
use crate::state::{Place, Rule, RuleAction};

// linux/fib_rules.h
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PROTOCOL: u16 = 21;
const FIB_RULE_INVERT: u32 = 2;
const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_GOTO: u8 = 2;
const FR_ACT_BLACKHOLE: u8 = 6;
const FR_ACT_UNREACHABLE: u8 = 7;
const FR_ACT_PROHIBIT: u8 = 8;
/// "No suppression", which the kernel always tells.
const NO_SUPPRESSION: u32 = u32::MAX;
const HEADER: usize = 12; // struct fib_rule_hdr

/// Asks for all rules of both families.
pub fn dump() -> [Request; 2] {
    [AddressFamily::Inet, AddressFamily::Inet6].map(|family| {
        let mut message = RuleMessage::default();
        message.header.family = family;
        Request::dump(RouteNetlinkMessage::GetRule(message))
    })
}

/// Reads an `RTM_NEWRULE` message without its netlink header; none where it is
/// not netyard's.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Option<Rule> {
    let (rule, protocol) = whole(place, names, message)?;
    (protocol == PROTOCOL).then_some(rule)
}

/// The same, whoever's it is.
pub fn read_any(place: &Place, names: &Names, message: &[u8]) -> Option<Rule> {
    whole(place, names, message).map(|(rule, _)| rule)
}

/// A rule with its protocol number.
fn whole(place: &Place, names: &Names, message: &[u8]) -> Option<(Rule, u8)> {
    let header = message.get(..HEADER)?;
    let (to_bits, from_bits) = (header[1], header[2]);
    let mut rule = Rule {
        place: place.clone(),
        ipv6: header[0] == u8::from(AddressFamily::Inet6),
        priority: 0,
        from: None,
        to: None,
        fwmark: None,
        iif: None,
        oif: None,
        not: u32_of(&header[8..])? & FIB_RULE_INVERT != 0,
        action: RuleAction::Blackhole,
        suppress_prefix_length: None,
    };
    let (mut table, mut target, mut protocol) = (u32::from(header[4]), 0, 0);
    let (mut mark, mut mask) = (0, 0);
    for (kind, value) in attributes(&message[HEADER..]) {
        match kind {
            FRA_DST => rule.to = IpNet::new(ip(value)?, to_bits).ok(),
            FRA_SRC => rule.from = IpNet::new(ip(value)?, from_bits).ok(),
            FRA_IIFNAME => rule.iif = names.full_of(text(value)?),
            FRA_OIFNAME => rule.oif = names.full_of(text(value)?),
            FRA_GOTO => target = u32_of(value)?,
            FRA_PRIORITY => rule.priority = u32_of(value)?,
            FRA_FWMARK => mark = u32_of(value)?,
            FRA_FWMASK => mask = u32_of(value)?,
            FRA_TABLE => table = u32_of(value)?,
            FRA_PROTOCOL => protocol = u8_of(value)?,
            FRA_SUPPRESS_PREFIXLEN => {
                rule.suppress_prefix_length = u32_of(value).filter(|&n| n != NO_SUPPRESSION);
            }
            _ => {}
        }
    }
    rule.fwmark = (mark != 0 || mask != 0).then_some((mark, mask));
    rule.action = match header[7] {
        FR_ACT_TO_TBL => RuleAction::Table(table),
        FR_ACT_GOTO => RuleAction::Goto(target),
        FR_ACT_BLACKHOLE => RuleAction::Blackhole,
        FR_ACT_UNREACHABLE => RuleAction::Unreachable,
        FR_ACT_PROHIBIT => RuleAction::Prohibit,
        _ => return None,
    };
    Some((rule, protocol))
}

impl Rule {
    /// Adds it. Interfaces are named in a rule, and need not be there.
    pub fn add(&self, names: &Names) -> Request {
        let message = RouteNetlinkMessage::NewRule(self.message(names));
        Request::new(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes it away: the rule that says all that this one says.
    pub fn remove(&self, names: &Names) -> Request {
        Request::new(RouteNetlinkMessage::DelRule(self.message(names)), 0)
    }

    fn message(&self, names: &Names) -> RuleMessage {
        let mut message = RuleMessage::default();
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
        attributes.extend(self.from.map(|net| RuleAttribute::Source(net.network())));
        attributes.extend(self.to.map(|net| RuleAttribute::Destination(net.network())));
        if let Some((mark, mask)) = self.fwmark {
            attributes.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mask)]);
        }
        let name = |full| names.kernel(full).to_owned();
        attributes.extend(self.iif.as_ref().map(|full| RuleAttribute::Iifname(name(full))));
        attributes.extend(self.oif.as_ref().map(|full| RuleAttribute::Oifname(name(full))));
        attributes.extend(self.suppress_prefix_length.map(RuleAttribute::SuppressPrefixLen));
        let header = &mut message.header;
        header.family = if self.ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        header.src_len = self.from.map_or(0, |net| net.prefix_len());
        header.dst_len = self.to.map_or(0, |net| net.prefix_len());
        if self.not {
            header.flags = RuleFlags::Invert;
        }
        header.action = match self.action {
            RuleAction::Table(table) => {
                header.table = u8::try_from(table).unwrap_or(0);
                attributes.push(RuleAttribute::Table(table));
                WireAction::ToTable
            }
            RuleAction::Goto(priority) => {
                attributes.push(RuleAttribute::Goto(priority));
                WireAction::Goto
            }
            RuleAction::Blackhole => WireAction::Blackhole,
            RuleAction::Unreachable => WireAction::Unreachable,
            RuleAction::Prohibit => WireAction::Prohibit,
        };
        message
    }
}
