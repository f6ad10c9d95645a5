//! What must match.

use ipnet::IpNet;

use super::{EQ, NEQ, NETWORK, Program, TRANSPORT, ct, family, is_ipv6, meta};
use crate::nft::expr::{Expr, REG_1};
use crate::nft::span::Span;
use crate::nft::{Ct, Field, IcmpKind, Match, Matcher, PortRange, Protocol, SetKind, word};

/// Types of nft for values of one byte.
const INET_PROTOCOL: u32 = 12;
const ICMP_TYPE: u32 = 14;
const ICMPV6_TYPE: u32 = 29;

/// `IPS_SRC_NAT` and `IPS_DST_NAT` (linux/netfilter/nf_conntrack_common.h).
const SRC_NAT: u32 = 0x10;
const DST_NAT: u32 = 0x20;

impl Program {
    pub(super) fn matches(&mut self, m: &Match) {
        let not = m.not;
        match &m.matcher {
            Matcher::Iif(names) => self.interfaces(meta::IIFNAME, names, not),
            Matcher::Oif(names) => self.interfaces(meta::OIFNAME, names, not),
            Matcher::Saddr(nets) => self.addresses(Field::Saddr(is_ipv6(nets)), nets, not),
            Matcher::Daddr(nets) => self.addresses(Field::Daddr(is_ipv6(nets)), nets, not),
            Matcher::SaddrSet { set, ipv6 } => self.in_set(&[Field::Saddr(*ipv6)], set, not),
            Matcher::DaddrSet { set, ipv6 } => self.in_set(&[Field::Daddr(*ipv6)], set, not),
            Matcher::DportSet(protocol, set) => self.in_set(&[Field::Dport(*protocol)], set, not),
            Matcher::Learned { set, key } => self.in_set(key, set, not),
            Matcher::Family(ipv6) => {
                self.family = (!not).then_some(*ipv6);
                self.load_meta(meta::NFPROTO, REG_1);
                self.compare_in(not, &[family(*ipv6)]);
            }
            Matcher::Protocol(protocols) => {
                if let ([one], false) = (protocols.as_slice(), not) {
                    self.protocol = Some(one.number());
                }
                self.load_meta(meta::L4PROTO, REG_1);
                self.bytes(not, INET_PROTOCOL, protocols.iter().map(|p| p.number()));
            }
            Matcher::Sport(protocol, ports) => {
                self.ports(*protocol, Field::Sport(*protocol), ports, not)
            }
            Matcher::Dport(protocol, ports) => {
                self.ports(*protocol, Field::Dport(*protocol), ports, not)
            }
            Matcher::Icmp(kind, types) => self.icmp(*kind, types, not),
            Matcher::CtState(states) => self.state(states, not),
            Matcher::CtDnat => self.bits(ct::STATUS, DST_NAT, not),
            Matcher::CtSnat => self.bits(ct::STATUS, SRC_NAT, not),
            Matcher::Mark(value, mask) => {
                self.load_meta(meta::MARK, REG_1);
                self.masked(*value, *mask, not);
            }
            Matcher::CtMark(value, mask) => {
                self.push(Expr::new("ct").be32(1, REG_1).be32(2, ct::MARK));
                self.masked(*value, *mask, not);
            }
            Matcher::TcpSyn => {
                self.need_protocol(Protocol::Tcp);
                self.load(TRANSPORT, 13, 1, REG_1);
                self.mask(&[0x06]);
                self.compare_in(not, &[0x02]);
            }
            Matcher::DaddrLocal => {
                // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR is RTN_LOCAL.
                self.push(Expr::new("fib").be32(1, REG_1).be32(2, 3).be32(3, 2));
                self.compare_in(not, &2_u32.to_ne_bytes());
            }
            Matcher::SaddrUnreachable => {
                // NFT_FIB_RESULT_OIF of SADDR and IIF, of which PRESENT makes a truth.
                self.push(Expr::new("fib").be32(1, REG_1).be32(2, 1).be32(3, 1 | 8 | 32));
                self.compare(EQ, &[u8::from(not), 0, 0, 0]);
            }
        }
    }

    fn interfaces(&mut self, key: u32, names: &[String], not: bool) {
        self.load_meta(key, REG_1);
        let spans: Vec<Span> = names.iter().filter_map(|n| SetKind::Interface.span(n)).collect();
        if let ([name], [_]) = (names, spans.as_slice())
            && let Some(beginning) = name.strip_suffix('*')
        {
            return self.compare_in(not, beginning.as_bytes());
        }
        self.spans(not, SetKind::Interface, spans);
    }

    fn addresses(&mut self, field: Field, nets: &[IpNet], not: bool) {
        self.need_of(field);
        let nets = word::disjoint(nets);
        let [net] = nets.as_slice() else {
            self.load_field(field, REG_1);
            let spans = nets.iter().map(Span::of_net).collect();
            return self.spans(not, field.kind(), spans);
        };
        let (length, kind) = (u32::from(net.prefix_len()), field.kind());
        let bytes = kind.bytes(Span::of_net(net).first);
        // Whole bytes are compared without a mask.
        if length.is_multiple_of(8) && length > 0 {
            let offset = match field {
                Field::Saddr(false) => 12,
                Field::Daddr(false) => 16,
                Field::Saddr(_) => 8,
                _ => 24,
            };
            self.load(NETWORK, offset, length / 8, REG_1);
            return self.compare_in(not, &bytes[..length as usize / 8]);
        }
        self.load_field(field, REG_1);
        let mask = (!0_u128).checked_shl(8 * kind.len() - length).unwrap_or(0);
        self.mask(&kind.bytes(mask));
        self.compare_in(not, &bytes);
    }

    fn in_set(&mut self, key: &[Field], set: &str, not: bool) {
        self.load_fields(key, 0);
        self.look_up_named(not, set);
    }

    fn ports(&mut self, protocol: Protocol, field: Field, ports: &[PortRange], not: bool) {
        self.need_protocol(protocol);
        self.load_field(field, REG_1);
        let span = |p: &PortRange| Span { first: p.first.into(), last: p.last.into() };
        self.spans(not, SetKind::Port, ports.iter().map(span).collect());
    }

    fn icmp(&mut self, kind: IcmpKind, types: &[u8], not: bool) {
        let (ipv6, protocol, number) = match kind {
            IcmpKind::Icmp => (false, Protocol::Icmp, ICMP_TYPE),
            IcmpKind::Icmpv6 => (true, Protocol::Icmpv6, ICMPV6_TYPE),
        };
        self.need_family(ipv6);
        self.need_protocol(protocol);
        self.load(TRANSPORT, 0, 1, REG_1);
        self.bytes(not, number, types.iter().copied());
    }

    fn state(&mut self, states: &[Ct], not: bool) {
        let bits = states.iter().fold(0, |all, state| all | state.bit());
        self.bits(ct::STATE, bits, not);
    }

    /// Any of these bits of a connection is set; none of them, where `not`.
    fn bits(&mut self, key: u32, bits: u32, not: bool) {
        self.push(Expr::new("ct").be32(1, REG_1).be32(2, key));
        self.mask(&bits.to_ne_bytes());
        self.compare(if not { EQ } else { NEQ }, &[0; 4]);
    }

    fn masked(&mut self, value: u32, mask: u32, not: bool) {
        if mask != u32::MAX {
            self.mask(&mask.to_ne_bytes());
        }
        self.compare_in(not, &value.to_ne_bytes());
    }
}
