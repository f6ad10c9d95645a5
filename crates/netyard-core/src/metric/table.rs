//! Which metrics there are: the one place that names them. Their order here is
//! the order in which they are told.
//!
//! Names follow Prometheus' conventions: base units (seconds, bytes, ratios),
//! `_total` on counters, `_timestamp_seconds` for moments.

use super::Sort::{self, Counter, Gauge};

macro_rules! metrics {
    ($($variant:ident $sort:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// A metric of a yard; every one has the label `yard` before its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("netyard_", $name),)* }
            }

            /// What sort of number it is.
            pub fn sort(self) -> Sort {
                match self { $(Self::$variant => $sort,)* }
            }

            /// Its labels after `yard`.
            pub fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($label),*],)* }
            }

            /// What it says, in a sentence.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

metrics! {
    YardUp Gauge "yard_up" []
        "1 when anything of the yard is there.";
    YardDifferences Gauge "yard_differences" []
        "Steps that would make the yard what its file says; 0 when it is as it should be.";
    YardInterrupted Gauge "yard_interrupted" []
        "1 when a command was cut off and what it did waits for the next `up` or `down`.";
    FileValid Gauge "yard_file_valid" []
        "1 when the yard's file can be read and is without mistakes; absent where no file was named.";
    ScrapeDuration Gauge "scrape_duration_seconds" []
        "How long the look took that these numbers are from.";
    NodeUp Gauge "node_up" ["node"]
        "1 when the node is there.";
    InterfaceUp Gauge "interface_up" ["node", "interface"]
        "1 when the interface is there and set up.";
    InterfaceCarrier Gauge "interface_carrier" ["node", "interface"]
        "1 when a cable is plugged in and something is at its other end.";
    InterfaceMtu Gauge "interface_mtu_bytes" ["node", "interface"]
        "The largest packet the interface sends.";
    InterfaceReceiveBytes Counter "interface_receive_bytes_total" ["node", "interface"]
        "Bytes the interface received.";
    InterfaceReceivePackets Counter "interface_receive_packets_total" ["node", "interface"]
        "Packets the interface received.";
    InterfaceReceiveErrors Counter "interface_receive_errors_total" ["node", "interface"]
        "Packets the interface received that were bad.";
    InterfaceReceiveDrops Counter "interface_receive_drops_total" ["node", "interface"]
        "Packets the interface received for which there was no room.";
    InterfaceTransmitBytes Counter "interface_transmit_bytes_total" ["node", "interface"]
        "Bytes the interface sent.";
    InterfaceTransmitPackets Counter "interface_transmit_packets_total" ["node", "interface"]
        "Packets the interface sent.";
    InterfaceTransmitErrors Counter "interface_transmit_errors_total" ["node", "interface"]
        "Packets the interface could not send.";
    InterfaceTransmitDrops Counter "interface_transmit_drops_total" ["node", "interface"]
        "Packets the interface was to send for which there was no room.";
    LinkUp Gauge "link_up" ["link"]
        "1 when both ends of the link are there, set up and have a carrier.";
    LinkDelay Gauge "link_delay_seconds" ["link", "node", "interface"]
        "How long each packet waits that this end of the link sends.";
    LinkJitter Gauge "link_jitter_seconds" ["link", "node", "interface"]
        "By how much that delay varies.";
    LinkLoss Gauge "link_loss_ratio" ["link", "node", "interface"]
        "The share of packets that get lost of those this end of the link sends, 0 to 1.";
    LinkRate Gauge "link_rate_bytes_per_second" ["link", "node", "interface"]
        "How much this end of the link sends at most; absent where it is unlimited.";
    FirewallRulePackets Counter "firewall_rule_packets_total" ["node", "chain", "rule", "place"]
        "Packets that came as far as the counter of the rule, which stands at this place of the file.";
    FirewallRuleBytes Counter "firewall_rule_bytes_total" ["node", "chain", "rule", "place"]
        "Bytes of those packets.";
    ConntrackEntries Gauge "conntrack_entries" ["node"]
        "Connections that are tracked in a node with a firewall.";
    ConntrackLimit Gauge "conntrack_entries_limit" ["node"]
        "Connections that can be tracked there; each one more is dropped.";
    ProcessUp Gauge "process_up" ["node", "process"]
        "1 when the service runs, or has done its one thing.";
    ProcessStart Gauge "process_start_time_seconds" ["node", "process"]
        "When the process that runs was started, since 1970.";
    ProcessRestarts Counter "process_restarts_total" ["node", "process"]
        "How often the service was started again by itself.";
    DhcpLeases Gauge "dhcp_leases" ["network"]
        "Leases of the network that somebody holds now; absent until there was one.";
    WireguardHandshake Gauge "wireguard_latest_handshake_timestamp_seconds" ["node", "interface", "peer"]
        "When the peer's last handshake was, since 1970; absent where there was none.";
    WireguardReceiveBytes Counter "wireguard_receive_bytes_total" ["node", "interface", "peer"]
        "Bytes that came from the peer.";
    WireguardTransmitBytes Counter "wireguard_transmit_bytes_total" ["node", "interface", "peer"]
        "Bytes that went to the peer.";
    BabelUp Gauge "babel_up" ["node", "process"]
        "1 when babeld answers at its local socket.";
    BabelNeighbourCost Gauge "babel_neighbour_cost" ["node", "process", "interface", "neighbour"]
        "What the way to a neighbour costs; 65535 when nothing comes through.";
    BabelRoutes Gauge "babel_routes" ["node", "process", "family"]
        "Routes that neighbours told of and that lead somewhere.";
    BabelRoutesInstalled Gauge "babel_routes_installed" ["node", "process", "family"]
        "Those of them that are in use.";
    ExpectationPassed Gauge "expectation_passed" ["expectation", "family", "place"]
        "1 when what the file expects there came true in the last `netyard test`.";
    TestTime Gauge "test_timestamp_seconds" []
        "When that test ended, since 1970.";
    TestDuration Gauge "test_duration_seconds" []
        "How long that test took.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut names = BTreeSet::new();
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(names.insert(name), "{name} is there twice");
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(plain), "{name}");
            assert_eq!(name.ends_with("_total"), metric.sort() == Sort::Counter, "{name}");
            for unit in ["milliseconds", "_ms", "percent", "bits", "kib", "_mb"] {
                assert!(!name.contains(unit), "{name} is not in a base unit");
            }
            assert!(metric.help().ends_with('.'), "{name}: {}", metric.help());
            assert!(!metric.help().contains('\n'), "{name}");
            for label in metric.labels() {
                assert!(label.chars().all(plain) && *label != "yard", "{name}: {label}");
            }
        }
    }
}
