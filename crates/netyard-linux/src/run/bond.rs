//! Bonds and their members.
//!
//! A bond that its last member leaves gets a random address from the kernel, and then
//! takes that of the next member (`__bond_release_one`, `bond_enslave` in
//! drivers/net/bonding/bond_main.c, 6.12). Its own is told to it again at once.

use std::collections::BTreeMap;

use netyard_core::addr::Mac;
use netyard_core::interface::{Interface, Kind};
use netyard_core::plan::Op;
use netyard_core::state::{InterfaceId, Object};

use super::{Failed, Run};
use crate::netlink::{Batch, set_mac};

/// Bonds that members leave: of which op, and the address they keep.
pub(super) type Left = BTreeMap<InterfaceId, (usize, Mac)>;

impl Run<'_> {
    /// Notes the bonds among what is made or changed; gives those that members leave.
    pub(super) fn bonds_left(&mut self, ops: &[&Op]) -> Left {
        for op in ops {
            if let Op::Add { object: Object::Interface(o) }
            | Op::Set { to: Object::Interface(o), .. } = op
                && matches!(o.kind, Kind::Bond(_))
            {
                self.bonds.insert(o.id.clone(), o.mac);
            }
        }
        let mut left = Left::new();
        for (number, op) in ops.iter().enumerate() {
            for bond in leaves(op) {
                if let Some(mac) = self.mac_of_bond(&bond).flatten() {
                    left.insert(bond, (number, mac));
                }
            }
        }
        left
    }

    /// Tells those that are still there their addresses again.
    pub(super) fn keep_macs(&mut self, left: Left, ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        for (bond, (owner, mac)) in left {
            let Some(site) = self.sites.get_mut(&bond.place) else { continue };
            let Ok(index) = site.names.index(&bond.name) else { continue };
            let mut batch = Batch::default();
            batch.push(set_mac(index, mac));
            failed.extend(self.send(&bond.place, batch, &[owner], ops));
        }
        failed
    }

    /// True when the master of an interface is a bond: its members join while they are down.
    pub(super) fn is_bonded(&self, interface: &Interface) -> bool {
        master(interface).is_some_and(|bond| self.mac_of_bond(&bond).is_some())
    }

    /// The address of a bond; none for what is no bond.
    fn mac_of_bond(&self, id: &InterfaceId) -> Option<Option<Mac>> {
        let observed = || self.sites.get(&id.place)?.bonds.get(&id.name);
        self.bonds.get(id).or_else(observed).copied()
    }
}

fn master(interface: &Interface) -> Option<InterfaceId> {
    let name = interface.master.clone()?;
    Some(InterfaceId { place: interface.id.place.clone(), name })
}

/// The masters that interfaces leave by an op.
fn leaves(op: &Op) -> Vec<InterfaceId> {
    match op {
        Op::Set { from: Object::Interface(from), to: Object::Interface(to) }
            if from.master != to.master =>
        {
            master(from).into_iter().collect()
        }
        Op::Remove { object: Object::Interface(o) } => master(o).into_iter().collect(),
        Op::RemovePair { first, second } => {
            [first, second].into_iter().filter_map(|end| master(end)).collect()
        }
        _ => Vec::new(),
    }
}
