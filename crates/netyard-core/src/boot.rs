//! The unit by which systemd brings a yard up at boot.

use std::fmt::Write as _;

use crate::export::word;
use crate::name::{InterfaceName, YardName};

/// What a unit says.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    /// The yard.
    pub yard: &'a YardName,
    /// Its file, whole.
    pub file: &'a str,
    /// The `netyard` to call, whole.
    pub program: &'a str,
    /// Interfaces of the host that it needs.
    pub devices: Vec<InterfaceName>,
}

/// What has to be there, or at rest, before a yard comes: those who load rules and
/// would flush ours, those who make the host's own network, and those who register
/// containers. None of them is started for it.
const AFTER: &str = "local-fs.target systemd-modules-load.service systemd-sysctl.service \
                     systemd-udevd.service network-pre.target nftables.service netfilter-persistent.service \
                     ufw.service firewalld.service docker.service libvirtd.service \
                     systemd-networkd.service NetworkManager.service networking.service \
                     dbus.service systemd-machined.service";

/// The unit's name.
pub fn unit_name(yard: &YardName) -> String {
    format!("netyard-{yard}.service")
}

impl Boot<'_> {
    /// The unit's text.
    pub fn unit(&self) -> String {
        let (yard, file, program) = (self.yard, word(self.file), word(self.program));
        let mut after = AFTER.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut wants = String::new();
        for name in &self.devices {
            let unit = device(name.as_str());
            let _ = write!(after, " {unit}");
            let _ = writeln!(wants, "Wants={unit}");
        }
        let mounts =
            self.file.rsplit_once('/').map_or("/", |(d, _)| if d.is_empty() { "/" } else { d });
        let mounts = word(mounts);
        format!(
            "# Made by `netyard enable`; `netyard disable` takes it away.\n\
             [Unit]\n\
             Description=Network of the yard {yard}\n\
             Documentation=man:netyard(1) man:netyard-enable(1)\n\
             After={after}\n\
             {wants}\
             RequiresMountsFor={mounts}\n\
             Wants=network.target\n\
             Before=network-online.target\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             RemainAfterExit=yes\n\
             ExecStart={program} up -f {file}\n\
             ExecReload={program} up -f {file}\n\
             # What services keep stays: leases, keys.\n\
             ExecStop={program} down --keep-data --yard {yard}\n\
             TimeoutStartSec=10min\n\
             TimeoutStopSec=3min\n\
             TasksMax=infinity\n\
             Delegate=yes\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        )
    }
}

/// The unit of an interface: what `systemd-escape --path` makes of its path.
pub(crate) fn device(name: &str) -> String {
    let escaped: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            byte => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("sys-subsystem-net-devices-{escaped}.device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_names_what_the_yard_needs_and_stands_before_the_network_is_online() {
        let yard = YardName::new("home").unwrap();
        let devices =
            vec![InterfaceName::new("enp6s0").unwrap(), InterfaceName::new("br-lan").unwrap()];
        let boot = Boot {
            yard: &yard,
            file: "/etc/my yard/100%.yaml",
            program: "/usr/bin/netyard",
            devices,
        };
        let unit = boot.unit();
        for line in [
            "ExecStart=/usr/bin/netyard up -f \"/etc/my yard/100%%.yaml\"",
            "ExecStop=/usr/bin/netyard down --keep-data --yard home",
            "Wants=sys-subsystem-net-devices-br\\x2dlan.device",
            "RequiresMountsFor=\"/etc/my yard\"",
            "Before=network-online.target",
            "WantedBy=multi-user.target",
        ] {
            assert!(unit.lines().any(|l| l == line), "{line} is not in\n{unit}");
        }
        let after = unit.lines().find(|line| line.starts_with("After=")).unwrap();
        assert!(after.contains("sys-subsystem-net-devices-enp6s0.device"), "{after}");
        assert_eq!(unit_name(&yard), "netyard-home.service");
    }

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(word("/plain/path-1.yaml"), "/plain/path-1.yaml");
        assert_eq!(word("a b"), "\"a b\"");
        assert_eq!(word("a\"b\\c"), "\"a\\\"b\\\\c\"");
        assert_eq!(word("$HOME"), "$$HOME");
    }
}
