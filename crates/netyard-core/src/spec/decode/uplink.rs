//! `uplink:` and `ports:` of a network.

use super::address;
use crate::diag::{Report, Spanned, shape as say};
use crate::name::InterfaceName;
use crate::shape::{Record, Value};
use crate::spec::{
    AddressesSpec, Exit, HostSideSpec, OutsidePortSpec, Through, UplinkSpec, WaySpec,
};

/// The keys of which an uplink has one.
const WAYS: [&str; 4] = ["masquerade", "routed", "bridge", "macvlan"];

/// `uplink:`.
pub(super) fn read(record: &Record, report: &mut Report) -> Option<UplinkSpec> {
    let value = record.values.get("uplink")?;
    let way = match &value.value {
        Value::Text(word) if word == "none" => WaySpec::None,
        Value::Text(word) => {
            let exit = exit(word);
            let through = Spanned::new(Through::Auto, value.span);
            WaySpec::Routed { through, ipv4: exit, ipv6: exit }
        }
        Value::Record(uplink) => way(uplink, report)?,
        _ => return None,
    };
    Some(UplinkSpec { span: value.span, way })
}

fn way(uplink: &Record, report: &mut Report) -> Option<WaySpec> {
    let mut said = WAYS.iter().filter_map(|key| Some((*key, uplink.text(key)?)));
    let Some((key, name)) = said.next() else {
        if !WAYS.iter().any(|key| uplink.has(key)) {
            report.push(say::needs_one_of("uplink", uplink.span, &WAYS));
        }
        return None;
    };
    if let Some((other, also)) = said.next() {
        report.push(say::exclude_each_other("uplink", (key, name.span), (other, also.span)));
        return None;
    }
    let through = match name.value.as_str() {
        "auto" => Some(Through::Auto),
        text => {
            kernel_name(&Spanned::new(text.to_owned(), name.span), report).map(Through::Interface)
        }
    };
    let through = Spanned::new(through?, name.span);
    if matches!(key, "masquerade" | "routed") {
        let family = |family: &str| uplink.text(family).map(|word| exit(&word.value));
        let ipv4 = family("ipv4").unwrap_or_else(|| exit(key));
        let ipv6 = family("ipv6").unwrap_or_else(|| exit(key));
        return Some(WaySpec::Routed { through, ipv4, ipv6 });
    }
    for family in ["ipv4", "ipv6"] {
        if let Some(span) = uplink.place(family) {
            report.push(say::exclude_each_other("uplink", (key, name.span), (family, span)));
        }
    }
    let Through::Interface(interface) = through.value else {
        report.push(say::uplink_not_auto(key, name.span));
        return None;
    };
    let interface = Spanned::new(interface, name.span);
    Some(if key == "bridge" { WaySpec::Bridge(interface) } else { WaySpec::Macvlan(interface) })
}

fn exit(word: &str) -> Exit {
    match word {
        "masquerade" => Exit::Masquerade,
        "routed" => Exit::Routed,
        _ => Exit::None,
    }
}

fn kernel_name(text: &Spanned<String>, report: &mut Report) -> Option<InterfaceName> {
    let name = InterfaceName::new(&text.value);
    name.map_err(|why| report.push(say::bad_kernel_name(&text.value, text.span, why.0))).ok()
}

/// The host's side that an uplink brings with it, where the file says none: a
/// router has an address in the network, a bridged network that of the interface.
pub(super) fn host_side(
    record: &Record,
    uplink: Option<&UplinkSpec>,
    report: &mut Report,
) -> Option<HostSideSpec> {
    let uplink = uplink?;
    let addresses = match uplink.way {
        WaySpec::Routed { .. } => AddressesSpec::Auto,
        WaySpec::Bridge(_) => AddressesSpec::None,
        WaySpec::None | WaySpec::Macvlan(_) => return None,
    };
    if let Some(span) = record.place("host") {
        report.push(say::uplink_needs_host(uplink.span, span));
    }
    Some(HostSideSpec { span: uplink.span, addresses, vlans: Default::default() })
}

/// `ports:`.
pub(super) fn ports(record: &Record, report: &mut Report) -> Vec<OutsidePortSpec> {
    let mut ports = Vec::new();
    for item in record.list("ports") {
        let (name, vlans) = match &item.value {
            Value::Text(name) => (Spanned::new(name.clone(), item.span), Default::default()),
            Value::Record(port) => match port.text("interface") {
                Some(name) => (name, address::port_vlans(port, report)),
                None => continue,
            },
            _ => continue,
        };
        if let Some(found) = kernel_name(&name, report) {
            ports.push(OutsidePortSpec { name: Spanned::new(found, name.span), vlans });
        }
    }
    ports
}
