//! hostapd: an access point.
//!
//! ```yaml
//! services:
//!   hostapd:
//!     interface: softap
//!     ssid: jungle
//!     passphrase-file: jungle.passphrase
//!     security: wpa2+wpa3
//!     country: DE
//!     channel: 6
//! ```
//!
//! It is ready when it says on its control socket that it is (`state=ENABLED`).

use std::fmt::Write as _;

use super::{CARE, Care, Scene, Service};
use crate::air::{Air, INTERFACE, PASSPHRASE, SSID, Security, air, frequency};
use crate::diag::{Report, Spanned, radio as say};
use crate::name::InterfaceName;
use crate::shape::{Field, Record, Shape, Type};
use crate::state::{Process, ProcessFile, Program, Ready};

/// The keys.
pub static SHAPE: Shape = Shape {
    name: "`hostapd` service",
    doc: "An access point by hostapd: others join the network that it is.",
    fields: &[
        INTERFACE,
        SSID,
        PASSPHRASE,
        Field::new(
            "security",
            Type::Word(&["wpa2", "wpa3", "wpa2+wpa3", "open"]),
            "`wpa2`, `wpa3` (SAE), both as each station can, or `open`, without a passphrase; left out, `wpa2+wpa3`.",
        ),
        Field::required(
            "country",
            Type::Text,
            "Where it is, in two letters: which channels may be used depends on it.",
        ),
        Field::required(
            "channel",
            Type::Int { min: 1, max: 196 },
            "Its channel: 1 to 14 are those of 2.4 GHz, 36 and further those of 5 GHz.",
        ),
        Field::new(
            "hidden",
            Type::Bool,
            "`true`: it does not tell its name to who does not know it.",
        ),
        Field::new("isolate", Type::Bool, "`true`: stations cannot reach each other through it."),
        Field::new(
            "bridge",
            Type::Text,
            "A bridge that is not the yard's, which the interface joins; of a bridge of the yard's it is a port by its own `master:`.",
        ),
    ],
    also: &[&CARE],
};

/// The service.
#[derive(Clone, Debug, PartialEq)]
pub struct Hostapd {
    /// The network that it is.
    pub air: Air,
    /// Its channel.
    pub channel: Spanned<u32>,
    hidden: bool,
    isolate: bool,
    bridge: Option<InterfaceName>,
    pub(super) care: Care,
}

/// Reads the keys.
pub(super) fn parse(record: &Record, report: &mut Report) -> Option<Service> {
    let care = Care::from_record(record, report);
    let air = air(record, report);
    let channel = record.spanned_number("channel")?;
    if frequency(channel.value).is_none() {
        report.push(say::bad_channel(channel.value, channel.span));
        return None;
    }
    let yes = |key: &str| record.bool(key).is_some_and(|yes| yes.value);
    let bridge = match record.text("bridge") {
        None => None,
        Some(text) => match InterfaceName::new(&text.value) {
            Ok(name) => Some(name),
            Err(why) => {
                report.push(crate::diag::shape::bad_kernel_name(&text.value, text.span, why.0));
                return None;
            }
        },
    };
    let (hidden, isolate) = (yes("hidden"), yes("isolate"));
    Some(Service::Hostapd(Hostapd { air: air?, channel, hidden, isolate, bridge, care }))
}

impl Hostapd {
    pub(super) fn process(&self, scene: &Scene) -> Process {
        let argv = ["hostapd", "{dir}/hostapd.conf"].map(str::to_owned).to_vec();
        let wire = scene.wire(&self.air.interface.value);
        let kernel = wire.map_or(self.air.interface.value.as_str(), |wire| wire.kernel.as_str());
        let bridge = self.bridge.as_ref().or_else(|| wire?.bridge.as_ref());
        let mut process = Process {
            ready: Ready::Answer {
                socket: format!("{{dir}}/ctrl/{kernel}"),
                question: "STATUS".to_owned(),
                line: "state=ENABLED".to_owned(),
            },
            files: vec![ProcessFile::new(
                "hostapd.conf",
                self.configuration(kernel, bridge, scene),
            )],
            ..Process::new(scene.place.clone(), &scene.name.value, Program::Argv(argv))
        };
        self.care.apply(&mut process);
        process
    }

    fn configuration(&self, kernel: &str, bridge: Option<&InterfaceName>, scene: &Scene) -> String {
        let (air, channel) = (&self.air, self.channel.value);
        let mut text = format!(
            "# made by netyard\ninterface={kernel}\ndriver=nl80211\nctrl_interface={{dir}}/ctrl\n"
        );
        if let Some(bridge) = bridge {
            let _ = writeln!(text, "bridge={bridge}");
        }
        let _ = writeln!(text, "ssid2={}\nutf8_ssid=1", air.ssid_digits());
        if let Some(country) = &air.country {
            let _ = writeln!(text, "country_code={}\nieee80211d=1", country.value);
        }
        let band = if channel <= 14 { "g" } else { "a" };
        let _ = writeln!(text, "hw_mode={band}\nchannel={channel}\nieee80211n=1\nwmm_enabled=1");
        let _ = writeln!(text, "ignore_broadcast_ssid={}", u8::from(self.hidden));
        let _ = writeln!(text, "ap_isolate={}\nauth_algs=1", u8::from(self.isolate));
        let (keys, frames) = match air.security {
            Security::Open => return text,
            Security::Wpa2 => ("WPA-PSK", 1),
            Security::Wpa3 => ("SAE", 2),
            Security::Both => ("WPA-PSK SAE", 1),
        };
        let _ =
            writeln!(text, "wpa=2\nwpa_key_mgmt={keys}\nrsn_pairwise=CCMP\nieee80211w={frames}");
        if let Some(passphrase) = air.passphrase(|file| scene.file(file)) {
            let _ = writeln!(text, "wpa_passphrase={passphrase}");
        }
        text
    }
}
