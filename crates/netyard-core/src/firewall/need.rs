//! What is let through whatever the file says.
//!
//! | | types | why |
//! |---|---|---|
//! | ICMP | 3, 11, 12 | errors: path MTU discovery, traceroute |
//! | ICMPv6 | 1 to 4 | errors: a packet too big is never fragmented on its way (RFC 4890, 4.3.1) |
//! | ICMPv6, to and from the node | 130 to 132, 143 | multicast listener discovery (4.4.1) |
//! | ICMPv6, to and from the node | 133 to 137 | router and neighbour discovery, redirects |
//! | ICMPv6, to and from the node | 148, 149, 151 to 153 | secure neighbour and multicast router discovery |
//! | UDP 546, to the node | from link-local, port 547 | answers of a DHCPv6 server, which come from another address than was asked |
//!
//! That neighbour discovery comes from the link itself (hop limit 255) the
//! kernel checks on its own (RFC 4861, 7.1).

use super::Direction;
use super::words::rule;
use crate::nft::{IcmpKind, Matcher, PortRange, Protocol, Rule, Statement};

const ICMP_ERRORS: [u8; 3] = [3, 11, 12];
const ICMPV6_ERRORS: [u8; 4] = [1, 2, 3, 4];
const ICMPV6_OF_LINK: [u8; 14] =
    [130, 131, 132, 133, 134, 135, 136, 137, 143, 148, 149, 151, 152, 153];

/// The rules of a direction, behind those for connections.
pub(super) fn rules(direction: Direction) -> Vec<Rule> {
    let icmp = |kind, types: &[u8], comment: &str| {
        let matched = Statement::is(Matcher::Icmp(kind, types.to_vec()));
        rule(vec![matched, Statement::Counter, Statement::Accept], comment)
    };
    let mut rules = vec![
        icmp(IcmpKind::Icmp, &ICMP_ERRORS, "always: ICMP errors"),
        icmp(IcmpKind::Icmpv6, &ICMPV6_ERRORS, "always: ICMPv6 errors"),
    ];
    if direction != Direction::Forward {
        rules.push(icmp(IcmpKind::Icmpv6, &ICMPV6_OF_LINK, "always: what IPv6 needs of its links"));
    }
    if direction == Direction::Input {
        let port = |port| vec![PortRange { first: port, last: port }];
        let words = vec![
            Statement::is(Matcher::Saddr(vec![LINK_LOCAL])),
            Statement::is(Matcher::Sport(Protocol::Udp, port(547))),
            Statement::is(Matcher::Dport(Protocol::Udp, port(546))),
            Statement::Counter,
            Statement::Accept,
        ];
        rules.push(rule(words, "always: answers of a DHCPv6 server"));
    }
    rules
}

/// `fe80::/10`.
const LINK_LOCAL: ipnet::IpNet = ipnet::IpNet::V6(ipnet::Ipv6Net::new_assert(
    std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
    10,
));
