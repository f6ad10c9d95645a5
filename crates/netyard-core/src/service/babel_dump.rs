//! What babeld says at its local socket in answer to `dump` (babeld(8), "Local
//! interface").

use std::net::IpAddr;

use ipnet::IpNet;

/// A neighbour that babeld hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its link-local address.
    pub address: IpAddr,
    /// The kernel's name of the interface it is at.
    pub interface: String,
    /// Which of its last 16 hellos were heard, the newest in the highest bit.
    pub reach: u16,
    /// What a packet to it costs; 65535 where it is not reached.
    pub cost: u16,
}

/// A route that babeld knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub prefix: IpNet,
    /// What the way costs; 65535 where there is none.
    pub metric: u16,
    /// The neighbour it leads by.
    pub via: IpAddr,
    /// The kernel's name of the interface it leads by.
    pub interface: String,
    /// It is the one in use.
    pub installed: bool,
}

/// All that babeld knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// In the order in which it told.
    pub neighbours: Vec<Neighbour>,
    /// In the order in which it told.
    pub routes: Vec<Route>,
    /// What it announces of its own.
    pub announced: Vec<IpNet>,
}

/// Reads the lines of an answer; what is not understood is passed over.
pub fn read(text: &str) -> Dump {
    let mut dump = Dump::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["add", sort, _, pairs @ ..] = &words[..] else { continue };
        let value = |key: &str| {
            let at = pairs.chunks_exact(2).find(|pair| pair[0] == key);
            at.map(|pair| pair[1])
        };
        match *sort {
            "neighbour" => dump.neighbours.extend(neighbour(&value)),
            "route" => dump.routes.extend(route(&value)),
            "xroute" => {
                dump.announced.extend(value("prefix").and_then(|net| net.parse::<IpNet>().ok()));
            }
            _ => {}
        }
    }
    dump
}

fn neighbour<'l>(value: &impl Fn(&str) -> Option<&'l str>) -> Option<Neighbour> {
    Some(Neighbour {
        address: value("address")?.parse().ok()?,
        interface: value("if")?.to_owned(),
        reach: u16::from_str_radix(value("reach")?, 16).ok()?,
        cost: value("cost")?.parse().ok()?,
    })
}

fn route<'l>(value: &impl Fn(&str) -> Option<&'l str>) -> Option<Route> {
    Some(Route {
        prefix: value("prefix")?.parse().ok()?,
        metric: value("metric")?.parse().ok()?,
        via: value("via")?.parse().ok()?,
        interface: value("if")?.to_owned(),
        installed: value("installed") == Some("yes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_what_is_new_in_it_passed_over() {
        let dump = read("\
BABEL 1.0
version babeld-1.12.1
ok
add interface eth0 up true ipv6 fe80::1 ipv4 10.0.0.1
add neighbour 5589a2 address fe80::2 if eth0 reach ffff ureach 0000 rxcost 96 txcost 96 cost 96
add xroute 10.1.0.0/24-::/0 prefix 10.1.0.0/24 from 0.0.0.0/0 metric 0
add route 5589a3 prefix 10.2.0.0/24 from 0.0.0.0/0 installed yes id 02:00 metric 96 refmetric 0 via fe80::2 if eth0
add route 5589a4 prefix broken installed yes
add weather 1 sun shines
ok
");
        let address: IpAddr = "fe80::2".parse().unwrap();
        let interface = "eth0".to_owned();
        assert_eq!(
            dump.neighbours,
            [Neighbour { address, interface: interface.clone(), reach: 0xffff, cost: 96 }]
        );
        let prefix = "10.2.0.0/24".parse().unwrap();
        let route = Route { prefix, metric: 96, via: address, interface, installed: true };
        assert_eq!(dump.routes, [route]);
        assert_eq!(dump.announced, ["10.1.0.0/24".parse::<IpNet>().unwrap()]);
    }
}
