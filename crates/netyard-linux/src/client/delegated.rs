//! A delegated prefix in the kernel: a /64 for each interface that has a share, with
//! its first address, and a dead end for what nobody has.
//!
//! Whoever advertises on such an interface reads the prefix and its time from the
//! address itself. It ends by itself should this process be no more.

use std::io;

use ipnet::{IpNet, Ipv6Net};
use netyard_core::name::InterfaceName;
use netyard_core::service::client::Delegated;
use netyard_core::service::client::v6::Lease6;
use netyard_core::wire::leased::{LeasedAddress, dead_end};

use super::lease::until;
use super::{World, today};
use crate::serve::link6::Link;
use crate::serve::world::say;

/// What was given takes the place of what was held.
pub(super) fn bind(lease: &Lease6, world: &mut World) -> io::Result<()> {
    let before = world.held.prefix.replace((lease.clone(), until(today(), lease.valid)));
    let before = before.map(|(before, _)| before.net());
    if before != Some(lease.net()) {
        world.kernel.run(before.map(dead_end).map(|[_, gone]| gone))?;
        say(&format!("{}: {} for {} s", world.config.interface, lease.told(), lease.valid));
        for share in world.config.delegated.iter().flat_map(|delegated| &delegated.shares) {
            if share.address(lease.net()).is_none() {
                let (length, number) = (lease.net().prefix_len(), share.number);
                say(&format!("{}: a /{length} has no /64 number {number}", share.interface));
            }
        }
    }
    world.settle();
    set(world, true)
}

/// What was held is no more.
pub(super) fn drop(world: &mut World) -> io::Result<()> {
    if let Some((lease, _)) = world.held.prefix.take() {
        say(&format!("{}: {} is given up", world.config.interface, lease.told()));
        world.kernel.run(dead_end(lease.net()).into_iter().nth(1))?;
    }
    world.settle();
    set(world, false)
}

/// Gives what is held to interfaces that are there and have not got it, and takes what
/// is not held.
pub(super) fn settle(world: &mut World) -> io::Result<()> {
    if world.config.delegated.is_none() { Ok(()) } else { set(world, false) }
}

/// Has others share what is held; who has no part of it any more gives it back.
pub(super) fn share(world: &mut World, others: Option<Delegated>) -> io::Result<()> {
    let before = std::mem::replace(&mut world.config.delegated, others);
    let now: Vec<InterfaceName> = interfaces(&world.config.delegated).cloned().collect();
    for interface in interfaces(&before).filter(|interface| !now.contains(interface)) {
        // One that is gone has nothing any more.
        if let Ok(link) = Link::find(interface) {
            take_back(world, link.index, None)?;
        }
    }
    set(world, false)
}

fn interfaces(delegated: &Option<Delegated>) -> impl Iterator<Item = &InterfaceName> {
    delegated.iter().flat_map(|delegated| &delegated.shares).map(|share| &share.interface)
}

/// Takes from an interface what it has of a prefix, but `own`; true where it has that.
fn take_back(world: &mut World, index: u32, own: Option<Ipv6Net>) -> io::Result<bool> {
    let has = world.kernel.leased_on(index)?;
    // Those of a /128 are by a client of that interface's own.
    let other = |net: &&Ipv6Net| net.prefix_len() == 64 && Some(**net) != own;
    let gone = has.iter().filter(other).map(|net| address(index, *net, 0, 0));
    let gone = gone.flat_map(|address| [address.remove(), address.remove_link_route()]);
    world.kernel.run(gone.collect::<Vec<_>>())?;
    Ok(own.is_some_and(|own| has.contains(&own)))
}

fn address(index: u32, net: Ipv6Net, preferred: u32, valid: u32) -> LeasedAddress {
    LeasedAddress { index, net: IpNet::V6(net), preferred, valid }
}

/// `renewed`: what interfaces have already lasts longer.
fn set(world: &mut World, renewed: bool) -> io::Result<()> {
    let Some(delegated) = world.config.delegated.clone() else { return Ok(()) };
    let held = world.held.prefix.clone().filter(|(_, until)| *until > today());
    if let Some(net) = held.as_ref().map(|(lease, _)| lease.net()).filter(|n| n.prefix_len() < 64) {
        world.kernel.run(dead_end(net).into_iter().take(1))?;
    }
    for share in delegated.shares {
        // One that is made anew is told of when it is up.
        let Ok(link) = Link::find(&share.interface) else { continue };
        let own = held.as_ref().and_then(|(lease, _)| share.address(lease.net()));
        let has = take_back(world, link.index, own)?;
        if let (Some(own), Some((lease, until))) = (own, &held)
            && (renewed || !has)
        {
            let (preferred, valid) = left(lease, *until);
            world.kernel.run([address(link.index, own, preferred, valid).set()])?;
        }
    }
    Ok(())
}

/// For how many seconds more a lease is preferred, and valid.
fn left(lease: &Lease6, until: u64) -> (u32, u32) {
    if until == u64::MAX {
        return (lease.preferred, lease.valid);
    }
    let valid = u32::try_from(until.saturating_sub(today())).unwrap_or(lease.valid);
    let passed = lease.valid.saturating_sub(valid);
    let preferred = match lease.preferred {
        u32::MAX => u32::MAX,
        seconds => seconds.saturating_sub(passed),
    };
    (preferred, valid)
}
