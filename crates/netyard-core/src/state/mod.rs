//! The State: a sorted set of objects, each with every attribute that netyard
//! manages. Desired and actual are the same type, so diff is a set operation
//! and `==` is the idempotence test.

mod container;
mod display;
mod libvirt;
mod lower;
mod object;
mod process;
mod tunnel;

use std::collections::BTreeMap;

pub use container::*;
pub(crate) use display::kind_word;
pub use libvirt::{LibvirtDefinition, LibvirtForward, LibvirtNetwork};
pub use lower::lower;
pub use object::*;
pub use process::*;
pub use tunnel::{KeyRef, TUNNEL_SOCKET, Tunnel, TunnelFile, TunnelPeer};

/// The table that ordinary routes are in (`RT_TABLE_MAIN`, linux/rtnetlink.h).
pub const MAIN_TABLE: u32 = 254;

/// A sorted set of objects, found by their [`Key`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    objects: BTreeMap<Key, Object>,
}

impl State {
    /// Adds an object; gives back the one of the same key that it replaces.
    pub fn insert(&mut self, object: Object) -> Option<Object> {
        self.objects.insert(object.key(), object)
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &Key) -> Option<Object> {
        self.objects.remove(key)
    }

    /// The object of that key.
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// The interface of that name.
    pub fn interface(&self, id: &InterfaceId) -> Option<&crate::interface::Interface> {
        match self.objects.get(&Key::Interface(id.clone())) {
            Some(Object::Interface(interface)) => Some(interface),
            _ => None,
        }
    }

    /// All objects, sorted by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Key, &Object)> {
        self.objects.iter()
    }

    /// All objects, sorted by key.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = &Object> {
        self.objects.values()
    }

    /// An observed State without what `desired` leaves to the kernel, so that
    /// the two are equal exactly when nothing has to change.
    #[must_use]
    pub fn as_managed_by(mut self, desired: &Self) -> Self {
        for (key, object) in &mut self.objects {
            if let Object::Interface(interface) = object
                && let Some(Object::Interface(wanted)) = desired.objects.get(key)
            {
                interface.leave_to_kernel(wanted);
            }
        }
        self
    }

    /// A desired State in the steps in which the kernel keeps its numbers (times
    /// of bridges, rates and limits of qdiscs), so that what is read back can
    /// equal it.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.objects.values_mut().for_each(Object::settle);
        self
    }

    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }
}

impl FromIterator<Object> for State {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        Self { objects: objects.into_iter().map(|o| (o.key(), o)).collect() }
    }
}
