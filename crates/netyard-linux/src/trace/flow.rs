//! Connections that are tracked: those that go elsewhere than new ones do.

use std::io;

use netyard_core::explain::{Kind, Packet, Stale};
use netyard_core::state::Place;
use netyard_core::wire::flow::{self, Flow, Tuple};

use crate::netlink::{Protocol, Socket};

/// All tracked connections of the calling thread's namespace.
pub(super) fn tracked() -> io::Result<Vec<Flow>> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut found = Vec::new();
    socket.dump_raw(flow::GET_FLOW, &flow::all(), |message| match message {
        None => found.clear(),
        Some(message) => found.extend(Flow::read(message.payload)),
    })?;
    Ok(found)
}

/// The connection a packet made.
pub(super) fn of<'a>(packet: &Packet, flows: &'a [Flow]) -> Option<&'a Flow> {
    flows.iter().find(|flow| {
        is_of(&flow.original, packet) && flow.original.source_port == packet.source_port
    })
}

fn is_of(tuple: &Tuple, packet: &Packet) -> bool {
    let (protocol, _, port) = packet.flow();
    tuple.protocol == protocol
        && tuple.source == packet.source
        && tuple.destination == packet.destination
        && (packet.kind == Kind::Ping || tuple.destination_port == port)
}

/// Connections like that of `fresh`, a packet that began a new one, which go
/// elsewhere. `asked` is the source port that was asked about.
pub(super) fn stale(
    place: &Place,
    netns: &str,
    fresh: &Packet,
    flows: &[Flow],
    asked: Option<u16>,
) -> Vec<Stale> {
    let Some(new) = of(fresh, flows) else { return Vec::new() };
    let same = flows.iter().filter(|flow| is_of(&flow.original, fresh) && *flow != new);
    let differs = same.filter(|flow| {
        flow.reply.source != new.reply.source
            || flow.reply.source_port != new.reply.source_port && fresh.kind != Kind::Ping
            || flow.reply.destination != new.reply.destination
    });
    differs
        .map(|flow| Stale {
            place: place.clone(),
            netns: netns.to_owned(),
            flow: *flow,
            goes_to: goes(flow, new),
            new_go_to: goes(new, flow),
            asked: asked == Some(flow.original.source_port),
        })
        .collect()
}

/// Where a connection goes, told so that it differs from the other.
fn goes(flow: &Flow, other: &Flow) -> String {
    let Tuple { source, source_port, destination, .. } = flow.reply;
    let mut text = format!("{source} port {source_port}");
    if destination != other.reply.destination {
        text.push_str(&format!(" as {destination}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(source: &str, destination: &str, ports: (u16, u16)) -> Tuple {
        Tuple {
            protocol: 17,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            source_port: ports.0,
            destination_port: ports.1,
        }
    }

    fn flow(port: u16, target: &str) -> Flow {
        Flow {
            original: tuple("10.0.0.1", "192.0.2.1", (port, 53)),
            reply: tuple(target, "10.0.0.1", (53, port)),
        }
    }

    #[test]
    fn a_connection_to_the_old_target_is_stale_and_others_are_not() {
        let flows = [flow(4000, "10.0.1.2"), flow(4001, "10.0.1.1"), flow(4002, "10.0.1.2")];
        let fresh = Packet {
            kind: Kind::Udp,
            source: "10.0.0.1".parse().unwrap(),
            destination: "192.0.2.1".parse().unwrap(),
            source_port: 4000,
            destination_port: 53,
            size: 40,
        };
        let found = stale(&Place::Host, "", &fresh, &flows, Some(4001));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].goes_to, "10.0.1.1 port 53");
        assert_eq!(found[0].new_go_to, "10.0.1.2 port 53");
        assert!(found[0].asked);
    }
}
