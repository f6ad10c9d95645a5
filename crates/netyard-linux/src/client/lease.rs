//! What a client holds, written down: so that the process after it asks for the
//! same, and others can see it.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use netyard_core::service::client::v4::Lease4;
use netyard_core::service::client::v6::Lease6;
use serde::{Deserialize, Serialize};

/// The file's name, in the directory of what survives.
const NAME: &str = "lease.json";
/// The version of [`Held`] as JSON.
const VERSION: u32 = 1;

/// What a client holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Of its JSON.
    pub version: u32,
    /// By DHCPv4, and until when in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v4: Option<(Lease4, u64)>,
    /// By DHCPv6, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<(Lease6, u64)>,
    /// A prefix by DHCPv6, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<(Lease6, u64)>,
    /// What routers said of names; it is asked for again rather than written down.
    #[serde(skip)]
    pub names: super::ra::Names,
}

/// What the client holds whose directory this is; none where it holds nothing, or
/// what is there cannot be read.
pub fn read(data: &Path) -> Option<Held> {
    let held: Held = serde_json::from_slice(&fs::read(data.join(NAME)).ok()?).ok()?;
    (held.version == VERSION).then_some(held)
}

/// Until when something lasts that lasts for so many seconds.
pub(super) fn until(now: u64, seconds: u32) -> u64 {
    if seconds == u32::MAX { u64::MAX } else { now + u64::from(seconds) }
}

impl Held {
    /// Without what has ended.
    pub fn still_good(self, now: u64) -> Self {
        Self {
            version: VERSION,
            v4: self.v4.filter(|(_, until)| *until > now),
            v6: self.v6.filter(|(_, until)| *until > now),
            prefix: self.prefix.filter(|(_, until)| *until > now),
            names: self.names,
        }
    }

    /// Its addresses.
    pub fn addresses(&self) -> Vec<IpNet> {
        let v4 = self.v4.iter().map(|(lease, _)| IpNet::V4(lease.address));
        let v6 = self.v6.iter().map(|(lease, _)| IpNet::from(IpAddr::V6(lease.address)));
        v4.chain(v6).collect()
    }

    /// Its routes, each with its router.
    pub fn routes(&self) -> Vec<(IpNet, Option<IpAddr>)> {
        self.v4.iter().flat_map(|(lease, _)| routes(lease)).collect()
    }

    /// Its name servers.
    pub fn servers(&self) -> Vec<IpAddr> {
        let v4 = self.v4.iter().flat_map(|(lease, _)| &lease.dns).copied().map(IpAddr::V4);
        let v6 = self.v6.iter().chain(&self.prefix).flat_map(|(lease, _)| &lease.dns);
        let v6 = v6.copied().map(IpAddr::V6);
        let said = self.names.values().flat_map(|told| &told.servers).copied().map(IpAddr::V6);
        let mut all: Vec<IpAddr> = Vec::new();
        for server in v4.chain(v6).chain(said) {
            if !all.contains(&server) {
                all.push(server);
            }
        }
        all
    }

    /// Domains that are tried after a short name.
    pub fn search(&self) -> Vec<&str> {
        let v4 = self.v4.iter().flat_map(|(lease, _)| &lease.search);
        let v6 = self.v6.iter().chain(&self.prefix).flat_map(|(lease, _)| &lease.search);
        let mut all: Vec<&str> = Vec::new();
        let said = self.names.values().flat_map(|told| &told.search);
        for name in v4.chain(v6).chain(said) {
            if !all.contains(&name.as_str()) {
                all.push(name);
            }
        }
        all
    }

    pub(super) fn write(&self, data: &Path) -> io::Result<()> {
        let beside = data.join("lease.new");
        let held = Self { version: VERSION, ..self.clone() };
        fs::write(&beside, serde_json::to_vec(&held)?)?;
        fs::rename(&beside, data.join(NAME))
    }
}

/// The routes of a lease. A router outside the subnet is reached by a route of
/// its own, as in a subnet of one address.
pub(super) fn routes(lease: &Lease4) -> Vec<(IpNet, Option<IpAddr>)> {
    let mut routes: Vec<(IpNet, Option<IpAddr>)> = Vec::new();
    let default = lease.gateway.map(|via| (ipnet::Ipv4Net::default(), via));
    for (net, via) in default.into_iter().chain(lease.routes.iter().copied()) {
        if via.is_unspecified() {
            routes.push((net.into(), None));
            continue;
        }
        let host = (IpNet::from(IpAddr::V4(via)), None);
        if !lease.address.contains(&via) && !routes.contains(&host) {
            routes.push(host);
        }
        routes.push((net.into(), Some(via.into())));
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease4 {
        Lease4 {
            address: "10.1.0.100/24".parse().unwrap(),
            server: "10.1.0.1".parse().unwrap(),
            gateway: Some("10.1.0.1".parse().unwrap()),
            routes: Vec::new(),
            dns: vec!["10.1.0.1".parse().unwrap()],
            search: vec!["lan.test".into()],
            seconds: 100,
            t1: 50,
            t2: 80,
        }
    }

    #[test]
    fn what_was_written_down_is_read_until_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        let held = Held { v4: Some((lease(), 1000)), ..Held::default() };
        held.write(dir.path()).unwrap();
        let back = read(dir.path()).unwrap();
        assert_eq!(back.clone().still_good(999).v4, held.v4);
        assert_eq!(back.still_good(1000).v4, None);
        fs::write(dir.path().join(NAME), "{\"version\":1,\"v4\":").unwrap();
        assert_eq!(read(dir.path()), None);
    }

    #[test]
    fn a_router_outside_the_subnet_is_on_the_link_all_the_same() {
        let far = Lease4 { address: "10.1.0.100/32".parse().unwrap(), ..lease() };
        let text = |lease: &Lease4| -> Vec<String> {
            let all = routes(lease).into_iter();
            all.map(|(net, via)| format!("{net} {}", via.map_or("-".into(), |v| v.to_string())))
                .collect()
        };
        assert_eq!(text(&lease()), ["0.0.0.0/0 10.1.0.1"]);
        assert_eq!(text(&far), ["10.1.0.1/32 -", "0.0.0.0/0 10.1.0.1"]);
    }
}
