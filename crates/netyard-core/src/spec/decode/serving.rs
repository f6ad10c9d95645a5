//! `dhcp:`, `dns:`, `engine:` and `serve:` of a network.

use std::net::{IpAddr, Ipv4Addr};

use super::{address, serving6, texts};
use crate::diag::{Report, Spanned, serving as say};
use crate::service::dhcp4::{OptionForm, named_option, option_names};
use crate::shape::{Record, Value};
use crate::spec::{DhcpSpec, Engine, ForwardSpec, NamesSpec, ServingSpec};

/// All of them.
pub(super) fn read(record: &Record, report: &mut Report) -> ServingSpec {
    let engine = record.text("engine").map(|word| {
        let engine = if word.value == "dnsmasq" { Engine::Dnsmasq } else { Engine::Netyard };
        Spanned::new(engine, word.span)
    });
    ServingSpec {
        dhcp: section(record, "dhcp").map(|section| dhcp(&section, report)),
        dns: section(record, "dns").map(|section| names(&section)),
        ra: section(record, "ra").map(|section| serving6::ra(&section, report)),
        dhcp6: section(record, "dhcp6").map(|section| serving6::dhcp6(&section, report)),
        engine,
        serve: record.text("serve"),
        unsure: record.failed.iter().any(|key| matches!(*key, "dhcp" | "dns")),
    }
}

/// A mapping, or `on`, which is an empty one.
fn section(record: &Record, key: &str) -> Option<Spanned<Record>> {
    let value = record.values.get(key)?;
    match &value.value {
        Value::Text(word) if word == "on" || word == "true" => {
            Some(Spanned::new(Record::default(), value.span))
        }
        Value::Record(section) => Some(Spanned::new(section.clone(), value.span)),
        _ => None,
    }
}

fn dhcp(section: &Spanned<Record>, report: &mut Report) -> DhcpSpec {
    let record = &section.value;
    let lease = match record.text("lease") {
        Some(_) => Some(u32::MAX),
        // From 2 seconds: shorter ones end before they can be renewed.
        None => record
            .milliseconds("lease", 2000, 1000 * u64::from(u32::MAX / 2), report)
            .map(|ms| ms / 1000)
            .or_else(|| long(record)),
    };
    let gateway = record.values.get("gateway").map(|value| match value.value {
        Value::Ip(ip) => four(Spanned::new(ip, value.span), report),
        _ => None,
    });
    let ranges = texts(record, "range").iter().filter_map(|text| range(text, report)).collect();
    let fixed = record.map("static").iter().filter_map(|(who, value)| {
        let Value::Ip(ip) = value.value else { return None };
        Some((who.clone(), four(Spanned::new(ip, value.span), report)?))
    });
    let fixed = fixed.collect();
    let options = record.map("options").iter();
    let options = options.filter_map(|(name, value)| option(name, value, report)).collect();
    let dns = address::ips(record.list("dns"));
    let dns = dns.into_iter().filter_map(|ip| four(ip, report)).collect();
    DhcpSpec { span: section.span, ranges, lease, fixed, options, gateway, dns }
}

/// A time beyond what fits in milliseconds, in seconds.
fn long(record: &Record) -> Option<u32> {
    let time = record.duration("lease")?;
    u32::try_from(time.value / 1_000_000_000).ok()
}

fn four(ip: Spanned<IpAddr>, report: &mut Report) -> Option<Spanned<Ipv4Addr>> {
    match ip.value {
        IpAddr::V4(four) => Some(Spanned::new(four, ip.span)),
        IpAddr::V6(six) => {
            report.push(say::not_ipv4(&six.to_string(), ip.span));
            None
        }
    }
}

fn range(text: &Spanned<String>, report: &mut Report) -> Option<Spanned<(Ipv4Addr, Ipv4Addr)>> {
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let ends = first.trim().parse::<Ipv4Addr>().ok().zip(last.trim().parse().ok());
    match ends {
        Some((first, last)) if first <= last => Some(Spanned::new((first, last), text.span)),
        _ => {
            report.push(say::bad_range(&text.value, text.span));
            None
        }
    }
}

fn option(
    name: &Spanned<String>,
    value: &Spanned<Value>,
    report: &mut Report,
) -> Option<(u8, Vec<u8>)> {
    let Some((code, form)) = named_option(&name.value) else {
        report.push(say::unknown_option(&name.value, name.span, option_names()));
        return None;
    };
    let Value::List(list) = &value.value else { return None };
    let mut data = Vec::new();
    for item in list {
        let Value::Text(text) = &item.value else { continue };
        match bytes(text, form) {
            Some(bytes) => data.extend(bytes),
            None => {
                let wanted = match form {
                    Some(OptionForm::Addresses) => "an IPv4 address",
                    Some(OptionForm::Number(_)) => "a whole number that fits",
                    _ => "a text, an address, or bytes as `hex:0a0b`",
                };
                report.push(say::bad_option(&name.value, text, wanted, item.span));
            }
        }
    }
    Some((code, data))
}

/// The bytes of an item; of an option of no known form, what it looks like.
fn bytes(text: &str, form: Option<OptionForm>) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("hex:") {
        let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2));
        return pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    }
    let address = || text.parse::<Ipv4Addr>().ok().map(|a| a.octets().to_vec());
    match form {
        Some(OptionForm::Addresses) => address(),
        Some(OptionForm::Text) => Some(text.as_bytes().to_vec()),
        Some(OptionForm::Number(width)) => {
            let number: i64 = text.parse().ok()?;
            let bits = u32::from(width) * 8;
            let fits = number < 1 << bits && number >= -(1_i64 << (bits - 1));
            fits.then(|| number.to_be_bytes()[8 - usize::from(width)..].to_vec())
        }
        None => address().or_else(|| Some(text.as_bytes().to_vec())),
    }
}

fn names(section: &Spanned<Record>) -> NamesSpec {
    let record = &section.value;
    let forward = record.values.get("forward").map(|value| match &value.value {
        Value::Text(word) if word == "system" => ForwardSpec::System,
        Value::List(list) => ForwardSpec::These(address::ips(list)),
        _ => ForwardSpec::None,
    });
    let records = record.map("records").iter().filter_map(|(name, value)| match &value.value {
        Value::List(list) => Some((name.clone(), address::ips(list))),
        _ => None,
    });
    NamesSpec {
        span: section.span,
        domain: record.text("domain"),
        forward,
        records: records.collect(),
        cache: record.number("cache"),
    }
}
