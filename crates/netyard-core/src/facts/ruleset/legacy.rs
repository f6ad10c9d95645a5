//! The matches and targets of iptables that a rule of iptables-nft carries as
//! they were for the old kernel interface (linux/netfilter/xt_*.h).

use super::walk::Packet;

/// What a target does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetFate {
    Accept,
    Reject,
    GoesOn,
    Unknown,
}

/// Whether a match of iptables matches; none where that is not known here.
pub(super) fn matches(name: &str, revision: u32, info: &[u8], packet: &Packet) -> Option<bool> {
    match name {
        // A limit matches as long as it is not used up.
        "comment" | "limit" | "hashlimit" => Some(true),
        "tcp" => ports(info, packet, 11).filter(|_| info.get(9) == Some(&0)),
        "udp" => ports(info, packet, 8),
        "multiport" => multiport(info, packet),
        "conntrack" if revision >= 2 => conntrack(info, packet),
        "state" => Some(packet.state.bit() & u32_at(info, 0)? != 0),
        "addrtype" if revision == 1 => addrtype(info, packet),
        "mark" => {
            let hit = packet.mark & u32_at(info, 4)? == u32_at(info, 0)?;
            Some(hit != (*info.get(8)? != 0))
        }
        // A frame that is bridged; what is routed came by no port.
        "physdev" => Some(false),
        _ => None,
    }
}

/// What a target does.
pub(super) fn target(name: &str) -> TargetFate {
    match name {
        "REJECT" => TargetFate::Reject,
        "MASQUERADE" | "SNAT" | "DNAT" | "REDIRECT" | "NETMAP" => TargetFate::Accept,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "CT" | "DSCP" | "TOS" | "CHECKSUM"
        | "CLASSIFY" | "TRACE" | "SET" => TargetFate::GoesOn,
        _ => TargetFate::Unknown,
    }
}

/// Where a DNAT of iptables leads: `struct nf_nat_range2` of revision 2, or
/// `nf_nat_ipv4_multi_range_compat` before it.
pub(super) fn dnat(info: &[u8]) -> Option<(Vec<u8>, Option<u16>)> {
    if info.len() >= 40 {
        let (address, port) = (info.get(4..20)?, info.get(36..38)?);
        let zeroes = address[4..].iter().all(|byte| *byte == 0);
        let address = if zeroes { &address[..4] } else { address };
        let port = u16::from_be_bytes(port.try_into().ok()?);
        return Some((address.to_vec(), Some(port).filter(|port| *port != 0)));
    }
    // rangesize, then flags, min_ip, max_ip, min, max.
    let port = u16::from_be_bytes(info.get(16..18)?.try_into().ok()?);
    Some((info.get(8..12)?.to_vec(), Some(port).filter(|port| *port != 0)))
}

/// `struct xt_tcp`, `struct xt_udp`: ranges of source and destination ports, in
/// the machine's order of bytes; then what is inverted.
fn ports(info: &[u8], packet: &Packet, inverse: usize) -> Option<bool> {
    let inverted = *info.get(inverse)?;
    let side = |port: Option<u16>, at: usize, bit: u8| {
        let (low, high) = (u16_at(info, at)?, u16_at(info, at + 2)?);
        let hit = match (low, high) {
            (0, u16::MAX) => true,
            _ => (low..=high).contains(&port?),
        };
        Some(hit != (inverted & bit != 0))
    };
    both(side(packet.sport, 0, 1), side(packet.dport, 4, 2))
}

fn multiport(info: &[u8], packet: &Packet) -> Option<bool> {
    let (flags, count) = (*info.first()?, usize::from(*info.get(1)?));
    let port = match flags {
        0 => packet.sport?,
        1 => packet.dport?,
        _ => return None,
    };
    let mut hit = false;
    let mut index = 0;
    while index < count.min(15) {
        let low = u16_at(info, 2 + 2 * index)?;
        let mut high = low;
        // The next one ends a range.
        if *info.get(32 + index)? != 0 {
            index += 1;
            high = u16_at(info, 2 + 2 * index)?;
        }
        hit |= (low..=high).contains(&port);
        index += 1;
    }
    Some(hit != (*info.get(47)? != 0))
}

/// `struct xt_conntrack_mtinfo3`, where only the state is asked for.
fn conntrack(info: &[u8], packet: &Packet) -> Option<bool> {
    const STATE: u16 = 1;
    let (flags, inverted) = (u16_at(info, 146)?, u16_at(info, 148)?);
    if flags != STATE {
        return None;
    }
    let hit = packet.state.bit() & u32::from(u16_at(info, 150)?) != 0;
    Some(hit != (inverted & STATE != 0))
}

/// `struct xt_addrtype_info_v1`.
fn addrtype(info: &[u8], packet: &Packet) -> Option<bool> {
    let (source, destination, flags) = (u16_at(info, 0)?, u16_at(info, 2)?, u32_at(info, 4)?);
    let side = |types: u16, address: u32, inverted: bool| {
        types == 0 || (types & (1 << address) != 0) != inverted
    };
    let [from, to] = packet.address_types();
    Some(side(source, from, flags & 1 != 0) && side(destination, to, flags & 2 != 0))
}

fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn u16_at(info: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(info.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(info: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(info.get(at..at + 4)?.try_into().ok()?))
}
