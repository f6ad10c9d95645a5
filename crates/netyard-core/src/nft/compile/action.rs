//! What is done.

use std::net::IpAddr;

use super::{Program, ct, meta};
use crate::nft::expr::{
    self, Collection, Element, Expr, NF_ACCEPT, NF_DROP, NFT_GOTO, NFT_JUMP, NFT_RETURN, REG_1,
    VERDICT, register,
};
use crate::nft::{
    Each, Field, LogLevel, NatTarget, PortRange, RateLimit, Reject, SetKind, Statement,
};

/// `NF_NAT_RANGE_*` (linux/netfilter/nf_nat.h).
const PROTO_SPECIFIED: u32 = 2;
const PERSISTENT: u32 = 8;
const RANDOM_FULLY: u32 = 16;
const NETMAP: u32 = 64;

/// `NFT_NAT_*`.
const SNAT: u32 = 0;
const DNAT: u32 = 1;

impl Program {
    pub(super) fn act(&mut self, statement: &Statement) {
        match statement {
            Statement::Match(_) | Statement::Machine(_) => {}
            Statement::Limit(rate) => self.push(limit(rate)),
            Statement::Counter => self.push(Expr::new("counter")),
            Statement::Log { prefix, level } => self.log(prefix, *level),
            Statement::SetMark(mark) => {
                self.immediate(REG_1, &mark.to_ne_bytes());
                self.push(Expr::new("meta").be32(2, meta::MARK).be32(3, REG_1));
            }
            Statement::SetCtMark(mark) => {
                self.immediate(REG_1, &mark.to_ne_bytes());
                self.push(Expr::new("ct").be32(2, ct::MARK).be32(4, REG_1));
            }
            Statement::RestoreMark => {
                self.push(Expr::new("ct").be32(1, REG_1).be32(2, ct::MARK));
                self.push(Expr::new("meta").be32(2, meta::MARK).be32(3, REG_1));
            }
            Statement::SaveMark => {
                self.load_meta(meta::MARK, REG_1);
                self.push(Expr::new("ct").be32(2, ct::MARK).be32(4, REG_1));
            }
            Statement::MaxSegment(size) => self.max_segment(*size),
            Statement::Offload(name) => self.push(Expr::new("flow_offload").text(1, name)),
            Statement::Learn { set, key, data, each } => self.learn(set, key, data, *each),
            Statement::Dispatch { key, cases } => self.dispatch(*key, cases),
            Statement::Notrack => self.push(Expr::new("notrack")),
            Statement::Masquerade { ports, random } => self.masquerade(*ports, *random),
            Statement::Snat(target) => self.nat(SNAT, target),
            Statement::Dnat(target) => self.nat(DNAT, target),
            Statement::DnatLearned { map, key, ipv6 } => self.dnat_learned(map, key, *ipv6),
            Statement::DnatShift { address, protocol, ports, first } => {
                self.need_protocol(*protocol);
                self.dnat_shift(*address, *ports, *first);
            }
            Statement::Redirect(ports) => {
                let (expr, flags) = self.nat_ports(Expr::new("redir"), *ports, 0, (1, 2));
                self.push(if flags > 0 { expr.be32(3, flags) } else { expr });
            }
            Statement::Accept => self.verdict(NF_ACCEPT, None),
            Statement::Drop => self.verdict(NF_DROP, None),
            Statement::Reject(reject) => self.reject(*reject),
            Statement::Jump(chain) => self.verdict(NFT_JUMP, Some(chain)),
            Statement::Goto(chain) => self.verdict(NFT_GOTO, Some(chain)),
            Statement::Return => self.verdict(NFT_RETURN, None),
        }
    }

    fn immediate(&mut self, register: u32, value: &[u8]) {
        self.push(Expr::new("immediate").be32(1, register).data(2, value));
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) {
        let immediate = Expr::new("immediate").be32(1, VERDICT);
        self.push(immediate.nest(2, &expr::verdict(code, chain)));
    }

    fn log(&mut self, prefix: &str, level: LogLevel) {
        let mut log = Expr::new("log");
        if !prefix.is_empty() {
            log = log.text(2, prefix);
        }
        if level != LogLevel::Warn {
            log = log.be32(5, level.number());
        }
        self.push(log);
    }

    fn max_segment(&mut self, size: Option<u16>) {
        match size {
            Some(size) => self.immediate(REG_1, &size.to_be_bytes()),
            None => {
                // NFT_RT_TCPMSS is in the host's order, NFT_BYTEORDER_HTON.
                self.push(Expr::new("rt").be32(1, REG_1).be32(2, 3));
                let byteorder = Expr::new("byteorder").be32(1, REG_1).be32(2, REG_1);
                self.push(byteorder.be32(3, 1).be32(4, 2).be32(5, 2));
            }
        }
        // TCP option 2, its two bytes after kind and length.
        let write = Expr::new("exthdr").byte(2, 2).be32(3, 2).be32(4, 2);
        self.push(write.be32(6, 1).be32(7, REG_1));
    }

    fn learn(&mut self, set: &str, key: &[Field], data: &[Field], each: Option<Each>) {
        let length = self.load_fields(key, 0);
        // nft has the key and the value each begin at a register of sixteen bytes.
        let after = length.next_multiple_of(4);
        let op = u32::from(!matches!(each, Some(Each::ConnectionsOver(_))));
        let mut dynset = Expr::new("dynset").text(1, set).be32(3, op).be32(4, REG_1);
        if !data.is_empty() {
            self.load_fields(data, after);
            dynset = dynset.be32(5, register(after));
        }
        if let Some(each) = each {
            let inner = match each {
                Each::Limit(rate) => limit(&rate),
                // NFT_CONNLIMIT_F_INV: more than that.
                Each::ConnectionsOver(count) => Expr::new("connlimit").be32(1, count).be32(2, 1),
            };
            dynset = dynset.nest(7, &inner.encoded());
        }
        self.push(dynset);
    }

    fn dispatch(&mut self, key: Field, cases: &[(String, String)]) {
        self.load_field(key, REG_1);
        let kind = SetKind::Interface;
        let case = |(name, chain): &(String, String)| {
            let span = kind.span(name)?;
            let data = expr::verdict(NFT_JUMP, Some(chain));
            Some(Element { key: kind.bytes(span.first), data, ..Element::default() })
        };
        let elements: Vec<Element> = cases.iter().filter_map(case).collect();
        let map = anonymous_map(kind, expr::DATA_VERDICT, 0, elements);
        self.map(map, VERDICT);
    }

    /// Looks the first register up in a map; what it has comes into a register.
    fn map(&mut self, map: Collection, to: u32) {
        let mut lookup = Expr::new("lookup").be32(2, REG_1).be32(3, to);
        lookup.set = Some(Box::new(map));
        self.push(lookup);
    }

    fn masquerade(&mut self, ports: Option<PortRange>, random: bool) {
        let (expr, mut flags) = self.nat_ports(Expr::new("masq"), ports, 0, (2, 3));
        flags |= if random { RANDOM_FULLY } else { 0 };
        self.push(if flags > 0 { expr.be32(1, flags) } else { expr });
    }

    /// Ports in registers from the one after so many, named by these attributes;
    /// gives the flags that say so.
    fn nat_ports(
        &mut self,
        expr: Expr,
        ports: Option<PortRange>,
        after: u32,
        attributes: (u16, u16),
    ) -> (Expr, u32) {
        let Some(PortRange { first, last }) = ports else { return (expr, 0) };
        let min = REG_1 + after;
        self.immediate(min, &first.to_be_bytes());
        let expr = expr.be32(attributes.0, min);
        if first == last {
            return (expr, PROTO_SPECIFIED);
        }
        self.immediate(min + 1, &last.to_be_bytes());
        (expr.be32(attributes.1, min + 1), PROTO_SPECIFIED)
    }

    fn nat(&mut self, sort: u32, target: &NatTarget) {
        let ipv6 = target.addresses.is_some_and(|(first, _)| first.is_ipv6());
        let mut nat = Expr::new("nat").be32(1, sort);
        let mut used = 0;
        if let Some((first, last)) = target.addresses {
            nat = nat.be32(2, u32::from(super::family(ipv6)));
            self.immediate(REG_1, &octets(first));
            nat = nat.be32(3, REG_1);
            used = 1;
            if first != last {
                self.immediate(REG_1 + 1, &octets(last));
                nat = nat.be32(4, REG_1 + 1);
                used = 2;
            }
        } else {
            nat = nat.be32(2, u32::from(super::family(self.family == Some(true))));
        }
        let (nat, mut flags) = self.nat_ports(nat, target.ports, used, (5, 6));
        flags |= if target.prefix { NETMAP } else { 0 };
        flags |= if target.random { RANDOM_FULLY } else { 0 };
        flags |= if target.persistent { PERSISTENT } else { 0 };
        self.push(if flags > 0 { nat.be32(7, flags) } else { nat });
    }

    fn dnat_learned(&mut self, map: &str, key: &[Field], ipv6: bool) {
        self.load_fields(key, 0);
        self.push(Expr::new("lookup").text(1, map).be32(2, REG_1).be32(3, REG_1));
        let port = register(if ipv6 { 4 } else { 1 });
        let nat = Expr::new("nat").be32(1, DNAT).be32(2, u32::from(super::family(ipv6)));
        self.push(nat.be32(3, REG_1).be32(5, port).be32(7, PROTO_SPECIFIED));
    }

    fn dnat_shift(&mut self, address: IpAddr, ports: PortRange, first: u16) {
        let case = |port: u16| Element {
            key: port.to_be_bytes().to_vec(),
            data: expr::attribute_of(1, &(port - ports.first).wrapping_add(first).to_be_bytes()),
            ..Element::default()
        };
        let elements = (ports.first..=ports.last).map(case).collect();
        let map = anonymous_map(SetKind::Port, SetKind::Port.number(), 2, elements);
        self.immediate(REG_1 + 1, &octets(address));
        self.load(super::TRANSPORT, 2, 2, REG_1);
        self.map(map, REG_1);
        let family = u32::from(super::family(address.is_ipv6()));
        let nat = Expr::new("nat").be32(1, DNAT).be32(2, family).be32(3, REG_1 + 1);
        self.push(nat.be32(5, REG_1).be32(7, PROTO_SPECIFIED));
    }

    fn reject(&mut self, reject: Reject) {
        // NFT_REJECT_TCP_RST; NFT_REJECT_ICMPX_UNREACH with NFT_REJECT_ICMPX_*.
        let (sort, code) = match reject {
            Reject::TcpReset => (1, 0),
            Reject::Closed | Reject::PortUnreachable => (2, 1),
            Reject::AdminProhibited => (2, 3),
        };
        let expr = Expr::new("reject").be32(1, sort);
        self.push(if sort == 1 { expr } else { expr.byte(2, code) });
    }
}

fn limit(rate: &RateLimit) -> Expr {
    let limit = Expr::new("limit").be64(1, rate.amount).be64(2, rate.seconds).be32(3, rate.burst);
    let limit = if rate.bytes { limit.be32(4, 1) } else { limit };
    if rate.over { limit.be32(5, 1) } else { limit }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn anonymous_map(kind: SetKind, data: u32, length: u32, mut elements: Vec<Element>) -> Collection {
    elements.sort();
    Collection {
        flags: expr::SET_ANONYMOUS | expr::SET_CONSTANT | expr::SET_MAP,
        key_type: kind.number(),
        key_len: kind.len(),
        data_type: data,
        data_len: length,
        size: super::count(elements.len()),
        elements,
        ..Default::default()
    }
}
