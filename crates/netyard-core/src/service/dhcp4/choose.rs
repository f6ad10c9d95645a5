//! Which address a client gets.

use std::net::Ipv4Addr;

use super::message::Request;
use super::{Note, Pool};
use crate::addr::Mac;
use crate::name::fnv1a;
use crate::service::lease::LeaseState;

impl Pool {
    /// What is reserved for it; else what it has or had; else what it asks for;
    /// else one that nobody ever had; else the one that has been free longest.
    pub(super) fn choose(
        &mut self,
        request: &Request<'_>,
        now: u64,
    ) -> (Option<Ipv4Addr>, Option<Note>) {
        let mut note = None;
        if let Some(reserved) = self.reserved.get(&request.mac) {
            let address = reserved.address;
            if self.is_free_for(request, address, now) {
                return (Some(address), None);
            }
            note = Some(Note::ReservedHeld(address, request.mac));
        }
        let had = self.clients.get(&request.client).copied();
        for address in [had, request.requested].into_iter().flatten() {
            if self.in_range(address) && self.is_free_for(request, address, now) {
                return (Some(address), note);
            }
        }
        let found = self.search(request, now);
        if found.is_none() {
            note = Some(Note::Exhausted(request.mac));
        }
        (found, note)
    }

    /// Looks through the ranges once, from a place that depends on the client, so
    /// that it tends to get the same address though the leases were lost.
    fn search(&mut self, request: &Request<'_>, now: u64) -> Option<Ipv4Addr> {
        if now < self.full_until {
            return None;
        }
        let size: u64 = self.config.ranges.iter().map(|r| range_size(*r)).sum();
        if size == 0 {
            return None;
        }
        let start = fnv1a(&[request.client.as_bytes()]) % size;
        let mut oldest: Option<(u64, Ipv4Addr)> = None;
        let mut next_end = u64::MAX;
        for step in 0..size {
            let address = self.nth((start + step) % size)?;
            if self.is_kept(address) {
                continue;
            }
            if let Some(offer) = self.offers.get(&address).filter(|o| o.until > now) {
                next_end = next_end.min(offer.until);
                continue;
            }
            match self.leases.get(&address) {
                None => return Some(address),
                Some(lease) if lease.until > now && lease.state != LeaseState::Released => {
                    next_end = next_end.min(lease.until);
                }
                Some(lease) if oldest.is_none_or(|(until, _)| lease.until < until) => {
                    oldest = Some((lease.until, address));
                }
                Some(_) => {}
            }
        }
        if oldest.is_none() {
            self.full_until = next_end;
        }
        oldest.map(|(_, address)| address)
    }

    fn nth(&self, mut index: u64) -> Option<Ipv4Addr> {
        for range in &self.config.ranges {
            let size = range_size(*range);
            if index < size {
                let offset = u32::try_from(index).ok()?;
                return Some(Ipv4Addr::from(u32::from(range.0) + offset));
            }
            index -= size;
        }
        None
    }

    /// True for an address that the ranges never give: somebody's alone.
    fn is_kept(&self, address: Ipv4Addr) -> bool {
        address == self.config.server
            || self.owners.contains_key(&address)
            || self.config.taken.binary_search(&address).is_ok()
    }

    fn in_range(&self, address: Ipv4Addr) -> bool {
        let within = |(first, last): &(Ipv4Addr, Ipv4Addr)| (*first..=*last).contains(&address);
        self.config.ranges.iter().any(within) && !self.is_kept(address)
    }

    fn owner(&self, address: Ipv4Addr) -> Option<Mac> {
        self.owners.get(&address).copied()
    }

    /// True when nobody else has it, or was just offered it. The owner of a
    /// reserved address is known by its hardware address alone.
    fn is_free_for(&self, request: &Request<'_>, address: Ipv4Addr, now: u64) -> bool {
        let is_owner = self.owner(address) == Some(request.mac);
        let offer = self.offers.get(&address).filter(|o| o.until > now);
        if offer.is_some_and(|o| o.client != request.client) && !is_owner {
            return false;
        }
        match self.leases.get(&address) {
            None => true,
            Some(lease) if lease.until <= now => true,
            Some(lease) => match lease.state {
                LeaseState::Released => true,
                LeaseState::Declined => false,
                LeaseState::Bound => {
                    lease.client == request.client || is_owner && lease.mac == Some(request.mac)
                }
            },
        }
    }

    /// True when a client may keep or take an address that it names.
    pub(super) fn may_have(&self, request: &Request<'_>, address: Ipv4Addr, now: u64) -> bool {
        if !self.config.subnet.contains(&address) {
            return false;
        }
        if let Some(reserved) = self.reserved.get(&request.mac)
            && reserved.address != address
            && self.is_free_for(request, reserved.address, now)
        {
            // It has one of its own to come to.
            return false;
        }
        let own = self.owner(address) == Some(request.mac);
        (own || self.in_range(address)) && self.is_free_for(request, address, now)
    }
}

fn range_size((first, last): (Ipv4Addr, Ipv4Addr)) -> u64 {
    (u64::from(u32::from(last)) + 1).saturating_sub(u64::from(u32::from(first)))
}
