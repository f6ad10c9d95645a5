//! Tunnels of the kernel's: their keys, ports and peers.

use netyard_core::plan::Op;
use netyard_core::state::Tunnel;

use super::send::{refused, refused_by_system};
use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Protocol, Socket};
use crate::wireguard;

impl Run<'_> {
    /// Tells a tunnel what differs from what it was told.
    pub(super) fn set_tunnel(
        &mut self,
        op: &Op,
        from: Option<&Tunnel>,
        to: &Tunnel,
    ) -> Result<(), Error> {
        let index = self.index_of(op, &to.interface)?;
        let secrets = self.shelf.secrets();
        let failed = |e: std::io::Error| refused_by_system(op, e);
        let worker = &mut *self.worker;
        let site = self.sites.get_mut(&to.interface.place);
        let site = site.ok_or_else(|| words::lost(op, "its namespace is not there"))?;
        worker.enter(site.fd()).map_err(failed)?;
        let mut socket = Socket::open(Protocol::Generic).map_err(failed)?;
        let told = wireguard::configure(&mut socket, index, from, to, &secrets).map_err(failed)?;
        match told.into_iter().next() {
            None => Ok(()),
            Some(failure) if failure.errno == rustix::io::Errno::ADDRINUSE => {
                let taken = format!("UDP port {} is taken where its packets leave from", to.listen);
                Err(Error::new(ErrorKind::Refused, words::could_not(op))
                    .errno(failure.errno)
                    .extack(Some(taken))
                    .doing(op)
                    .hint("`ss -ulnp` shows who has it; `listen:` chooses another"))
            }
            Some(failure) => Err(refused(op, failure)),
        }
    }

    /// Takes a tunnel's peers away: what is left is what the kernel makes.
    pub(super) fn empty_tunnel(&mut self, op: &Op, tunnel: &Tunnel) -> Result<(), Error> {
        if self.lenient && self.index_of(op, &tunnel.interface).is_err() {
            return Ok(());
        }
        let empty = Tunnel { listen: 0, peers: Vec::new(), ..tunnel.clone() };
        self.set_tunnel(op, Some(tunnel), &empty)
    }
}
