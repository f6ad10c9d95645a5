//! The same services by dnsmasq(8): its configuration.
//!
//! ```yaml
//! networks:
//!   lan: { dhcp: on, dns: on, engine: dnsmasq }
//! ```
//!
//! One process for each network: its names are the network's own.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::dhcp4::{OptionForm, option_form};
use super::lease::{Lease, LeaseState};
use super::served::{Dhcp4, Dns, Preference, Ra, ServedNetwork, Upstream};
use crate::addr::Mac;
use crate::name::FullName;

/// Its file of leases, in the directory of its data.
pub const LEASES: &str = "dnsmasq.leases";

/// What its configuration says; `{data}` stands for the directory of its data.
pub fn configuration(network: &ServedNetwork) -> String {
    let mut text = format!("# made by netyard: network {}\n", network.network);
    for line in [
        // It may become nobody else in a user namespace, and need not in a sandbox.
        "user=",
        "group=",
        "pid-file=",
        "log-facility=-",
        "no-hosts",
        "bind-interfaces",
        "except-interface=lo",
    ] {
        let _ = writeln!(text, "{line}");
    }
    if let Some(interface) = &network.interface {
        let _ = writeln!(text, "interface={interface}");
    }
    match &network.dns {
        Some(dns) => names(&mut text, dns),
        None => text.push_str("port=0\n"),
    }
    if let Some(dhcp) = &network.dhcp4 {
        addresses(&mut text, dhcp);
    }
    six(&mut text, network);
    text
}

fn names(text: &mut String, dns: &Dns) {
    let _ = writeln!(text, "domain={0}\nlocal=/{0}/\nlocalise-queries", dns.domain);
    let _ = writeln!(text, "domain-needed\nbogus-priv\ncache-size={}", dns.cache);
    match &dns.forward {
        Upstream::None => text.push_str("no-resolv\n"),
        Upstream::System => text.push_str("resolv-file=/etc/resolv.conf\n"),
        Upstream::These(servers) => {
            text.push_str("no-resolv\nstrict-order\n");
            for server in servers {
                let _ = writeln!(text, "server={}#{}", server.ip(), server.port());
            }
        }
    }
    for (name, addresses) in &dns.records {
        for address in addresses {
            let _ = writeln!(text, "host-record={name}.{},{name},{address}", dns.domain);
        }
    }
}

fn addresses(text: &mut String, dhcp: &Dhcp4) {
    let lease = match dhcp.lease {
        u32::MAX => "infinite".to_owned(),
        seconds => seconds.to_string(),
    };
    let _ = writeln!(text, "dhcp-authoritative\ndhcp-leasefile={{data}}/{LEASES}");
    let mask = dhcp.subnet.netmask();
    let pieces = dhcp.ranges.iter().flat_map(|range| without(*range, &dhcp.taken));
    for (first, last) in pieces {
        let _ = writeln!(text, "dhcp-range={first},{last},{mask},{lease}");
    }
    for reserved in &dhcp.reserved {
        let _ = write!(text, "dhcp-host={},{}", reserved.mac, reserved.address);
        let _ = match &reserved.name {
            Some(name) => writeln!(text, ",{name}"),
            None => writeln!(text),
        };
    }
    // An option without a value is not sent, where dnsmasq would say itself.
    let gateway = dhcp.gateway.map(|gateway| vec![gateway]).unwrap_or_default();
    for (code, list) in [(3, &gateway), (6, &dhcp.dns)] {
        let list: String = list.iter().map(|address| format!(",{address}")).collect();
        let _ = writeln!(text, "dhcp-option={code}{list}");
    }
    if let Some(mtu) = dhcp.mtu {
        let _ = writeln!(text, "dhcp-option=26,{mtu}");
    }
    for (code, data) in &dhcp.options {
        if option_form(*code) == Some(OptionForm::Addresses) {
            let list: String = data.chunks_exact(4).map(|a| format!(",{}", dotted(a))).collect();
            let _ = writeln!(text, "dhcp-option={code}{list}");
            continue;
        }
        let digits: Vec<String> = data.iter().map(|byte| format!("{byte:02x}")).collect();
        // A single byte would be taken for a number.
        let _ = match &digits[..] {
            [one] => writeln!(text, "dhcp-option={code},{one}:"),
            _ => writeln!(text, "dhcp-option={code},{}", digits.join(":")),
        };
    }
}

/// Router advertisements and DHCPv6: dnsmasq has one word for both.
fn six(text: &mut String, network: &ServedNetwork) {
    let none = Ra::default();
    let ra = network.ra.as_ref();
    if let (Some(ra), Some(interface)) = (ra, &network.interface) {
        let mtu = ra.mtu.map(|mtu| format!("mtu:{mtu},")).unwrap_or_default();
        let preference = match ra.preference {
            Preference::Low => "low,",
            Preference::Medium => "",
            Preference::High => "high,",
        };
        let (interval, lifetime) = (ra.interval, ra.lifetime);
        let _ = writeln!(
            text,
            "enable-ra\nra-param={interface},{mtu}{preference}{interval},{lifetime}"
        );
    }
    let dhcp = network.dhcp6.as_ref();
    for one in &ra.unwrap_or(&none).prefixes {
        let (net, length) = (one.net.network(), one.net.prefix_len());
        let given = dhcp.into_iter().flat_map(|dhcp| &dhcp.ranges);
        if given.clone().any(|(first, _)| one.net.contains(first)) {
            continue;
        }
        let mode = if ra.is_some_and(|ra| ra.other) { "ra-stateless" } else { "ra-only" };
        let _ = writeln!(text, "dhcp-range={net},{mode},{length}");
    }
    let Some(dhcp) = dhcp else { return };
    let lease = match dhcp.lease {
        u32::MAX => "infinite".to_owned(),
        seconds => seconds.to_string(),
    };
    for (first, last) in &dhcp.ranges {
        let prefix = dhcp.prefixes.iter().find(|prefix| prefix.contains(first));
        let length = prefix.map_or(64, ipnet::Ipv6Net::prefix_len);
        let slaac =
            ra.is_some_and(|ra| ra.prefixes.iter().any(|p| p.autonomous && p.net.contains(first)));
        let slaac = if slaac { "slaac," } else { "" };
        let _ = writeln!(text, "dhcp-range={first},{last},{slaac}{length},{lease}");
    }
    for reserved in &dhcp.reserved {
        let name = reserved.name.as_ref().map(|name| format!(",{name}")).unwrap_or_default();
        let _ = writeln!(text, "dhcp-host={},[{}]{name}", reserved.mac, reserved.address);
    }
    let servers: String = dhcp.dns.iter().map(|address| format!(",[{address}]")).collect();
    let _ = writeln!(text, "dhcp-option=option6:dns-server{servers}");
    if !dhcp.search.is_empty() {
        let _ = writeln!(text, "dhcp-option=option6:domain-search,{}", dhcp.search.join(","));
    }
}

fn dotted(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

/// A line of its file of leases: end, hardware address, address, name, identifier. Those of
/// DHCPv6 come behind a line with its DUID and have other columns.
pub fn lease(line: &str, network: &FullName) -> Option<Lease> {
    let mut words = line.split_whitespace();
    let until = words.next()?.parse().ok()?;
    let mac: Mac = words.next()?.parse().ok()?;
    let address: Ipv4Addr = words.next()?.parse().ok()?;
    let name = words.next().filter(|name| *name != "*");
    let client = words.next().filter(|client| *client != "*");
    Some(Lease {
        network: network.clone(),
        address: address.into(),
        prefix: None,
        client: client.map_or_else(|| format!("01{mac}"), str::to_owned).replace(':', ""),
        mac: Some(mac),
        name: name.map(str::to_owned),
        // It writes 0 for what never ends.
        until: if until == 0 { u64::MAX } else { until },
        state: LeaseState::Bound,
        via: None,
    })
}

/// A range in pieces, around addresses that are others'.
fn without((first, last): (Ipv4Addr, Ipv4Addr), taken: &[Ipv4Addr]) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let mut pieces = Vec::new();
    let mut start = u64::from(u32::from(first));
    let end = u64::from(u32::from(last));
    let address = |number: u64| Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX));
    for hole in taken.iter().map(|hole| u64::from(u32::from(*hole))) {
        if hole < start || hole > end {
            continue;
        }
        if hole > start {
            pieces.push((address(start), address(hole - 1)));
        }
        start = hole + 1;
    }
    if start <= end {
        pieces.push((address(start), address(end)));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_leases_is_read_and_what_is_none_is_not() {
        let network = FullName::new("lan").unwrap();
        let line = "1795358497 02:00:00:00:00:01 10.1.0.100 printer 01:02:00:00:00:00:01";
        let read = lease(line, &network).unwrap();
        assert_eq!((read.until, read.name.as_deref()), (1_795_358_497, Some("printer")));
        assert_eq!(read.client, "01020000000001");
        let bare = lease("0 02:00:00:00:00:01 10.1.0.100 * *", &network).unwrap();
        assert_eq!((bare.until, bare.name), (u64::MAX, None));
        for none in ["", "duid 00:01", "1795 1234 fd00::1 h 00:01", "17953584"] {
            assert_eq!(lease(none, &network), None, "{none}");
        }
    }

    #[test]
    fn a_range_is_cut_around_what_is_taken() {
        let at = |last| Ipv4Addr::new(10, 1, 0, last);
        let range = (at(100), at(110));
        assert_eq!(without(range, &[at(5), at(200)]), [range]);
        let holes = [at(100), at(104), at(105), at(110)];
        assert_eq!(without(range, &holes), [(at(101), at(103)), (at(106), at(109))]);
        assert_eq!(without((at(7), at(7)), &[at(7)]), []);
    }
}
