//! Which driver flies which probe.

use super::engine::Driver;
use super::{What, dns, http, path_mtu, ping, tcp, udp};

/// The driver of a probe.
pub(super) fn driver(what: &What) -> Box<dyn Driver> {
    match what {
        What::Ping => Box::new(ping::Ping::default()),
        What::Tcp(port) => Box::new(tcp::Connect::new(*port)),
        What::Udp(port) => Box::new(udp::Echo::new(*port)),
        What::Http { port, request } => Box::new(http::Get::new(*port, request)),
        What::Dns { port, name, record } => Box::new(dns::Ask::new(*port, name, record)),
        What::PathMtu(expected) => Box::new(path_mtu::Search::new(*expected)),
    }
}
