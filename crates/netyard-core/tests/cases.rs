//! Every directory of `cases/` (and of `examples/`) is one case: its
//! `netyard.yaml` and, beside it, what each step must make of it. `UPDATE=1`
//! writes the expected files anew.
//!
//! A case may have `facts.txt`, what is known of the host, a fact on each line:
//! `service NAME PROTOCOL PORT`, `ssh CLIENT PORT`, `rootless`, `route PREFIX INTERFACE`, `interface NAME [kind=K] [mtu=N]
//! [default] [addresses]`, `netns NAME`, `missing KIND OPTION`, `pool PREFIX`,
//! `radio NAME …`, `country NAME FIRST-LAST[:passive|:radar] …` (MHz), `secret FILE [length=N]`,
//! `missing-file PATH`, `libvirt-network NAME YARD|- BRIDGE`, `libvirt-silent WHY`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::diag::{Report, Source, Sources, Span};
use netyard_core::expect::{Host, Probe};
use netyard_core::export::{self, Subject};
use netyard_core::facts::libvirt::{Libvirt, LibvirtBridge};
use netyard_core::facts::radio::{Allowance, Blocked, Combination, Frequency, Radio};
use netyard_core::facts::{
    Facts, HostInterface, HostRoute, SecretFile, SecretWrong, Ssh, SysctlLine,
};
use netyard_core::name::InterfaceName;
use netyard_core::nft::Protocol;
use netyard_core::spec::{self, Parsed};
use netyard_core::state::{State, lower};
use netyard_core::yard::{self, Yard};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The directories below `folder` that have a `netyard.yaml`, sorted.
fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    cases.retain(|case| case.join("netyard.yaml").exists());
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse(case: &Path) -> Parsed {
    let text = fs::read_to_string(case.join("netyard.yaml")).expect("readable case");
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    spec::parse(root, &name(case), &mut |path, includer| {
        let folder = Path::new(includer).parent().unwrap_or(Path::new(""));
        fs::read_to_string(case.join(folder).join(path)).map_err(|_| "no such file".to_owned())
    })
}

/// The case's `facts.txt`; without one, a host that is reachable and empty.
fn facts(case: &Path) -> Facts {
    let text = fs::read_to_string(case.join("facts.txt")).unwrap_or_default();
    let mut facts = Facts { host_reachable: true, ..Facts::default() };
    let mut libvirt: Option<Libvirt> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["rootless"] => facts.host_reachable = false,
            ["running"] => facts.running = true,
            ["rp_filter", value] => facts.rp_filter_of_all = value.parse().expect("a number"),
            ["route", prefix, interface] => facts.host_routes.push(HostRoute {
                destination: prefix.parse().expect("a prefix"),
                interface: interface.to_owned(),
            }),
            ["interface", name, ref words @ ..] => {
                let value = |key: &str| words.iter().find_map(|w| w.strip_prefix(key));
                facts.host_interfaces.insert(
                    InterfaceName::new(name).expect("an interface's name"),
                    HostInterface {
                        kind: value("kind=").unwrap_or_default().to_owned(),
                        mtu: value("mtu=").map_or(1500, |n| n.parse().expect("a number")),
                        has_default_route: words.contains(&"default"),
                        has_addresses: words.contains(&"addresses"),
                        mac: value("mac=").map(|m| m.parse().expect("a MAC address")),
                        accepts_ra: words.contains(&"ra"),
                        lease: value("lease=").map(|n| n.parse().expect("seconds")),
                        wireless: words.contains(&"wireless"),
                        borrowed: words.contains(&"borrowed"),
                        profile: value("profile=").map(str::to_owned),
                    },
                );
            }
            ["sysctl", file, key, value] => facts.sysctl_lines.push(SysctlLine {
                file: file.to_owned(),
                line: 1,
                key: key.to_owned(),
                value: value.to_owned(),
            }),
            ["service", name, protocol, port] => {
                let protocol = if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
                let ports = facts.services.entry(name.to_owned()).or_default();
                ports.push((protocol, port.parse().expect("a port")));
            }
            ["ssh", client, port] => {
                let client = Some(client.parse().expect("an address"));
                facts.ssh = Some(Ssh { client, port: port.parse().expect("a port") });
            }
            ["netns", name] => drop(facts.foreign_namespaces.insert(name.to_owned())),
            ["missing", kind, option] => {
                facts.missing_kinds.insert(kind.to_owned(), option.to_owned());
            }
            ["radio", name, ref words @ ..] => facts.radios.list.push(radio(name, words)),
            ["country", name, ref rules @ ..] => {
                let rules = rules.iter().map(|rule| allowance(rule)).collect();
                facts.radios.countries.insert(name.to_owned(), rules);
            }
            ["libvirt-network", name, owner, bridge] => {
                let owner = Some(owner.to_owned()).filter(|owner| owner != "-");
                let bridge = LibvirtBridge { owner, bridge: bridge.into(), makes_bridge: true };
                libvirt.get_or_insert_default().networks.insert(name.to_owned(), bridge);
            }
            ["libvirt-silent", ref why @ ..] => {
                libvirt.get_or_insert_default().trouble = Some(why.join(" "));
            }
            ["missing-file", path] => drop(facts.missing_files.insert(path.to_owned())),
            ["secret", written, ref words @ ..] => {
                let wrong = words.first().map(|word| match *word {
                    "unreadable" => SecretWrong::Unreadable("is not there".into()),
                    "text" => SecretWrong::Text,
                    length => SecretWrong::Length(
                        length.trim_start_matches("length=").parse().expect("a number"),
                    ),
                });
                let file = SecretFile { path: format!("/home/{written}"), wrong };
                facts.secret_files.insert(written.to_owned(), file);
            }
            ["pool", prefix] => facts.recorded_pools.push(prefix.parse().expect("a prefix")),
            _ => panic!("{}: no fact: {line}", case.display()),
        }
    }
    facts.radios.known = !facts.radios.list.is_empty();
    facts.libvirt = libvirt;
    facts
}

/// `roles=2,3 interfaces=wlan0:2 together=2,3:2 channels=2412 blocked=soft held=WHO fixed`.
fn radio(name: &str, words: &[&str]) -> Radio {
    let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let numbers = |text: &str| -> BTreeSet<u32> {
        text.split(',').map(|number| number.parse().expect("a number")).collect()
    };
    let interface = |text: &str| {
        let (name, kind) = text.split_once(':').expect("NAME:TYPE");
        (name.to_owned(), kind.parse().expect("a number"))
    };
    let interfaces: Vec<(String, u32)> = value("interfaces=").map(interface).into_iter().collect();
    let together = value("together=").map(|text| {
        let (of, most) = text.split_once(':').expect("TYPES:MOST");
        let most = most.parse().expect("a number");
        Combination { limits: vec![(most, numbers(of))], most, channels: 1 }
    });
    let channel = |mhz| Frequency { mhz, ..Frequency::default() };
    let channels = value("channels=").map(|text| numbers(text).into_iter().map(channel).collect());
    Radio {
        name: name.to_owned(),
        roles: value("roles=").map(numbers).unwrap_or_default(),
        frequencies: channels.unwrap_or_default(),
        combinations: together.into_iter().collect(),
        movable: !words.contains(&"fixed"),
        held: value("held=").map(|who| (interfaces[0].0.clone(), who.into())).into_iter().collect(),
        blocked: value("blocked=").map(|by| match by {
            "hard" => Blocked::Hard,
            _ => Blocked::Soft,
        }),
        interfaces,
    }
}

/// `5150-5250:passive`, in MHz.
fn allowance(rule: &str) -> Allowance {
    let (range, flag) = rule.split_once(':').unwrap_or((rule, ""));
    let (first, last) = range.split_once('-').expect("FIRST-LAST");
    let khz = |mhz: &str| 1000 * mhz.parse::<u32>().expect("a number");
    let (passive, radar) = (flag == "passive", flag == "radar");
    Allowance { first: khz(first), last: khz(last), passive, radar }
}

/// One object on each line.
fn state_json(state: &State) -> String {
    let objects = state.objects().map(|o| serde_json::to_string(o).expect("serialisable"));
    format!("[\n{}\n]\n", objects.collect::<Vec<_>>().join(",\n"))
}

/// One expectation on each line.
fn expectations(yard: &Yard) -> String {
    let mut out = String::new();
    for e in &yard.expectations {
        let host = match &e.to.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => format!("name {name}"),
            Host::Resolver => "resolver".into(),
        };
        let place = e.to.place.as_ref().map(|p| format!(" in {p}")).unwrap_or_default();
        let device = e.from.device.as_ref().map(|d| format!(" by {d}")).unwrap_or_default();
        let measure = match &e.probe {
            Probe::Measure(m) => format!(" {} within {} ppm", m.value, m.tolerance),
            _ => String::new(),
        };
        let (title, family, want) = (e.title(), e.family, e.want.word());
        let listens = if e.may_listen() { ", netyard may listen" } else { "" };
        let open = if e.if_it_has { " if it has one" } else { "" };
        writeln!(out, "{title}{measure}: {family}{open}{device} to {host}{place}: {want}{listens}")
            .expect("a String");
    }
    out
}

/// The rulesets, as nft writes them.
fn ruleset(yard: &Yard) -> String {
    let tables = netyard_core::firewall::tables(yard);
    tables.iter().map(|table| format!("# {}\n{table}", table.place)).collect()
}

/// What all steps have to say, and the Yard if there is one.
fn run(case: &Path) -> (Report, Sources, Option<Yard>) {
    let Parsed { spec, mut report, sources } = parse(case);
    assert!(spec.is_some() || report.has_errors(), "{}: nothing and no reason", name(case));
    let Some(spec) = spec else { return (report, sources, None) };
    let (found, more) = yard::resolve(&spec, &facts(case));
    assert_eq!(found.is_none(), more.has_errors(), "{}", name(case));
    report.0.extend(more.0);
    let yard = found.filter(|_| !report.has_errors());
    (report, sources, yard)
}

/// Line and column, both from 1, the column in characters.
fn position(sources: &Sources, span: Span) -> String {
    let source = &sources.0[span.file as usize];
    let before = &source.text[..span.start as usize];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{}:{line}:{column}", source.name)
}

/// A report as stable text.
fn render(report: &Report, sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in &report.0 {
        let place = diagnostic.labels.first().map(|l| position(sources, l.span));
        let place = place.unwrap_or_else(|| "-".into());
        let severity = format!("{:?}", diagnostic.severity).to_lowercase();
        let (code, message) = (diagnostic.code, &diagnostic.message);
        writeln!(out, "{place}: {severity}[{code}]: {message}").expect("a String");
        for label in &diagnostic.labels {
            let source = &sources.0[label.span.file as usize].text;
            let marked = &source[label.span.start as usize..label.span.end as usize];
            let place = position(sources, label.span);
            writeln!(out, "  {place}: {marked:?} {}", label.text).expect("a String");
        }
        for hint in &diagnostic.hints {
            writeln!(out, "  hint: {hint}").expect("a String");
        }
    }
    out
}

/// Compares with an expected file, or writes it when `UPDATE` is set.
fn compare(file: &Path, actual: &str, differing: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        match actual {
            "" => drop(fs::remove_file(file)),
            _ => fs::write(file, actual).expect("writable case"),
        }
        return;
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected != actual {
        differing.push(format!("{}\n--- expected\n{expected}--- actual\n{actual}", file.display()));
    }
}

#[test]
fn every_case_says_what_it_should() {
    let mut differing = Vec::new();
    let cases = cases("cases");
    assert!(cases.len() >= 25, "the cases are not where they should be");
    for case in cases {
        let (report, sources, yard) = run(&case);
        compare(&case.join("diagnostics.txt"), &render(&report, &sources), &mut differing);
        let state = yard.as_ref().map(|yard| state_json(&lower(yard))).unwrap_or_default();
        // Where there is a mistake there is no State.
        compare(&case.join("state.json"), &state, &mut differing);
        let ruleset = yard.as_ref().map(ruleset).unwrap_or_default();
        compare(&case.join("ruleset.nft"), &ruleset, &mut differing);
        let expected = yard.as_ref().map(expectations).unwrap_or_default();
        compare(&case.join("expectations.txt"), &expected, &mut differing);
    }
    assert!(differing.is_empty(), "UPDATE=1 rewrites what differs:\n{}", differing.join("\n"));
}

/// The files of `export systemd`, as one text.
fn tree_for_systemd(yard: &Yard) -> String {
    let desired = lower(yard);
    let subject = Subject { yard, desired: &desired, origin: "netyard.yaml" };
    let papers = export::export(export::target("systemd").expect("a target"), &subject);
    let mut text = String::new();
    for paper in &papers.files {
        writeln!(text, "=== {} {:o}\n{}", paper.path, paper.mode, paper.text).expect("a String");
    }
    for (sort, names) in &papers.beyond {
        writeln!(text, "=== beyond: {sort}\n{}", names.join("\n")).expect("a String");
    }
    text
}

#[test]
fn what_systemd_is_given_is_as_it_should_be() {
    let mut differing = Vec::new();
    let cases: Vec<PathBuf> = cases("cases")
        .into_iter()
        .filter(|case| name(case).starts_with("export-systemd"))
        .collect();
    assert!(!cases.is_empty());
    for case in cases {
        let (_, _, yard) = run(&case);
        let text = tree_for_systemd(&yard.expect("a yard"));
        compare(&case.join("systemd.txt"), &text, &mut differing);
    }
    assert!(differing.is_empty(), "UPDATE=1 rewrites what differs:\n{}", differing.join("\n"));
}

#[test]
fn every_example_is_right() {
    for case in cases("examples") {
        let (report, sources, yard) = run(&case);
        assert!(yard.is_some() && report.0.is_empty(), "{}", render(&report, &sources));
    }
}

#[test]
fn every_message_obeys_the_rules_of_messages() {
    for case in cases("cases") {
        for d in run(&case).0.0 {
            let message = &d.message;
            assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
            assert!(!message.contains("invalid"), "{message}");
            let first = message.chars().next().unwrap_or('X');
            let name = message.starts_with("IPv") || message.starts_with("VLAN");
            assert!(name || !first.is_uppercase(), "{message}");
            assert_eq!(message.matches('`').count() % 2, 0, "{message}");
            assert!(!d.labels.is_empty(), "{message}");
            assert!(d.hints.iter().all(|h| !h.is_empty() && !h.contains('\n')), "{message}");
        }
    }
}
