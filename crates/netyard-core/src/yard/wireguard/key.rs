//! Which keys a file needs, and what is known of them.

use super::super::gather::Cast;
use super::{Said, unmade};
use crate::diag::yard as diag;
use crate::diag::{Report, Span};
use crate::facts::Facts;
use crate::interface::{PeerSpec, Who};
use crate::key::{KeyFact, KeyName};
use crate::spec::Spec;
use crate::state::KeyRef;

/// A key that a file needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWish {
    /// A private key; of netyard's own keys one that is not there is made.
    Private,
    /// A preshared key, likewise.
    Preshared,
    /// A public key, which is there or not.
    Public,
}

/// The keys that a file needs, each once, with the place that wants it.
pub fn wishes(spec: &Spec) -> Vec<(KeyName, KeyWish, Span)> {
    let mut all = Vec::new();
    for node in &spec.nodes {
        let name = node.name.value.as_str();
        for interface in &node.interfaces {
            let Some(wireguard) = &interface.wireguard else { continue };
            let own = interface.name.value.as_str();
            let key = match &wireguard.key_file {
                Some(file) => (KeyName::File(file.value.clone()), KeyWish::Private, file.span),
                None => {
                    let key = KeyName::private(name, own);
                    (key, KeyWish::Private, interface.name.span)
                }
            };
            all.push(key);
            for peer in &wireguard.peers {
                all.extend(of_peer((name, own), peer));
            }
        }
    }
    for link in spec.links.iter().filter_map(|l| Some((l, l.tunnel.as_ref()?))) {
        let (link, tunnel) = link;
        let ends = link.ends.each_ref();
        for end in ends {
            let (node, name) = (end.node.value.as_str(), end.interface.value.as_str());
            let says = |n: &crate::spec::NodeSpec| {
                let mut all = n.interfaces.iter();
                n.name.value.as_str() == node
                    && all.any(|i| i.name.value.as_str() == name && i.wireguard.is_some())
            };
            if !spec.nodes.iter().any(says) {
                all.push((KeyName::private(node, name), KeyWish::Private, end.node.span));
            }
        }
        if let Some(span) = tunnel.preshared {
            let [a, b] = ends.map(|e| (e.node.value.as_str(), e.interface.value.as_str()));
            all.push((KeyName::shared(a, b), KeyWish::Preshared, span));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|a, b| a.0 == b.0);
    all
}

fn of_peer(own: (&str, &str), peer: &PeerSpec) -> Vec<(KeyName, KeyWish, Span)> {
    let mut all = Vec::new();
    if let Who::Guest(name) = &peer.who {
        all.push((KeyName::guest(own.0, own.1, &name.value), KeyWish::Public, name.span));
    }
    if let Some((key, span)) = preshared(own, peer) {
        all.push((key, KeyWish::Preshared, span));
    }
    all
}

/// The preshared key of a peer.
pub(super) fn preshared(own: (&str, &str), peer: &PeerSpec) -> Option<(KeyName, Span)> {
    if let Some(file) = &peer.preshared_file {
        return Some((KeyName::File(file.value.clone()), file.span));
    }
    let span = peer.preshared?;
    let key = match &peer.who {
        Who::Node(node, interface) => {
            let interface = interface.as_ref().map_or(own.1, |i| i.value.as_str());
            KeyName::shared(own, (&node.value, interface))
        }
        Who::Guest(name) => KeyName::guest_shared(own.0, own.1, &name.value),
        // With somebody outside it is exchanged by hand.
        Who::Key(_) => return None,
    };
    Some((key, span))
}

/// The preshared key of a link that is a tunnel.
pub(super) fn of_link(one: (&str, &str), other: (&str, &str)) -> KeyName {
    KeyName::shared(one, other)
}

/// What is known of a key; none where it cannot be used, which is said.
pub(super) fn look_up(
    name: &KeyName,
    span: Span,
    facts: &Facts,
    report: &mut Report,
) -> Option<KeyRef> {
    match facts.keys.get(name) {
        None | Some(KeyFact::Absent) => Some(unmade(name)),
        Some(KeyFact::There { file, public }) => {
            Some(KeyRef { file: file.clone(), public: *public })
        }
        Some(KeyFact::Unusable { file, why, fix }) => {
            report.push(diag::key_file(file, why, fix, span));
            None
        }
    }
}

/// The private key of an interface.
pub(super) fn of_interface(
    cast: &Cast<'_>,
    interface: usize,
    said: Said<'_>,
    facts: &Facts,
    report: &mut Report,
) -> Option<KeyRef> {
    let found = &cast.interfaces[interface];
    let (name, span) = match said.own.and_then(|own| own.key_file.as_ref()) {
        Some(file) => (KeyName::File(file.value.clone()), file.span),
        None => {
            let node = cast.nodes[found.node].name.as_str();
            (KeyName::private(node, found.name.as_str()), found.span)
        }
    };
    look_up(&name, span, facts, report)
}
