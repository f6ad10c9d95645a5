//! What is only visible from above: one address used twice, prefixes that
//! overlap, what this kernel and this host cannot do.

mod address;
mod host;
mod libvirt;
mod link;
mod radio;
mod uplink;

pub use radio::{RadioWishes, wishes as radio_wishes};

use super::address::Addressing;
use super::gather::Cast;
use super::relate::Relations;
use super::segment::Segments;
use crate::diag::Report;
use crate::facts::Facts;

pub(super) fn all(
    cast: &Cast<'_>,
    relations: &Relations,
    segments: &Segments,
    plan: &Addressing,
    facts: &Facts,
    report: &mut Report,
) {
    host::physical(cast, facts, report);
    host::kinds(cast, segments, facts, report);
    radio::all(cast, facts, report);
    libvirt::all(cast, facts, report);
    uplink::all(cast, facts, report);
    link::macs(cast, report);
    address::outside(cast, plan, report);
    address::twice(cast, relations, plan, report);
    address::overlaps(cast, plan, report);
    address::on_host(cast, plan, facts, report);
    address::gateways(cast, relations, plan, report);
}
