//! Tunnels of WireGuard as other tools write them: what their importers share.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Map, Work};
use crate::diag::Span;
use crate::key::WgKey;

/// What keys are, for a message.
pub(crate) const A_KEY: &str = "a key: 32 bytes in base64";

/// One other end.
#[derive(Default)]
pub(crate) struct Peer {
    pub place: Span,
    pub map: Map,
    /// The prefixes that it may have, and where the file says so.
    pub allowed: Vec<(Span, IpNet)>,
}

/// Gives each prefix to one peer: the last that claims it, as the kernel does.
pub(crate) fn settle(peers: &mut [Peer], key: &str, work: &mut Work) {
    for at in 0..peers.len() {
        let mut own = std::mem::take(&mut peers[at].allowed);
        let mut known = BTreeSet::new();
        own.retain(|(_, net)| known.insert(*net));
        own.retain(|(span, net)| {
            let mut later = peers[at + 1..].iter().flat_map(|peer| &peer.allowed);
            let lost = later.any(|(_, other)| other == net);
            if lost {
                let why = format!("`{net}` is a later peer's, too, and the last one has it");
                work.ignored(*span, key, why);
            }
            !lost
        });
        let peer = &mut peers[at];
        for (_, net) in &own {
            peer.map.push("allowed-ips", net.to_string());
        }
        peer.allowed = own;
    }
}

/// A key of the foreign file: keys are not copied, a file is named for it. Fails
/// where it is none.
pub(crate) fn moved(
    value: &str,
    file: &str,
    span: Span,
    path: String,
    work: &mut Work,
) -> Result<(), &'static str> {
    WgKey::parse(value).map_err(|_| A_KEY)?;
    let why = format!("put it into `{file}`, mode 0600, beside the yard's file: it is not copied");
    work.nearly(span, path, why);
    Ok(())
}
