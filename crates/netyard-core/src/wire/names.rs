//! Which interface has which index, in one namespace.

use std::collections::BTreeMap;
use std::fmt;

use crate::name::{FullName, InterfaceName};

/// The interfaces of one namespace, netyard's and others', by index and by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    by_index: BTreeMap<u32, (FullName, InterfaceName)>,
    by_name: BTreeMap<FullName, u32>,
}

/// An interface is named that is not in the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownInterface(pub FullName);

impl fmt::Display for UnknownInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no interface `{}`", self.0)
    }
}

impl std::error::Error for UnknownInterface {}

impl Names {
    /// Notes an interface; one of the same index or name is forgotten.
    pub fn insert(&mut self, index: u32, full: FullName, kernel: InterfaceName) {
        self.remove(index);
        if let Some(old) = self.by_name.insert(full.clone(), index) {
            self.by_index.remove(&old);
        }
        self.by_index.insert(index, (full, kernel));
    }

    /// Forgets an interface.
    pub fn remove(&mut self, index: u32) {
        if let Some((full, _)) = self.by_index.remove(&index) {
            self.by_name.remove(&full);
        }
    }

    /// The index of the interface of that full name.
    pub fn index(&self, full: &FullName) -> Result<u32, UnknownInterface> {
        self.by_name.get(full).copied().ok_or_else(|| UnknownInterface(full.clone()))
    }

    /// The full name of the interface of that index.
    pub fn full(&self, index: u32) -> Option<&FullName> {
        self.by_index.get(&index).map(|(full, _)| full)
    }

    /// What the kernel calls the interface of that full name; the name itself
    /// where there is no such interface (yet).
    pub fn kernel<'a>(&'a self, full: &'a FullName) -> &'a str {
        let known = self.by_name.get(full).and_then(|index| self.by_index.get(index));
        known.map_or(full.as_str(), |(_, kernel)| kernel.as_str())
    }

    /// The full name of what the kernel calls `kernel`; that name itself where
    /// there is no such interface.
    pub fn full_of(&self, kernel: &str) -> Option<FullName> {
        let known = self.by_index.values().find(|(_, name)| name.as_str() == kernel);
        known.map(|(full, _)| full.clone()).or_else(|| FullName::new(kernel).ok())
    }

    /// The highest index in use; 0 when there is none.
    pub fn last_index(&self) -> u32 {
        self.by_index.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// All of them, by index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &FullName, &InterfaceName)> {
        self.by_index.iter().map(|(index, (full, kernel))| (*index, full, kernel))
    }
}
