//! Kathará labs: `lab.conf`, and a `DEVICE.startup` for each device.
//!
//! `r1[0]="A"` puts interface 0 of r1 into the collision domain A;
//! `r1[image]="…"` is an option of r1. (kathara-lab.conf(5))

use std::collections::BTreeMap;

use super::Format;
use crate::addr::Mac;
use crate::diag::import as say;
use crate::diag::{Source, Sources, Span};
use crate::draft::Map;
use crate::draft::names::{Names, plain};
use crate::draft::reading::lines;
use crate::draft::{Work, mtu, station};

pub(super) static FORMAT: Format = Format {
    word: "kathara",
    title: "Kathará lab",
    beside: &[".startup", "lab.dep", "lab.ext"],
    main: &["lab.conf"],
    whole: false,
    read,
    is_one: |_| false,
};

/// A lab being read.
#[derive(Default)]
struct Lab {
    nodes: Names,
    networks: Names,
    /// Devices by their own names, with the yard's.
    devices: BTreeMap<String, String>,
}

fn read(sources: &Sources, work: &mut Work) {
    let Some(conf) = sources.0.first() else { return };
    let mut lab = Lab::default();
    work.draft.set("yard", "lab");
    work.draft.map("networks");
    work.draft.map("nodes");
    for (span, line) in lines(&conf.text, 0) {
        if let Err(expected) = lab.line(span, line, work) {
            work.report.push(say::bad_line(span, expected));
        }
    }
    if lab.devices.is_empty() && !work.report.has_errors() {
        let span = Span::default();
        work.report.push(say::not_of_format(
            span,
            FORMAT.title,
            "it has no line `device[0]=\"A\"`",
        ));
    }
    for (file, source) in sources.0.iter().enumerate().skip(1) {
        lab.beside(file as u32, source, work);
    }
    tidy(work);
}

impl Lab {
    /// A line of `lab.conf`; the error is what was expected.
    fn line(&mut self, span: Span, line: &str, work: &mut Work) -> Result<(), &'static str> {
        let (left, right) = line.split_once('=').ok_or("`device[0]=\"A\"`")?;
        let (left, value) = (left.trim(), unquoted(right).ok_or("a quote at the end")?);
        let Some((device, key)) = left.split_once('[') else {
            return self.about_lab(span, left, value, work);
        };
        let key = key.strip_suffix(']').ok_or("`]`")?.trim_matches(['"', '\'']);
        if device.is_empty() {
            return Err("a device's name");
        }
        let device = self.device(device.trim(), work);
        match key.parse::<u16>() {
            Ok(number) => self.plug(span, &device, number, value, work),
            Err(_) => self.option(span, &device, key, value, work),
        }
    }

    fn about_lab(
        &mut self,
        span: Span,
        key: &str,
        value: &str,
        work: &mut Work,
    ) -> Result<(), &'static str> {
        match key {
            "LAB_NAME" => {
                work.draft.set("yard", plain(value));
                work.kept(span, key);
            }
            _ if key.starts_with("LAB_") => work.ignored(span, key, "it is a label"),
            _ => return Err("`device[0]=\"A\"`"),
        }
        Ok(())
    }

    fn device(&mut self, foreign: &str, work: &mut Work) -> String {
        let name = self.nodes.of(if foreign == "host" { "host-node" } else { foreign });
        if self.devices.insert(foreign.to_owned(), name.clone()).is_none() {
            work.draft.map("nodes").map(&name).map("interfaces");
        }
        name
    }

    fn plug(
        &mut self,
        span: Span,
        device: &str,
        number: u16,
        value: &str,
        work: &mut Work,
    ) -> Result<(), &'static str> {
        let (domain, mac) = match value.split_once('/') {
            Some((domain, mac)) => (domain, Some(mac)),
            None => (value, None),
        };
        if domain.is_empty() {
            return Err("the name of a collision domain");
        }
        let network = self.networks.of(domain);
        work.draft.map("networks").map(&network).set("prefix", "none");
        let name = format!("eth{number}");
        let interfaces = work.draft.map("nodes").map(device).map("interfaces");
        if interfaces.get(&name).is_some() {
            work.report.push(say::interface_taken(span, &format!("{device}:{name}")));
            return Ok(());
        }
        let interface = interfaces.map(&name);
        interface.set("network", network);
        interface.set("address", "none");
        if let Some(mac) = mac {
            let mac: Mac = mac.parse().map_err(|_| "a MAC address after `/`")?;
            interface.set("mac", mac.to_string());
        }
        work.kept(span, format!("{device}[{number}]"));
        Ok(())
    }

    fn option(
        &mut self,
        span: Span,
        device: &str,
        key: &str,
        value: &str,
        work: &mut Work,
    ) -> Result<(), &'static str> {
        let full = format!("{device}[{key}]");
        let node = work.draft.map("nodes").map(device);
        match key {
            "sysctl" => {
                let (fate, why) = station::take(&format!("sysctl -w '{value}'"), node);
                work.note(span, full, fate, why);
            }
            "exec" => {
                let (fate, why) = station::take(value, node);
                work.note(span, full, fate, why);
            }
            "bridged" => work.ignored(
                span,
                full,
                "a network with `uplink: masquerade` and an interface in it says the same",
            ),
            "ipv6" => work.ignored(span, full, "both families are on; `sysctl` says otherwise"),
            "image" | "mem" | "cpus" | "shell" | "num_terms" | "env" | "ulimit" | "privileged"
            | "entrypoint" | "args" | "volume" | "port" | "type" => {
                work.ignored(span, full, "no image is run");
            }
            _ => work.ignored(span, full, "netyard does not know it"),
        }
        Ok(())
    }

    /// A file beside `lab.conf`.
    fn beside(&mut self, file: u32, source: &Source, work: &mut Work) {
        let name = source.name.rsplit('/').next().unwrap_or_default();
        let whole = Span { file, start: 0, end: 0 };
        match name {
            "lab.dep" => work.ignored(whole, name, "all nodes are there at once"),
            "lab.ext" => self.external(file, &source.text, work),
            "shared.startup" => {
                for device in self.devices.clone().into_values() {
                    startup(file, &source.text, name, &device, work);
                }
            }
            _ => {
                let device = name.strip_suffix(".startup").unwrap_or(name).to_owned();
                // A device may have no line in lab.conf.
                let device = self.device(&device, work);
                startup(file, &source.text, name, &device, work);
            }
        }
    }

    /// `lab.ext`: `A eth1.20` puts an interface of the host into a domain.
    fn external(&mut self, file: u32, text: &str, work: &mut Work) {
        for (span, line) in lines(text, file) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [domain, interface] = words[..] else {
                work.report.push(say::bad_line(span, "a collision domain and an interface"));
                continue;
            };
            let network = self.networks.of(domain);
            work.draft.map("networks").map(&network).push("ports", interface);
            work.kept(span, "lab.ext");
        }
    }
}

/// The value without its quotes and what follows them; none where one is not closed.
fn unquoted(text: &str) -> Option<&str> {
    let text = text.trim();
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = &text[1..];
            Some(&inner[..inner.find(quote)?])
        }
        _ => Some(text.split_whitespace().next().unwrap_or_default()),
    }
}

fn startup(file: u32, text: &str, name: &str, device: &str, work: &mut Work) {
    // Routers of a lab forward: the engine's containers do.
    let mut node = std::mem::take(work.draft.map("nodes").map(device));
    for (span, line) in lines(text, file) {
        let (fate, why) = station::take(line, &mut node);
        work.note(span, name, fate, why);
    }
    *work.draft.map("nodes").map(device) = node;
}

/// Routers forward, as the engine's containers do; empty mappings go.
fn tidy(work: &mut Work) {
    let names: Vec<String> = work.draft.map("nodes").keys().map(str::to_owned).collect();
    for name in names {
        let node = work.draft.map("nodes").map(&name);
        let count = node.map("interfaces").keys().filter(|name| *name != "lo").count();
        match count {
            0 if node.map("interfaces").is_empty() => node.remove("interfaces"),
            0 | 1 => {}
            _ => node.set("forward", true),
        }
    }
    mtu::join(&mut work.draft, None);
    if *work.draft.map("networks") == Map::default() {
        work.draft.remove("networks");
    }
}
