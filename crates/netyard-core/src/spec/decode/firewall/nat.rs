//! `nat:` of a firewall.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{log, port_range, port_values};
use crate::diag::{Report, Spanned, firewall as say, shape};
use crate::nft::{PortRange, Protocol};
use crate::shape::{Record, Value};
use crate::spec::decode::{beside, none_empty, records, texts};
use crate::spec::firewall::{
    Behaviour, MasqueradeSpec, NatSpec, OneToOneSpec, PortForwardSpec, SnatSpec, TargetSpec,
    Translated, Whom,
};

pub(super) fn read(firewall: &Record, report: &mut Report) -> NatSpec {
    let Some(nat) = firewall.record("nat").map(|n| n.value) else { return NatSpec::default() };
    beside(&nat, "type", "out", report);
    beside(&nat, "out", "type", report);
    none_empty(&nat, &["out"], report);
    let behaviour = nat.text("type").map(|word| {
        let behaviour = match word.value.as_str() {
            "full-cone" => Behaviour::FullCone,
            "restricted" => Behaviour::Restricted,
            "symmetric" => Behaviour::Symmetric,
            "cgnat" => Behaviour::Cgnat,
            _ => Behaviour::PortRestricted,
        };
        (Spanned::new(behaviour, word.span), texts(&nat, "out"))
    });
    NatSpec {
        masquerade: nat.list("masquerade").iter().filter_map(|v| masquerade(v, report)).collect(),
        snat: records(&nat, "snat").filter_map(|r| snat(r, report)).collect(),
        forward: records(&nat, "forward").filter_map(|r| forward(r, report)).collect(),
        one_to_one: records(&nat, "one-to-one").filter_map(|r| one_to_one(r, report)).collect(),
        behaviour,
    }
}

fn masquerade(value: &Spanned<Value>, report: &mut Report) -> Option<MasqueradeSpec> {
    let span = value.span;
    let record = match &value.value {
        Value::Record(record) => record,
        Value::Text(out) => {
            let out = vec![Spanned::new(out.clone(), span)];
            let (from, ports) = (Vec::new(), None);
            return Some(MasqueradeSpec { span, out, from, ports, random: false, families: None });
        }
        _ => return None,
    };
    none_empty(record, &["out", "from"], report);
    Some(MasqueradeSpec {
        span,
        out: texts(record, "out"),
        from: texts(record, "from"),
        ports: port_range(record, "ports"),
        random: record.bool("random").is_some_and(|r| r.value),
        families: record.text("family").map(|f| [f.value != "ipv6", f.value != "ipv4"]),
    })
}

fn snat(record: &Record, report: &mut Report) -> Option<SnatSpec> {
    none_empty(record, &["from", "out"], report);
    let text = record.text("to")?;
    let Some(to) = translated(&text.value) else {
        let found = format!("`{}`", text.value);
        report.push(shape::bad_value(
            text.span,
            &found,
            "an address to translate to",
            "203.0.113.5",
        ));
        return None;
    };
    Some(SnatSpec {
        span: record.span,
        from: texts(record, "from"),
        out: texts(record, "out"),
        to: Spanned::new(to, text.span),
        ports: port_range(record, "ports"),
    })
}

fn translated(text: &str) -> Option<Translated> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Translated::Range(address, address));
    }
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(Translated::Network(net)).filter(|_| net.trunc() == net);
    }
    let (first, last) = text.split_once('-')?;
    let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Translated::Range(first, last))
}

fn forward(record: &Record, report: &mut Report) -> Option<PortForwardSpec> {
    none_empty(record, &["tcp", "udp", "in", "from"], report);
    let mut ports = Vec::new();
    for (key, protocol) in [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)] {
        let ranges = port_values(record, key);
        if !ranges.is_empty() {
            ports.push((protocol, ranges));
        }
    }
    if ports.is_empty() {
        if !record.has("tcp") && !record.has("udp") {
            report.push(shape::needs_one_of("port forward", record.span, &["tcp", "udp"]));
        }
        return None;
    }
    let text = record.text("to")?;
    let Some(to) = target(&text.value) else {
        report.push(say::target_bad(&text));
        return None;
    };
    if let Some(range) = to.port
        && range.last > range.first
    {
        let sizes = ports.iter().map(|(_, ranges)| match ranges[..] {
            [one] => u32::from(one.last - one.first),
            _ => u32::MAX,
        });
        if sizes.into_iter().any(|size| size != u32::from(range.last - range.first)) {
            report.push(say::ranges_differ(text.span, record.span));
            return None;
        }
    } else if to.port.is_some() && ports.iter().any(|(_, ranges)| ranges.len() > 1) {
        report.push(say::ranges_differ(text.span, record.span));
        return None;
    }
    // The ports keep their distance: the whole range must fit behind the first.
    if let Some(first) = to.port.map(|range| range.first) {
        let span = |(_, ranges): &(_, Vec<PortRange>)| {
            ranges.first().map_or(0, |one| u32::from(one.last - one.first))
        };
        let last = u32::from(first) + ports.iter().map(span).max().unwrap_or(0);
        if last > u32::from(u16::MAX) {
            report.push(say::ports_past_the_last(text.span, record.span, last));
            return None;
        }
    }
    Some(PortForwardSpec {
        span: record.span,
        ports,
        to: Spanned::new(to, text.span),
        on: texts(record, "in"),
        at: record.ip("at"),
        from: texts(record, "from"),
        hairpin: record.bool("hairpin").is_some_and(|h| h.value),
        log: log(record, "port forward", report),
    })
}

/// `web:80`, `web`, `10.0.0.5:80`, `10.0.0.5`, `[fd00::5]:80`, `fd00::5`,
/// `web:8000-8010`.
fn target(text: &str) -> Option<TargetSpec> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(TargetSpec { whom: Whom::Address(address), port: None });
    }
    let (whom, port) = match text.rsplit_once(':') {
        Some((whom, port)) => (whom, Some(port)),
        None => (text, None),
    };
    let port = match port {
        None => None,
        Some(port) => {
            let (first, last) = port.split_once('-').unwrap_or((port, port));
            let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
            Some(PortRange { first, last }).filter(|_| first > 0 && first <= last)?.into()
        }
    };
    let bare = whom.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(whom);
    let whom = match bare.parse::<IpAddr>() {
        Ok(address) => Whom::Address(address),
        Err(_) if bare.is_empty() || bare.contains([':', '[', ']', '/']) => return None,
        Err(_) => Whom::Node(bare.to_owned()),
    };
    Some(TargetSpec { whom, port })
}

fn one_to_one(record: &Record, report: &mut Report) -> Option<OneToOneSpec> {
    none_empty(record, &["on"], report);
    let outside = record.values.get("outside")?;
    let net = match outside.value {
        Value::Net(net) => net,
        Value::Ip(ip) => ip.into(),
        _ => return None,
    };
    Some(OneToOneSpec {
        span: record.span,
        outside: Spanned::new(net, outside.span),
        inside: record.text("inside")?,
        on: texts(record, "on"),
    })
}
