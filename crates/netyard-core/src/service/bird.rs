//! BIRD (version 2): a base that netyard writes, and the user's own text after it.
//!
//! ```yaml
//! services:
//!   bird:
//!     config: /etc/bird/lab.conf    # a file to include
//!     router-id: 10.0.0.1           # left out, an address of the node
//! ```

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{CARE, Care, Scene, Service};
use crate::diag::{Report, Span};
use crate::shape::{Field, Record, Shape, Type};
use crate::state::{Process, ProcessFile, Program, Ready, Reload};

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "bird service",
    doc: "The routing daemon BIRD, version 2: devices, the node's own networks and the kernel's table are set up, protocols are yours.",
    fields: &[
        Field::new("text", Type::Text, "Protocols, in BIRD's own words, after netyard's base."),
        Field::new("config", Type::Text, "A file of such, by its absolute path."),
        Field::new("router-id", Type::Ip, "An IPv4 address; left out, one of the node."),
    ],
    also: &[&CARE],
};

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct Bird {
    text: Option<String>,
    config: Option<String>,
    router_id: Option<IpAddr>,
    pub(super) span: Span,
    pub(super) care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let config = record.text("config");
    if let Some(path) = config.as_ref().filter(|path| !super::is_plain_path(&path.value)) {
        report.push(crate::diag::service::bad_config(&path.value, path.span));
    }
    Some(Service::Bird(Bird {
        text: record.text("text").map(|text| text.value),
        config: config.map(|path| path.value),
        router_id: record.ip("router-id").map(|ip| ip.value),
        span: record.span,
        care: Care::from_record(record, report),
    }))
}

/// An IPv4 address of the node that can stand for it.
fn router_id(scene: &Scene) -> IpAddr {
    let nets = scene.wires.iter().flat_map(|wire| &wire.nets).map(|net| net.addr());
    let own = nets.filter(IpAddr::is_ipv4).min();
    own.unwrap_or_else(|| {
        // Any number that others do not have does; 0 and 127 are taken.
        let hash = crate::name::fnv1a(&[scene.yard.as_bytes(), scene.place.to_string().as_bytes()]);
        let [a, b, c, _, ..] = hash.to_le_bytes();
        IpAddr::from([10, a, b, c])
    })
}

impl Bird {
    pub(super) fn process(&self, scene: &Scene) -> Process {
        let argv =
            ["bird", "-f", "-c", "{dir}/bird.conf", "-s", "{dir}/bird.ctl", "-P", "{dir}/pid"];
        let program = Program::Argv(argv.map(str::to_owned).to_vec());
        let mut process = Process {
            ready: Ready::Socket("{dir}/bird.ctl".to_owned()),
            files: vec![ProcessFile::new("bird.conf", self.configuration(scene))],
            // BIRD reads its configuration anew and keeps what it learnt.
            reload: Reload::Signal("HUP".to_owned()),
            confined: true,
            ..Process::new(scene.place.clone(), &scene.name.value, program)
        };
        self.care.apply(&mut process);
        process
    }

    fn configuration(&self, scene: &Scene) -> String {
        let id = self.router_id.unwrap_or_else(|| router_id(scene));
        let mut text = format!(
            "# made by netyard\nlog stderr all;\nrouter id {id};\n\
             protocol device {{ scan time 10; }}\n\
             protocol direct {{ ipv4; ipv6; }}\n\
             protocol kernel {{ ipv4 {{ export where source != RTS_DEVICE; }}; }}\n\
             protocol kernel {{ ipv6 {{ export where source != RTS_DEVICE; }}; }}\n"
        );
        if let Some(own) = &self.text {
            let _ = writeln!(text, "{}", own.trim_end());
        }
        if let Some(path) = &self.config {
            let _ = writeln!(text, "include \"{path}\";");
        }
        text
    }
}
