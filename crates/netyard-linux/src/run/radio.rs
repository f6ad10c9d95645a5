//! Interfaces of radios, which nl80211 makes; and whole radios, which it moves.

use std::os::fd::{AsFd, AsRawFd};

use netyard_core::interface::{Interface, Wlan};
use netyard_core::plan::Op;
use netyard_core::state::Place;
use netyard_core::wire::link::Target;

use super::send::{is_gone, refused, refused_by_system};
use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::Batch;
use crate::radio::{Air, Made};

impl<'a> Run<'a> {
    /// A way to the radios of a place.
    fn air(&mut self, op: &Op, place: &Place) -> Result<Option<Air>, Error> {
        let net = self.site(op, place)?.net.try_clone();
        let opened = net.and_then(|net| {
            self.worker.enter(net.as_fd())?;
            Air::open()
        });
        opened.map_err(|error| refused_by_system(op, error))
    }

    /// Makes an interface of a radio, marked as the yard's at once; gives its index.
    pub(super) fn make_wlan(
        &mut self,
        op: &Op,
        interface: &Interface,
        wlan: &Wlan,
    ) -> Result<u32, Error> {
        let refusal = |why: &str| {
            let what = format!("{}: {why}", words::could_not(op));
            Error::new(ErrorKind::Refused, what).doing(op)
        };
        let Some(mut air) = self.air(op, &interface.id.place)? else {
            return Err(refusal("this machine has no radios"));
        };
        let made = air.make(interface.kernel_name.as_str(), wlan, interface.mac);
        let index = match made.map_err(|error| refused_by_system(op, error))? {
            Made::Index(index) => index,
            Made::NoRadio => return Err(refusal(&format!("there is no radio `{}`", wlan.phy))),
            Made::Refused(failure) => return Err(refused(op, failure)),
        };
        let mut batch = Batch::default();
        let alias = netyard_core::wire::Mark::of(self.yard, interface).alias();
        batch.push(crate::netlink::set_alias(index, &alias));
        super::physical::first_error(self.send(&interface.id.place, batch, &[0], &[op]))?;
        Ok(index)
    }

    /// Takes an interface of a radio away.
    pub(super) fn remove_wlan(&mut self, op: &Op, interface: &Interface) -> Result<(), Error> {
        let index = match self.index_of(op, &interface.id) {
            Err(_) if self.lenient => return Ok(()),
            index => index?,
        };
        if let Some(mut air) = self.air(op, &interface.id.place)? {
            let failed = air.remove(index).map_err(|error| refused_by_system(op, error))?;
            match failed {
                Some(failure) if !is_gone(failure.errno) => {
                    return Err(refused(op, failure));
                }
                _ => {}
            }
        }
        self.site(op, &interface.id.place)?.names.remove(index);
        Ok(())
    }

    /// Moves the radio of an interface of the host into a place, where it has one; gives
    /// the index that the interface has there.
    pub(super) fn lend_radio(
        &mut self,
        op: &Op,
        interface: &Interface,
        now: u32,
        target: &Target<'a>,
    ) -> Result<Option<u32>, Error> {
        let Some(netns) = target.netns else { return Ok(None) };
        let Some(wiphy) = self.radio_of(op, &Place::Host, now)? else { return Ok(None) };
        self.relocate(op, &Place::Host, wiphy, netns)?;
        let place = interface.id.place.clone();
        let Some(mut air) = self.air(op, &place)? else { return Ok(None) };
        let there = air.interfaces().map_err(|error| refused_by_system(op, error))?;
        let mut of_it = there.into_iter().filter(|one| one.wiphy == wiphy).collect::<Vec<_>>();
        // It keeps its index where that is free there.
        of_it.sort_by_key(|one| one.index != now);
        let Some(found) = of_it.first() else {
            return Err(words::lost(op, "it did not arrive"));
        };
        let index = found.index;
        let mut batch = Batch::default();
        batch.push(interface.moving(index, &Target { index: 0, netns: None, ..*target }));
        super::physical::first_error(self.send(&place, batch, &[0], &[op]))?;
        Ok(Some(index))
    }

    /// Moves the radio of an interface of a place back to the host; false where it is none.
    pub(super) fn give_radio_back(
        &mut self,
        op: &Op,
        interface: &Interface,
        index: u32,
    ) -> Result<bool, Error> {
        let place = interface.id.place.clone();
        let home = self.site(op, &Place::Host)?.net.as_raw_fd();
        if place == Place::Host {
            return Ok(false);
        }
        let Some(wiphy) = self.radio_of(op, &place, index)? else { return Ok(false) };
        let mut batch = Batch::default();
        batch.extend(interface.removal(index, None));
        let owners = vec![0; batch.len()];
        super::physical::first_error(self.send(&place, batch, &owners, &[op]))?;
        self.relocate(op, &place, wiphy, home)?;
        Ok(true)
    }

    /// The number of the radio that has an interface of a place.
    pub(super) fn radio_of(
        &mut self,
        op: &Op,
        place: &Place,
        index: u32,
    ) -> Result<Option<u32>, Error> {
        let Some(mut air) = self.air(op, place)? else { return Ok(None) };
        air.of_interface(index).map_err(|error| refused_by_system(op, error))
    }

    fn relocate(&mut self, op: &Op, from: &Place, wiphy: u32, to: i32) -> Result<(), Error> {
        let Some(mut air) = self.air(op, from)? else { return Ok(()) };
        match air.relocate(wiphy, to).map_err(|error| refused_by_system(op, error))? {
            None => Ok(()),
            Some(failure) => Err(refused(op, failure)),
        }
    }
}
