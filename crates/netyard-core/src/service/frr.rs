//! FRR: zebra and the daemons that are asked for, with a base that netyard writes,
//! and the user's own text or file.
//!
//! ```yaml
//! services:
//!   frr:
//!     daemons: [ospfd, bgpd]
//!     text: |                       # in FRR's own words, after netyard's base
//!       router ospf
//!        network 10.0.0.0/8 area 0
//! ```
//!
//! Its daemons begin as root and go on as user `frr`, which must therefore have the
//! directories that netyard makes for them. All of them meet in that of `zebra`.

use super::{CARE, Care, Scene, Service};
use crate::diag::{Report, Span};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::state::{Need, Process, ProcessFile, Program, Ready};

/// What FRR calls its daemons.
const DAEMONS: [&str; 14] = [
    "babeld", "bfdd", "bgpd", "eigrpd", "fabricd", "isisd", "ldpd", "ospf6d", "ospfd", "pathd",
    "pimd", "ripd", "ripngd", "staticd",
];
/// Who they are.
const USER: &str = "frr";
/// Where distributions put them.
const PATH: &str = "/usr/lib/frr:/usr/libexec/frr:/usr/sbin:/usr/bin:/sbin:/bin";

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "frr service",
    doc: "The routing daemons of FRR: `zebra` and those that are named. They run as user `frr`, and so need root.",
    fields: &[
        Field::required(
            "daemons",
            Type::OneOrMore(&Type::Word(&DAEMONS)),
            "The daemons, beside `zebra`.",
        ),
        Field::new(
            "text",
            Type::Text,
            "Their configuration, in FRR's own words, after netyard's base; each takes its part.",
        ),
        Field::new(
            "config",
            Type::Text,
            "A file of such instead, by its absolute path; user `frr` must be able to read it.",
        ),
    ],
    also: &[&CARE],
};

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct Frr {
    daemons: Vec<String>,
    text: Option<String>,
    config: Option<String>,
    pub(super) span: Span,
    pub(super) care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let mut daemons: Vec<String> = Vec::new();
    for value in record.list("daemons") {
        if let Value::Text(name) = &value.value
            && !daemons.contains(name)
        {
            daemons.push(name.clone());
        }
    }
    let (text, config) = (record.text("text"), record.text("config"));
    if let Some(path) = config.as_ref().filter(|path| !super::is_plain_path(&path.value)) {
        report.push(crate::diag::service::bad_config(&path.value, path.span));
    }
    if let (Some(_), Some(config)) = (&text, &config) {
        report.push(crate::diag::service::text_and_config(config.span));
    }
    Some(Service::Frr(Frr {
        daemons,
        text: text.map(|text| text.value),
        config: config.map(|path| path.value),
        span: record.span,
        care: Care::from_record(record, report),
    }))
}

impl Frr {
    pub(super) fn processes(&self, scene: &Scene) -> Vec<Process> {
        let others = self.daemons.iter().map(|daemon| self.process(scene, daemon));
        std::iter::once(self.process(scene, "zebra")).chain(others).collect()
    }

    fn process(&self, scene: &Scene, daemon: &str) -> Process {
        let zebra = &scene.name.value;
        let is_zebra = daemon == "zebra";
        let name = if is_zebra { zebra.clone() } else { format!("{zebra}-{daemon}") };
        // Processes of a place have their directories side by side.
        let meet = if is_zebra { "{dir}".to_owned() } else { format!("{{dir}}/../{zebra}") };
        let config = self.config.as_deref().unwrap_or("{dir}/frr.conf");
        let socket = if is_zebra { "zserv.api".to_owned() } else { format!("{daemon}.vty") };
        let words = [
            daemon,
            "--log",
            "stdout",
            "-f",
            config,
            "-z",
            &format!("{meet}/zserv.api"),
            "--vty_socket",
            &meet,
            "-i",
            "{dir}/pid",
            // Its terminal is a Unix socket alone.
            "-P",
            "0",
        ];
        let program = Program::Argv(words.map(str::to_owned).to_vec());
        let mut process = Process {
            environment: [("PATH".to_owned(), PATH.to_owned())].into(),
            owner: Some(USER.to_owned()),
            ready: Ready::Socket(format!("{meet}/{socket}")),
            files: vec![ProcessFile::new("frr.conf", self.configuration(scene))],
            ..Process::new(scene.place.clone(), &name, program)
        };
        if !is_zebra {
            process.after.push(Need::Process(scene.place.clone(), zebra.clone()));
        }
        self.care.apply(&mut process);
        process
    }

    fn configuration(&self, scene: &Scene) -> String {
        let own = self.text.as_deref().unwrap_or_default().trim_end();
        format!("! made by netyard\nhostname {}\n!\n{own}\n", scene.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Spanned;
    use crate::name::NodeName;
    use crate::state::Place;

    #[test]
    fn daemons_meet_in_the_directory_of_zebra_and_come_after_it() {
        let frr = Frr {
            daemons: vec!["ospfd".into()],
            text: Some("router ospf\n".into()),
            config: None,
            span: Span::default(),
            care: Care::default(),
        };
        let place = Place::Node(NodeName::new("r1").unwrap());
        let name = Spanned::new("frr".to_owned(), Span::default());
        let (wires, files) = Default::default();
        let scene = Scene { yard: "y".into(), place: place.clone(), name, wires, files };
        let [zebra, ospfd] = &frr.processes(&scene)[..] else { panic!() };
        assert_eq!((&*zebra.name, &*ospfd.name), ("frr", "frr-ospfd"));
        assert_eq!(zebra.ready, Ready::Socket("{dir}/zserv.api".into()));
        assert_eq!(ospfd.ready, Ready::Socket("{dir}/../frr/ospfd.vty".into()));
        assert_eq!(ospfd.after, [Need::Process(place, "frr".into())]);
        assert_eq!(ospfd.owner.as_deref(), Some("frr"));
        assert_eq!(ospfd.files[0].content, "! made by netyard\nhostname r1\n!\nrouter ospf\n");
    }
}
