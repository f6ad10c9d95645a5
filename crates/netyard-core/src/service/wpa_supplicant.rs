//! wpa_supplicant: a station.
//!
//! ```yaml
//! services:
//!   wpa_supplicant: { interface: wlan1, ssid: jungle, passphrase-file: jungle.passphrase }
//! ```
//!
//! It is ready when it says on its control socket that it has joined
//! (`wpa_state=COMPLETED`).

use std::fmt::Write as _;

use super::{CARE, Care, Scene, Service};
use crate::air::{Air, INTERFACE, PASSPHRASE, SSID, Security, air};
use crate::diag::Report;
use crate::shape::{Field, Record, Shape, Type};
use crate::state::{Process, ProcessFile, Program, Ready};

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "`wpa_supplicant` service",
    doc: "A station by wpa_supplicant: it joins the network of an access point.",
    fields: &[
        INTERFACE,
        SSID,
        PASSPHRASE,
        Field::new(
            "security",
            Type::Word(&["wpa2", "wpa3", "wpa2+wpa3", "open"]),
            "By what it joins: `wpa2`, `wpa3` (SAE), the better of both that the access point has, or `open`; left out, `wpa2+wpa3`.",
        ),
        Field::new("country", Type::Text, "Where it is, in two letters."),
        Field::new(
            "hidden",
            Type::Bool,
            "`true`: it asks for the network by name, as one that does not tell its name needs.",
        ),
    ],
    also: &[&CARE],
};

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct WpaSupplicant {
    /// The network that it joins.
    pub air: Air,
    hidden: bool,
    pub(super) care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let care = Care::from_record(record, report);
    let hidden = record.bool("hidden").is_some_and(|yes| yes.value);
    Some(Service::WpaSupplicant(WpaSupplicant { air: air(record, report)?, hidden, care }))
}

impl WpaSupplicant {
    pub(super) fn process(&self, scene: &Scene) -> Process {
        let wire = scene.wire(&self.air.interface.value);
        let kernel = wire.map_or(self.air.interface.value.as_str(), |wire| wire.kernel.as_str());
        let argv = ["wpa_supplicant", "-D", "nl80211", "-i", kernel, "-c", "{dir}/wpa.conf"];
        let program = Program::Argv(argv.map(str::to_owned).to_vec());
        let mut process = Process {
            ready: Ready::Answer {
                socket: format!("{{dir}}/ctrl/{kernel}"),
                question: "STATUS".to_owned(),
                line: "wpa_state=COMPLETED".to_owned(),
            },
            // A hidden network is looked for in turns of ten seconds and more.
            patience: 60_000,
            files: vec![ProcessFile::new("wpa.conf", self.configuration(scene))],
            ..Process::new(scene.place.clone(), &scene.name.value, program)
        };
        self.care.apply(&mut process);
        process
    }

    fn configuration(&self, scene: &Scene) -> String {
        let air = &self.air;
        let mut text = String::from("# made by netyard\nctrl_interface={dir}/ctrl\n");
        if let Some(country) = &air.country {
            let _ = writeln!(text, "country={}", country.value);
        }
        let _ = writeln!(text, "network={{\n\tssid={}", air.ssid_digits());
        let _ = writeln!(text, "\tscan_ssid={}", u8::from(self.hidden));
        let (keys, frames) = match air.security {
            Security::Open => ("NONE", 0),
            Security::Wpa2 => ("WPA-PSK", 1),
            Security::Wpa3 => ("SAE", 2),
            Security::Both => ("WPA-PSK SAE", 1),
        };
        let _ = writeln!(text, "\tkey_mgmt={keys}\n\tieee80211w={frames}");
        if let Some(passphrase) = air.passphrase(|file| scene.file(file)) {
            let _ = writeln!(text, "\tpsk=\"{passphrase}\"");
        }
        text + "}\n"
    }
}
