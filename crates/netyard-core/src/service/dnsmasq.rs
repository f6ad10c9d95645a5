//! The same services by dnsmasq(8): its configuration.
//!
//! ```yaml
//! networks:
//!   lan: { dhcp: on, dns: on, engine: dnsmasq }
//! ```
//!
//! One process for each network: its names are the network's own.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dhcp4::{OptionForm, option_form};
use super::dhcp6::Dhcp6;
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
    if network.dhcp4.is_some() || network.dhcp6.is_some() {
        let _ = writeln!(text, "dhcp-authoritative\ndhcp-leasefile={{data}}/{LEASES}");
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
    let mask = dhcp.subnet.netmask();
    let number = |address: Ipv4Addr| u128::from(u32::from(address));
    let taken: Vec<u128> = dhcp.taken.iter().copied().map(number).collect();
    let ranges = dhcp.ranges.iter().map(|(first, last)| (number(*first), number(*last)));
    for (first, last) in ranges.flat_map(|range| without(range, &taken)) {
        let [first, last] = [first, last].map(|n| Ipv4Addr::from(u32::try_from(n).unwrap_or(0)));
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
    if let Some(interface) =
        network.interface.as_ref().filter(|_| ra.is_some_and(|ra| ra.delegated))
    {
        let mode = if ra.is_some_and(|ra| ra.other) { "ra-stateless" } else { "ra-only" };
        let _ = writeln!(text, "dhcp-range=::,constructor:{interface},{mode},64");
    }
    if ra.is_some() || dhcp.is_some() {
        told(text, network.ra.as_ref(), dhcp);
    }
    let Some(dhcp) = dhcp else { return };
    let lease = match dhcp.lease {
        u32::MAX => "infinite".to_owned(),
        seconds => seconds.to_string(),
    };
    let number = |address: Ipv6Addr| u128::from(address);
    let taken: Vec<u128> = dhcp.taken.iter().copied().map(number).collect();
    let ranges = dhcp.ranges.iter().map(|(first, last)| (number(*first), number(*last)));
    for (first, last) in ranges.flat_map(|range| without(range, &taken)) {
        let [first, last] = [first, last].map(Ipv6Addr::from);
        let prefix = dhcp.prefixes.iter().find(|prefix| prefix.contains(&first));
        let length = prefix.map_or(64, ipnet::Ipv6Net::prefix_len);
        let slaac =
            ra.is_some_and(|ra| ra.prefixes.iter().any(|p| p.autonomous && p.net.contains(&first)));
        let slaac = if slaac { "slaac," } else { "" };
        let _ = writeln!(text, "dhcp-range={first},{last},{slaac}{length},{lease}");
    }
    for reserved in &dhcp.reserved {
        let name = reserved.name.as_ref().map(|name| format!(",{name}")).unwrap_or_default();
        let _ = writeln!(text, "dhcp-host={},[{}]{name}", reserved.mac, reserved.address);
    }
}

/// Name servers and domains: dnsmasq says the same in advertisements and by DHCPv6.
fn told(text: &mut String, ra: Option<&Ra>, dhcp: Option<&Dhcp6>) {
    let first = |by_dhcp: Option<Vec<String>>, by_ra: Option<Vec<String>>| {
        by_dhcp.filter(|list| !list.is_empty()).or(by_ra).unwrap_or_default()
    };
    let all = |list: &Vec<Ipv6Addr>| list.iter().map(|a| format!(",[{a}]")).collect::<Vec<_>>();
    let servers = first(dhcp.map(|d| all(&d.dns)), ra.map(|ra| all(&ra.rdnss)));
    // Without one it would say itself.
    let _ = writeln!(text, "dhcp-option=option6:dns-server{}", servers.concat());
    let domains = first(dhcp.map(|d| d.search.clone()), ra.map(|ra| ra.dnssl.clone()));
    if !domains.is_empty() {
        let _ = writeln!(text, "dhcp-option=option6:domain-search,{}", domains.join(","));
    }
}

fn dotted(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

/// A line of its file of leases: end, hardware address, address, name, identifier. Those of
/// DHCPv6 have the number of the association instead of the hardware address.
pub fn lease(line: &str, network: &FullName) -> Option<Lease> {
    let mut words = line.split_whitespace();
    let until = words.next()?.parse().ok()?;
    let who = words.next()?;
    let address: IpAddr = words.next()?.parse().ok()?;
    let name = words.next().filter(|name| *name != "*");
    let said = words.next().filter(|client| *client != "*").map(|said| said.replace(':', ""));
    let (mac, client) = match address {
        IpAddr::V4(_) => {
            let mac: Mac = who.parse().ok()?;
            let client = said.unwrap_or_else(|| format!("01{mac}").replace(':', ""));
            (Some(mac), client)
        }
        IpAddr::V6(_) => {
            // `T` is before the number of an association of temporary addresses.
            let association: u32 = who.trim_start_matches('T').parse().ok()?;
            let duid = said?;
            (mac_of(&duid), format!("{duid}-{association:08x}"))
        }
    };
    Some(Lease {
        network: network.clone(),
        address,
        prefix: None,
        client,
        mac,
        name: name.map(str::to_owned),
        // It writes 0 for what never ends.
        until: if until == 0 { u64::MAX } else { until },
        state: LeaseState::Bound,
        via: None,
    })
}

/// The hardware address in a DUID of Ethernet, of hexadecimal digits (RFC 8415, 11.2 and 11.4).
fn mac_of(duid: &str) -> Option<Mac> {
    let digits = match duid.get(..8)? {
        "00010001" => duid.get(16..)?,
        "00030001" => duid.get(8..)?,
        _ => return None,
    };
    let octet = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
    let octets: Vec<u8> = (0..6).map_while(octet).collect();
    Some(Mac(octets.try_into().ok()?)).filter(|_| digits.len() == 12)
}

/// A range in pieces, around addresses that are others', in order.
fn without((first, last): (u128, u128), taken: &[u128]) -> Vec<(u128, u128)> {
    let mut pieces = Vec::new();
    let mut start = first;
    for hole in taken.iter().copied().filter(|hole| (first..=last).contains(hole)) {
        if hole > start {
            pieces.push((start, hole - 1));
        }
        start = hole.saturating_add(1);
    }
    if start <= last {
        pieces.push((start, last));
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
        let line = "1795358497 T7 fd00::1 nas 00:03:00:01:02:00:00:00:00:01";
        let read = lease(line, &network).unwrap();
        assert_eq!(read.client, "00030001020000000001-00000007");
        assert_eq!(read.mac, Some(Mac([2, 0, 0, 0, 0, 1])));
        let other = lease("0 9 fd00::1 * 00:02:00:00", &network).unwrap();
        assert_eq!((other.mac, other.client.as_str()), (None, "00020000-00000009"));
        for none in [
            "",
            "duid 00:01",
            "1795 02:00:00:00:00:01 fd00::1 h 00:01",
            "17953584",
            "1 1 fd00::1 * *",
        ] {
            assert_eq!(lease(none, &network), None, "{none}");
        }
    }

    #[test]
    fn a_range_is_cut_around_what_is_taken() {
        assert_eq!(without((100, 110), &[5, 200]), [(100, 110)]);
        assert_eq!(without((100, 110), &[100, 104, 105, 110]), [(101, 103), (106, 109)]);
        assert_eq!(without((7, 7), &[7]), []);
    }

    #[test]
    fn what_is_not_served_by_ipv4_is_served_whole_by_ipv6() {
        let net = |text: &str| text.parse::<ipnet::Ipv6Net>().unwrap();
        let at = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        let advertised = super::super::ra::Advertised {
            net: net("fd00:1::/64"),
            on_link: true,
            autonomous: true,
            valid: 1,
            preferred: 1,
        };
        let ra = Ra { prefixes: vec![advertised], delegated: true, other: true, ..Ra::default() };
        let mut network = ServedNetwork {
            network: FullName::new("lan").unwrap(),
            interface: Some(crate::name::InterfaceName::new("lan0").unwrap()),
            addresses: Vec::new(),
            dhcp4: None,
            ra: Some(Ra { rdnss: vec![at("fd00:1::53")], dnssl: vec!["a.test".into()], ..ra }),
            dhcp6: None,
            dns: None,
        };
        let text = configuration(&network);
        for line in [
            "enable-ra",
            "dhcp-range=fd00:1::,ra-stateless,64",
            "dhcp-range=::,constructor:lan0,ra-stateless,64",
            "dhcp-option=option6:dns-server,[fd00:1::53]",
            "dhcp-option=option6:domain-search,a.test",
        ] {
            assert!(text.lines().any(|said| said == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("leasefile"), "{text}");
        let range = (at("fd00:1::10"), at("fd00:1::13"));
        let prefixes = vec![net("fd00:1::/64")];
        let taken = vec![at("fd00:1::11")];
        let dhcp6 = Dhcp6 { prefixes, ranges: vec![range], taken, lease: 9, ..Dhcp6::default() };
        network.dhcp6 = Some(dhcp6);
        let text = configuration(&network);
        for line in [
            "dhcp-leasefile={data}/dnsmasq.leases",
            "dhcp-authoritative",
            "dhcp-range=fd00:1::10,fd00:1::10,slaac,64,9",
            "dhcp-range=fd00:1::12,fd00:1::13,slaac,64,9",
        ] {
            assert!(text.lines().any(|said| said == line), "no {line} in\n{text}");
        }
    }
}
