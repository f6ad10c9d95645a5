//! A shell line as the acts it consists of: `ip`, `ifconfig`, `route`, `sysctl`,
//! `brctl`, `hostname`. Anything else is not understood, and never run.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::addr::Mac;
use crate::draft::Map;

/// What one command does to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Address {
        device: String,
        net: String,
    },
    /// The IPv4 address in the place of those that are there.
    OnlyAddress {
        device: String,
        net: String,
    },
    Flush {
        device: String,
    },
    Up {
        device: String,
        up: bool,
    },
    Mtu {
        device: String,
        bytes: i64,
    },
    Mac {
        device: String,
        mac: String,
    },
    Master {
        device: String,
        master: String,
    },
    /// An interface of a kind of its own, with the entries of that kind.
    Make {
        device: String,
        kind: Map,
    },
    Route {
        route: Map,
        device: Option<String>,
    },
    Forward,
    Sysctl {
        key: String,
        value: String,
    },
    Hostname(String),
}

type Acts = Result<Vec<Act>, String>;

/// The acts of a line; else why it is not understood.
pub(super) fn read(line: &str) -> Acts {
    let mut acts = Vec::new();
    for words in split(line)? {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        acts.extend(command(&words)?);
    }
    Ok(acts)
}

fn command(words: &[&str]) -> Acts {
    let Some((program, rest)) = words.split_first() else { return Ok(Vec::new()) };
    let mut words = vec![
        ["/sbin/", "/bin/", "/usr/sbin/", "/usr/bin/"]
            .iter()
            .find_map(|directory| program.strip_prefix(directory))
            .unwrap_or(program),
    ];
    words.extend(rest);
    match &words[..] {
        [] => Ok(Vec::new()),
        ["sudo", rest @ ..] => command(rest),
        ["sh" | "bash" | "ash", "-c", script] => read(script),
        ["ip", rest @ ..] => ip(rest),
        ["ifconfig", device, rest @ ..] => ifconfig(device, rest),
        ["route", rest @ ..] => route(rest),
        ["sysctl", rest @ ..] => sysctl(rest),
        ["echo", value, ">", path] | ["echo", "-n", value, ">", path] => setting(path, value),
        ["brctl", "addbr", bridge] => Ok(vec![make(bridge, "bridge", &[])]),
        ["brctl", "addif", bridge, devices @ ..] => {
            Ok(devices.iter().map(|device| master(device, bridge)).collect())
        }
        ["hostname", name] => Ok(vec![Act::Hostname((*name).to_owned())]),
        [program, ..] => Err(format!("`{program}` is not run: only what sets up a network is")),
    }
}

fn ip(words: &[&str]) -> Acts {
    let options = words.iter().take_while(|word| word.starts_with('-')).count();
    if let Some(option) =
        words[..options].iter().find(|o| !matches!(**o, "-4" | "-6" | "-force" | "-batch"))
    {
        return Err(format!("`ip {option}` acts elsewhere"));
    }
    let Some((object, rest)) = words[options..].split_first() else {
        return Err("`ip` without a command".into());
    };
    let is = |full: &str, least: usize| object.len() >= least && full.starts_with(object);
    match rest {
        ["show" | "list" | "ls" | "s", ..] | [] => Ok(vec![Act::Nothing]),
        [verb, rest @ ..] if is("address", 1) => ip_address(verb, rest),
        [verb, rest @ ..] if is("link", 1) => ip_link(verb, rest),
        [verb, rest @ ..] if is("route", 1) => ip_route(verb, rest),
        _ => Err(format!("`ip {object}` is not taken over")),
    }
}

fn ip_address(verb: &str, rest: &[&str]) -> Acts {
    let device = after(rest, "dev");
    match verb {
        "add" | "a" | "replace" | "change" => {
            let [net, ..] = rest else { return Err("an address is missing".into()) };
            let device = device.ok_or("`dev` is missing")?;
            Ok(vec![Act::Address { device, net: with_length(net)? }])
        }
        "flush" | "f" => {
            let device = device.or_else(|| rest.first().map(|d| (*d).to_owned()));
            Ok(vec![Act::Flush { device: device.ok_or("`dev` is missing")? }])
        }
        _ => Err(format!("`ip address {verb}` is not taken over")),
    }
}

fn ip_link(verb: &str, rest: &[&str]) -> Acts {
    match verb {
        "set" | "s" => {
            // The name is the first word, or follows `dev` anywhere.
            let at = rest.iter().position(|word| *word == "dev").map_or(0, |at| at + 1);
            let device = rest.get(at).ok_or("an interface is missing")?;
            let before = rest[..at].iter().copied().filter(|word| *word != "dev");
            let options: Vec<&str> = before.chain(rest[at + 1..].iter().copied()).collect();
            link_options(device, &options)
        }
        "add" | "a" => link_add(rest),
        _ => Err(format!("`ip link {verb}` is not taken over")),
    }
}

fn link_options(device: &str, mut rest: &[&str]) -> Acts {
    let device = device.to_owned();
    let mut acts = Vec::new();
    loop {
        let device = device.clone();
        rest = match rest {
            [] => return Ok(acts),
            ["up" | "down", more @ ..] => {
                acts.push(Act::Up { device, up: rest[0] == "up" });
                more
            }
            ["mtu", bytes, more @ ..] => {
                acts.push(Act::Mtu { device, bytes: whole(bytes)? });
                more
            }
            ["address", mac, more @ ..] => {
                acts.push(Act::Mac { device, mac: mac_address(mac)? });
                more
            }
            ["master", bridge, more @ ..] => {
                acts.push(master(&device, bridge));
                more
            }
            [word, ..] => return Err(format!("`{word}` of an interface is not taken over")),
        };
    }
}

fn link_add(rest: &[&str]) -> Acts {
    let kind = after(rest, "type").ok_or("`type` is missing")?;
    let parent = after(rest, "link");
    let named = after(rest, "name").or_else(|| {
        let first = rest.first().filter(|w| !matches!(**w, "link" | "type" | "name" | "dev"));
        first.map(|w| (*w).to_owned()).or_else(|| after(rest, "dev"))
    });
    let device = named.ok_or("a name is missing")?;
    let made = match (kind.as_str(), parent) {
        ("vlan", Some(parent)) => {
            let id = after(rest, "id").ok_or("`id` is missing")?;
            let mut act = make(&device, "vlan", &[("parent", &parent)]);
            if let Act::Make { kind, .. } = &mut act {
                kind.set("id", whole(&id)?);
            }
            act
        }
        ("bridge", None) => make(&device, "bridge", &[]),
        ("dummy", None) => make(&device, "dummy", &[]),
        _ => return Err(format!("an interface of type `{kind}` is not taken over")),
    };
    Ok(vec![made])
}

fn ip_route(verb: &str, rest: &[&str]) -> Acts {
    if !matches!(verb, "add" | "a" | "replace" | "append" | "change") {
        return Err(format!("`ip route {verb}` is not taken over"));
    }
    let mut route = Map::default();
    let (kind, rest) = match rest {
        [kind @ ("blackhole" | "unreachable" | "prohibit"), rest @ ..] => (Some(*kind), rest),
        ["unicast", rest @ ..] | rest => (None, rest),
    };
    let [to, rest @ ..] = rest else { return Err("a destination is missing".into()) };
    route.set("to", destination(to)?);
    if let Some(kind) = kind {
        route.set(kind, true);
    }
    let mut device = None;
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or(format!("`{word}` is followed by nothing"));
        match *word {
            "via" => {
                let mut via = value()?;
                if via == "inet" || via == "inet6" {
                    via = value()?;
                }
                route.set("via", address(via)?.to_string());
            }
            "dev" => {
                let name = value()?;
                route.set("dev", name);
                device = Some(name.to_owned());
            }
            "metric" | "preference" => route.set("metric", whole(value()?)?),
            "mtu" => route.set("mtu", whole(value()?)?),
            "table" => {
                let table = value()?;
                match table.parse::<i64>() {
                    Ok(number) => route.set("table", number),
                    Err(_) => route.set("table", table),
                }
            }
            "src" => route.set("source", address(value()?)?.to_string()),
            "onlink" => route.set("onlink", true),
            "proto" | "protocol" | "scope" => drop(value()?),
            other => return Err(format!("`{other}` of a route is not taken over")),
        }
    }
    Ok(vec![Act::Route { route, device }])
}

fn ifconfig(device: &str, rest: &[&str]) -> Acts {
    let (own, mut rest) = (device.to_owned(), rest);
    let mut acts = Vec::new();
    let mut plain: Option<Ipv4Addr> = None;
    let mut mask = None;
    loop {
        let device = own.clone();
        rest = match rest {
            [] => break,
            ["up" | "down", more @ ..] => {
                acts.push(Act::Up { device, up: rest[0] == "up" });
                more
            }
            ["mtu", bytes, more @ ..] => {
                acts.push(Act::Mtu { device, bytes: whole(bytes)? });
                more
            }
            ["hw", "ether", mac, more @ ..] => {
                acts.push(Act::Mac { device, mac: mac_address(mac)? });
                more
            }
            ["netmask", dotted, more @ ..] => {
                mask = Some(dotted.parse::<Ipv4Addr>().map_err(|_| no_address(dotted))?);
                more
            }
            ["broadcast", _, more @ ..] => more,
            ["inet6", "add", net, more @ ..] => {
                acts.push(Act::Address { device, net: with_length(net)? });
                more
            }
            ["inet", net, more @ ..] | [net, more @ ..] => {
                match net.parse() {
                    Ok(address) => plain = Some(address),
                    Err(_) => acts.push(Act::Address { device, net: with_length(net)? }),
                }
                more
            }
        };
    }
    if let Some(address) = plain {
        let mask = mask.unwrap_or_else(|| by_class(address));
        let net = Ipv4Net::with_netmask(address, mask).map_err(|e| e.to_string())?;
        acts.push(Act::OnlyAddress { device: own, net: net.to_string() });
    }
    Ok(acts)
}

/// The mask that `ifconfig` takes where none is given (RFC 791).
fn by_class(address: Ipv4Addr) -> Ipv4Addr {
    match address.octets()[0] {
        0..128 => Ipv4Addr::new(255, 0, 0, 0),
        128..192 => Ipv4Addr::new(255, 255, 0, 0),
        _ => Ipv4Addr::new(255, 255, 255, 0),
    }
}

fn route(words: &[&str]) -> Acts {
    let words: Vec<&str> =
        words.iter().copied().filter(|w| !matches!(*w, "-A" | "inet6")).collect();
    let ["add", rest @ ..] = &words[..] else {
        return Err("only `route add` is taken over".into());
    };
    let rest: Vec<&str> =
        rest.iter().copied().filter(|w| !matches!(*w, "-net" | "-host")).collect();
    let [to, options @ ..] = &rest[..] else { return Err("a destination is missing".into()) };
    let mut to = (*to).to_owned();
    if let Some(mask) = after(options, "netmask") {
        let address: Ipv4Addr = to.parse().map_err(|_| no_address(&to))?;
        let mask = mask.parse().map_err(|_| no_address(&mask))?;
        to = Ipv4Net::with_netmask(address, mask).map_err(|e| e.to_string())?.to_string();
    }
    let mut map = Map::default();
    map.set("to", destination(&to)?);
    if let Some(gateway) = after(options, "gw") {
        map.set("via", address(&gateway)?.to_string());
    }
    let named = after(options, "dev").or_else(|| {
        // The last word may be the interface without `dev`.
        let last = options.last().filter(|_| options.len() % 2 == 1)?;
        Some((*last).to_owned())
    });
    if let Some(device) = &named {
        map.set("dev", device.clone());
    }
    if let Some(metric) = after(options, "metric") {
        map.set("metric", whole(&metric)?);
    }
    Ok(vec![Act::Route { route: map, device: named }])
}

fn sysctl(words: &[&str]) -> Acts {
    let words = words.iter().filter(|w| !w.starts_with('-'));
    let mut acts = Vec::new();
    for word in words {
        let (key, value) = word.split_once('=').ok_or("a setting without `=`")?;
        acts.extend(setting(&format!("/proc/sys/{}", key.trim().replace('.', "/")), value.trim())?);
    }
    Ok(acts)
}

fn setting(path: &str, value: &str) -> Acts {
    let Some(key) = path.strip_prefix("/proc/sys/") else {
        return Err(format!("`{path}` is not written: only settings of the network are"));
    };
    let clean = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if !key.starts_with("net/") || !clean(key) || !clean(value) {
        return Err(format!("`{key}` is no setting of the network"));
    }
    Ok(vec![match (key, value) {
        ("net/ipv4/ip_forward" | "net/ipv6/conf/all/forwarding", "1") => Act::Forward,
        _ => Act::Sysctl { key: key.replace('/', "."), value: value.to_owned() },
    }])
}

fn make(device: &str, kind: &str, entries: &[(&str, &str)]) -> Act {
    let mut map = Map::default();
    map.set("kind", kind);
    for (key, value) in entries {
        map.set(key, *value);
    }
    Act::Make { device: device.to_owned(), kind: map }
}

fn master(device: &str, master: &str) -> Act {
    Act::Master { device: device.to_owned(), master: master.to_owned() }
}

/// The word after another.
fn after(words: &[&str], word: &str) -> Option<String> {
    let at = words.iter().position(|w| *w == word)?;
    words.get(at + 1).map(|w| (*w).to_owned())
}

fn whole(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("`{text}` is no whole number"))
}

fn no_address(text: &str) -> String {
    format!("`{text}` is no address")
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| no_address(text))
}

fn mac_address(text: &str) -> Result<String, String> {
    text.parse::<Mac>()
        .map(|mac| mac.to_string())
        .map_err(|_| format!("`{text}` is no MAC address"))
}

/// An address with its prefix length; one without it is a host's.
fn with_length(text: &str) -> Result<String, String> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.to_string()).map_err(|_| no_address(text))
}

fn destination(text: &str) -> Result<String, String> {
    match text {
        "default" => Ok(text.to_owned()),
        _ => with_length(text).map(|net| match net.parse::<IpNet>() {
            Ok(net) if net.prefix_len() == 0 => "default".into(),
            Ok(net) => net.trunc().to_string(),
            Err(_) => net,
        }),
    }
}

/// The commands of a line, in words; quotes are taken off. What a shell would work
/// out (`$x`, `` ` ``, pipes) is not understood.
fn split(line: &str) -> Result<Vec<Vec<String>>, String> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(command)) = (word.take(), commands.last_mut()) {
            command.push(word);
        }
    };
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('$' | '`', None | Some('"')) => return Err("the shell would work it out".into()),
            ('\\', Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None) => word.get_or_insert_default().extend(chars.next()),
            ('#', None) if word.is_none() => break,
            (';', None) => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            ('&', None) if chars.peek() == Some(&'&') => {
                chars.next();
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            ('>', None) if chars.peek() != Some(&'>') => {
                end(&mut word, &mut commands);
                word = Some(">".into());
                end(&mut word, &mut commands);
            }
            ('|' | '&' | '<' | '>' | '(' | ')' | '*' | '?' | '{' | '}', None) => {
                return Err("the shell would work it out".into());
            }
            (c, None) if c.is_whitespace() => end(&mut word, &mut commands),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is never closed".into());
    }
    end(&mut word, &mut commands);
    Ok(commands)
}
