//! Tables of nftables, and the devices of their flowtables.

use netyard_core::nft::Table;
use netyard_core::plan::Op;
use netyard_core::state::FlowDevice;

use super::send::{refused, refused_by_system};
use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::nft::{self, Trouble};

impl Run<'_> {
    /// Makes a table what it shall be, whatever it is now.
    pub(super) fn set_table(&mut self, op: &Op, table: &Table) -> Result<(), Error> {
        let (yard, worker) = (self.yard, &mut *self.worker);
        let site = self.sites.get_mut(&table.place);
        let site = site.ok_or_else(|| words::lost(op, "its namespace is not there"))?;
        let sockets = site.netfilter_and_socket(worker);
        let (socket, route) = sockets.map_err(|e| refused_by_system(op, e))?;
        nft::apply(socket, Some(route), yard, table).map_err(|trouble| told(op, trouble))
    }

    /// Takes a table away.
    pub(super) fn remove_table(&mut self, op: &Op, table: &Table) -> Result<(), Error> {
        let (yard, worker) = (self.yard, &mut *self.worker);
        let Some(site) = self.sites.get_mut(&table.place) else { return Ok(()) };
        let socket = site.netfilter(worker).map_err(|e| refused_by_system(op, e))?;
        nft::remove(socket, yard).map_err(|trouble| told(op, trouble))
    }

    /// Puts a device into its flowtable, or takes it out.
    pub(super) fn flow_device(
        &mut self,
        op: &Op,
        device: &FlowDevice,
        there: bool,
    ) -> Result<(), Error> {
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&device.interface.place) else {
            return if there { Err(words::lost(op, "its namespace is not there")) } else { Ok(()) };
        };
        let kernel_name = site.names.kernel(&device.interface.name).to_owned();
        let socket = site.netfilter(worker).map_err(|e| refused_by_system(op, e))?;
        nft::flow_device(socket, device, &kernel_name, there).map_err(|trouble| told(op, trouble))
    }
}

fn told(op: &Op, trouble: Trouble) -> Error {
    match trouble {
        Trouble::System(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
            refused_by_system(op, error)
                .hint("a ruleset is sent in one piece: raise net.core.wmem_max, or be root")
        }
        Trouble::System(error) => refused_by_system(op, error),
        Trouble::Refused { about, mut failure } => {
            let words = failure.text.take();
            failure.text = match (about, words) {
                (Some(about), Some(words)) => Some(format!("{words}, in `{about}`")),
                (Some(about), None) => Some(format!("in `{about}`")),
                (None, words) => words,
            };
            refused(op, failure)
        }
        Trouble::Taken => Error::new(ErrorKind::Refused, words::could_not(op))
            .extack(Some("a table of that name is there, and it is not this yard's".to_owned()))
            .hint("`nft list tables` shows it"),
    }
}
