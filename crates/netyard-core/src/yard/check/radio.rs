//! Radios: what they can, who has them, what the law allows.

use std::collections::BTreeSet;

use crate::air::{Air, frequency};
use crate::diag::{Report, Span, Spanned, radio as say};
use crate::facts::radio::{Blocked, Radio};
use crate::facts::{Facts, SecretWrong};
use crate::interface::{Kind, Physical, Wlan, WlanRole};
use crate::service::Service;
use crate::spec::Spec;
use crate::yard::gather::{Cast, Role};
use crate::yard::relate::is_bridge;

/// Half of the width of the narrowest channel, in kHz.
const HALF: u32 = 10_000;

pub(super) fn all(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    for index in 0..cast.interfaces.len() {
        match cast.interfaces[index].role {
            Role::Own(Kind::Wlan(wlan)) => virtual_one(cast, index, wlan, facts, report),
            Role::Own(Kind::Physical(physical)) => lent(cast, index, physical, facts, report),
            _ => {}
        }
    }
    for (node, found) in cast.nodes.iter().enumerate() {
        for spec in found.spec.map_or(&[][..], |spec| &spec.services) {
            let (air, role) = match &spec.service {
                Service::Hostapd(hostapd) => (&hostapd.air, WlanRole::Ap),
                Service::WpaSupplicant(wpa) => (&wpa.air, WlanRole::Station),
                _ => continue,
            };
            passphrase(air, facts, report);
            country(air, facts, report);
            let radio = user(cast, node, &spec.name, air, role, facts, report);
            if let Service::Hostapd(hostapd) = &spec.service {
                channel(&hostapd.channel, air, radio, facts, report);
            }
        }
    }
}

/// What a file wants to know of radios.
#[derive(Clone, Debug, Default)]
pub struct RadioWishes {
    /// The virtual interfaces that are to be the yard's, on the host.
    pub own: BTreeSet<String>,
    /// The countries that it speaks of.
    pub countries: BTreeSet<String>,
    /// The files with passphrases, as written.
    pub files: BTreeSet<String>,
}

/// What a file wants to know of radios, where it speaks of one.
pub fn wishes(spec: &Spec) -> Option<RadioWishes> {
    let mut wishes = RadioWishes::default();
    let mut speaks = false;
    for node in &spec.nodes {
        for interface in &node.interfaces {
            match interface.kind.as_ref().map(|kind| &kind.value.kind) {
                Some(Kind::Wlan(_)) => {
                    wishes.own.insert(interface.name.value.to_string());
                    speaks = true;
                }
                Some(Kind::Physical(_)) => speaks = true,
                _ => {}
            }
        }
        for air in node.services.iter().filter_map(|spec| spec.service.air()) {
            wishes.countries.extend(air.country.as_ref().map(|country| country.value.clone()));
            wishes.files.extend(air.passphrase.as_ref().map(|file| file.value.clone()));
            speaks = true;
        }
    }
    speaks.then_some(wishes)
}

fn find<'f>(facts: &'f Facts, phy: &str) -> Option<&'f Radio> {
    facts.radios.list.iter().find(|radio| radio.name == phy)
}

/// The radio that has an interface of the host.
fn of_interface<'f>(facts: &'f Facts, name: &str) -> Option<&'f Radio> {
    let has = |radio: &&Radio| radio.interfaces.iter().any(|(own, _)| own == name);
    facts.radios.list.iter().find(has)
}

/// A virtual interface of a radio of the host.
fn virtual_one(cast: &Cast<'_>, index: usize, wlan: &Wlan, facts: &Facts, report: &mut Report) {
    let found = &cast.interfaces[index];
    let (name, span) = (found.name.as_str(), found.span);
    if !cast.is_host(found.node) {
        report.push(say::wlan_in_node(name, cast.nodes[found.node].name.as_str(), span));
        return;
    }
    if wlan.role == WlanRole::Station {
        refuse_bridge(cast, index, report);
    }
    if !facts.radios.known {
        return;
    }
    let Some(radio) = find(facts, &wlan.phy) else {
        let names = facts.radios.list.iter().map(|radio| radio.name.as_str());
        report.push(say::radio_unknown(&wlan.phy, span, names));
        return;
    };
    blocked(radio, span, report);
    let word = wlan.role.word();
    if !radio.can(wlan.role) {
        report.push(say::radio_cannot(&wlan.phy, word, span));
        return;
    }
    let own = cast.interfaces.iter().filter_map(|other| match other.role {
        Role::Own(Kind::Wlan(other)) if other.phy == wlan.phy => Some(other.role.number()),
        _ => None,
    });
    let mut kinds: Vec<u32> = own.collect();
    kinds.extend(radio.interfaces.iter().map(|(_, kind)| *kind));
    if !radio.takes(&kinds) {
        let with: Vec<String> = radio.interfaces.iter().map(|(n, _)| format!("`{n}`")).collect();
        report.push(say::radio_combination(&wlan.phy, word, &with, span));
    }
}

/// A whole radio that goes into a node.
fn lent(cast: &Cast<'_>, index: usize, physical: &Physical, facts: &Facts, report: &mut Report) {
    let name = physical.host_name.as_str();
    let Some(radio) = of_interface(facts, name) else { return };
    let span = cast.interfaces[index].span;
    if !radio.movable {
        report.push(say::radio_stays(name, span));
    }
    blocked(radio, span, report);
    for (own, by) in radio
        .held
        .iter()
        .filter(|(own, _)| own == name || radio.interfaces.iter().any(|(other, _)| other == own))
    {
        report.push(say::radio_held(own, by, span));
    }
    let node = cast.interfaces[index].node;
    let is_ap = cast.nodes[node].spec.is_some_and(|spec| {
        spec.services.iter().any(|spec| match &spec.service {
            Service::Hostapd(h) => h.air.interface.value == cast.interfaces[index].name.as_str(),
            _ => false,
        })
    });
    if !is_ap {
        refuse_bridge(cast, index, report);
    }
}

fn blocked(radio: &Radio, span: Span, report: &mut Report) {
    if let Some(blocked) = radio.blocked {
        report.push(say::radio_blocked(&radio.name, blocked == Blocked::Hard, span));
    }
}

/// Three addresses: a station speaks for itself alone.
fn refuse_bridge(cast: &Cast<'_>, index: usize, report: &mut Report) {
    let found = &cast.interfaces[index];
    let Some(master) = found.spec.and_then(|spec| spec.master.as_ref()) else { return };
    let bridge = cast.interface(found.node, &master.value).filter(|m| is_bridge(cast, *m));
    if bridge.is_some() {
        report.push(say::station_bridged(found.name.as_str(), master.span));
    }
}

fn passphrase(air: &Air, facts: &Facts, report: &mut Report) {
    let Some(file) = &air.passphrase else { return };
    let Some(known) = facts.secret_files.get(&file.value) else { return };
    report.0.extend(known.wrong.as_ref().map(|wrong| match wrong {
        SecretWrong::Unreadable(why) => say::passphrase_unreadable(&file.value, why, file.span),
        SecretWrong::Length(length) => say::passphrase_length(&file.value, *length, file.span),
        SecretWrong::Text => say::passphrase_text(&file.value, file.span),
    }));
}

fn country(air: &Air, facts: &Facts, report: &mut Report) {
    let Some(country) = &air.country else { return };
    if !facts.radios.countries.is_empty() && !facts.radios.countries.contains_key(&country.value) {
        report.push(say::bad_country(&country.value, country.span));
    }
}

/// Says it where a service uses an interface for what it is not; gives its radio.
fn user<'f>(
    cast: &Cast<'_>,
    node: usize,
    service: &Spanned<String>,
    air: &Air,
    role: WlanRole,
    facts: &'f Facts,
    report: &mut Report,
) -> Option<&'f Radio> {
    let index = cast.interface(node, &air.interface.value)?;
    let fits = match cast.interfaces[index].role {
        Role::Own(Kind::Wlan(wlan)) => {
            let fits = wlan.role == role;
            if fits {
                return find(facts, &wlan.phy);
            }
            fits
        }
        Role::Own(Kind::Physical(physical)) => {
            let name = &physical.host_name;
            let radio = of_interface(facts, name.as_str());
            if let Some(radio) = radio.filter(|radio| !radio.can(role)) {
                report.push(say::radio_cannot(&radio.name, role.word(), air.span()));
            }
            let host = facts.host_interfaces.get(name);
            match host.is_none_or(|host| host.wireless || host.borrowed) {
                true => return radio,
                false => false,
            }
        }
        Role::Broken => return None,
        _ => false,
    };
    if !fits {
        report.push(say::wrong_role(&service.value, &air.interface.value, role.word(), air.span()));
    }
    None
}

fn channel(
    channel: &Spanned<u32>,
    air: &Air,
    radio: Option<&Radio>,
    facts: &Facts,
    report: &mut Report,
) {
    let Some(mhz) = frequency(channel.value) else { return };
    if let Some(radio) = radio
        && !radio.frequencies.is_empty()
        && !radio.frequencies.iter().any(|found| found.mhz == mhz)
    {
        report.push(say::channel_missing(&radio.name, channel.value, channel.span));
        return;
    }
    let Some(country) = &air.country else { return };
    let Some(law) = facts.radios.countries.get(&country.value) else { return };
    let khz = mhz * 1000;
    let within = law.iter().filter(|a| a.first <= khz - HALF && khz + HALF <= a.last);
    let why = match within.clone().next() {
        None => "it is not among its channels",
        Some(_) if within.clone().all(|allowance| allowance.passive) => {
            "nobody may begin to send there"
        }
        Some(_) if within.clone().all(|allowance| allowance.radar) => {
            "whoever sends there must listen for radar, which is not set up here"
        }
        Some(_) => return,
    };
    report.push(say::channel_forbidden(&country.value, channel.value, why, channel.span));
}
