//! FRR: its daemons, a process each, with a base that netyard writes and the user's
//! own text after it.
//!
//! ```yaml
//! services:
//!   frr:
//!     daemons: [ospfd]                # zebra is there anyway
//!     text: |
//!       router ospf
//!        network 10.0.0.0/8 area 0
//! ```

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{CARE, Care, Scene, Service, bird};
use crate::diag::Report;
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{Need, Process, ProcessFile, Program, Ready};

/// Where Debian has them.
const DIRECTORY: &str = "/usr/lib/frr";
const DAEMONS: [&str; 12] = [
    "zebra", "staticd", "ospfd", "ospf6d", "bgpd", "isisd", "ripd", "ripngd", "babeld", "eigrpd",
    "pimd", "bfdd",
];

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "frr service",
    doc: "The routing suite FRR: `zebra` and the daemons that are named, each a process.",
    fields: &[
        Field::required(
            "daemons",
            Type::OneOrMore(&Type::Word(&DAEMONS)),
            "The daemons beside `zebra`, which is always there.",
        ),
        Field::new("text", Type::Text, "Configuration in FRR's own words, for all daemons."),
        Field::new("router-id", Type::Ip, "An IPv4 address; left out, one of the node."),
    ],
    also: &[&CARE],
};

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct Frr {
    daemons: Vec<String>,
    text: Option<String>,
    router_id: Option<IpAddr>,
    pub(super) care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let mut daemons = vec!["zebra".to_owned()];
    for value in record.list("daemons") {
        if let Value::Text(daemon) = &value.value
            && !daemons.contains(daemon)
        {
            daemons.push(daemon.clone());
        }
    }
    Some(Service::Frr(Frr {
        daemons,
        text: record.text("text").map(|text| text.value),
        router_id: record.ip("router-id").map(|ip| ip.value),
        care: Care::from_record(record, report),
    }))
}

impl Frr {
    /// `frr` is `zebra`, which the others, `frr-ospfd`, come after.
    pub(super) fn processes(&self, scene: &Scene) -> Vec<Process> {
        let zebra = scene.name.value.clone();
        // Where all daemons of a node find zebra: its directory, as they see it.
        let each = self.daemons.iter().map(|daemon| {
            let name = match daemon.as_str() {
                "zebra" => zebra.clone(),
                other => format!("{zebra}-{other}"),
            };
            let socket = match daemon.as_str() {
                "zebra" => "{dir}/zserv.api".to_owned(),
                _ => format!("{{dir}}/../{zebra}/zserv.api"),
            };
            let argv = [
                &format!("{DIRECTORY}/{daemon}"),
                "-f",
                "{dir}/frr.conf",
                "-i",
                "{dir}/pid",
                "-z",
                &socket,
                "--vty_socket",
                "{dir}",
                "-P",
                "0",
                "-u",
                "root",
                "-g",
                "root",
                "--log",
                "stdout",
            ];
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            let mut process = Process {
                ready: Ready::Socket(format!("{{dir}}/{daemon}.vty")),
                files: vec![ProcessFile::new("frr.conf", self.configuration(scene))],
                ..Process::new(scene.place.clone(), &name, Program::Argv(argv))
            };
            self.care.apply(&mut process);
            if name != zebra {
                process.after.push(Need::Process(scene.place.clone(), zebra.clone()));
            }
            process
        });
        each.collect()
    }

    fn configuration(&self, scene: &Scene) -> String {
        let id = self.router_id.unwrap_or_else(|| bird::router_id(scene));
        let mut text = format!(
            "! made by netyard\nfrr defaults traditional\nlog stdout\nhostname {}\nrouter-id {id}\n",
            scene.place
        );
        if let Some(own) = &self.text {
            let _ = writeln!(text, "{}", own.trim_end());
        }
        text
    }
}
