//! `ra:` and `dhcp6:` of a network.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::{address, texts};
use crate::diag::{Report, Spanned, serving6 as say};
use crate::service::ra::Preference;
use crate::shape::{Record, Value};
use crate::spec::{DelegatedSpec, Dhcp6Spec, RaSpec};

/// What the lifetime of a router can be at most, in milliseconds: 16 bits of seconds.
const LONGEST: u64 = 65_535_000;

/// `delegated:` of a network: the interface that asks, or a mapping that says more.
pub(super) fn delegated(record: &Record) -> Option<DelegatedSpec> {
    match &record.values.get("delegated")?.value {
        Value::Record(section) => Some(DelegatedSpec {
            from: section.text("from")?,
            length: section.spanned_number("length"),
            number: section.spanned_number("number"),
        }),
        _ => Some(DelegatedSpec { from: record.text("delegated")?, length: None, number: None }),
    }
}

pub(super) fn ra(section: &Spanned<Record>, report: &mut Report) -> RaSpec {
    let record = &section.value;
    let lifetime = record.milliseconds("lifetime", 0, LONGEST, report);
    let interval = record.milliseconds("interval", 4_000, 1_800_000, report);
    let seconds = |ms: u32| u16::try_from(ms / 1000).unwrap_or(u16::MAX);
    let preference = record.text("preference").and_then(|word| Preference::parse(&word.value));
    RaSpec {
        span: section.span,
        lifetime: lifetime.map(seconds),
        interval: interval.map(seconds),
        slaac: record.bool("slaac"),
        managed: record.bool("managed").map(|b| b.value),
        other: record.bool("other").map(|b| b.value),
        preference: preference.unwrap_or_default(),
        mtu: record.number("mtu"),
        prefixes: nets(record, "prefixes", report),
        routes: nets(record, "routes", report),
        rdnss: ips(record, "rdnss", report),
        dnssl: texts(record, "dnssl"),
    }
}

pub(super) fn dhcp6(section: &Spanned<Record>, report: &mut Report) -> Dhcp6Spec {
    let record = &section.value;
    let said = texts(record, "range");
    let no_range = said.len() == 1 && said[0].value == "none";
    let ranges = said.iter().filter(|_| !no_range).filter_map(|text| range(text, report)).collect();
    let lease = match record.text("lease") {
        Some(_) => Some(u32::MAX),
        // From 10 seconds: shorter ones end before they can be renewed.
        None => record.milliseconds("lease", 10_000, 4_294_967_000, report).map(|ms| ms / 1000),
    };
    let fixed = record.map("static").iter().filter_map(|(who, value)| {
        let Value::Ip(ip) = value.value else { return None };
        Some((who.clone(), six(Spanned::new(ip, value.span), report)?))
    });
    let fixed = fixed.collect();
    let delegation = record.record("prefix-delegation").and_then(|section| {
        let pool = section.value.net("pool")?;
        let pool = six_net(pool, report)?;
        Some((pool, section.value.number("length").unwrap_or(64)))
    });
    let dns = ips(record, "dns", report);
    Dhcp6Spec { span: section.span, ranges, no_range, lease, fixed, dns, delegation }
}

fn range(text: &Spanned<String>, report: &mut Report) -> Option<Spanned<(Ipv6Addr, Ipv6Addr)>> {
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let ends = first.trim().parse::<Ipv6Addr>().ok().zip(last.trim().parse().ok());
    match ends {
        Some((first, last)) if first <= last => Some(Spanned::new((first, last), text.span)),
        _ => {
            report.push(say::bad_range(&text.value, text.span));
            None
        }
    }
}

fn ips(record: &Record, key: &str, report: &mut Report) -> Vec<Spanned<Ipv6Addr>> {
    let all = address::ips(record.list(key)).into_iter();
    all.filter_map(|ip| six(ip, report)).collect()
}

fn nets(record: &Record, key: &str, report: &mut Report) -> Vec<Spanned<Ipv6Net>> {
    let all = address::nets(record, key).into_iter();
    all.filter_map(|net| six_net(net, report)).collect()
}

fn six(ip: Spanned<IpAddr>, report: &mut Report) -> Option<Spanned<Ipv6Addr>> {
    match ip.value {
        IpAddr::V6(six) => Some(Spanned::new(six, ip.span)),
        IpAddr::V4(four) => {
            report.push(say::not_ipv6(&four.to_string(), ip.span));
            None
        }
    }
}

fn six_net(net: Spanned<IpNet>, report: &mut Report) -> Option<Spanned<Ipv6Net>> {
    match net.value {
        IpNet::V6(six) => Some(Spanned::new(six, net.span)),
        IpNet::V4(four) => {
            report.push(say::not_ipv6(&four.to_string(), net.span));
            None
        }
    }
}
