//! The few requests that are about no object: questions, marks, removals.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo,
    LinkMessage, Prop,
};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use netyard_core::addr::Mac;
use netyard_core::wire::Request;

const IFLA_IFALIAS: u16 = 20; // linux/if_link.h

fn link(index: u32, attribute: LinkAttribute) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(attribute);
    message
}

/// Asks for one link. Not only a question: on the way the kernel works off what
/// it has still to do about the link's carrier (`linkwatch_sync_dev`,
/// net/core/link_watch.c), of which its own worker does a hundred links a second.
pub(crate) fn get_link(index: u32) -> Request {
    let message = link(index, LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::new(RouteNetlinkMessage::GetLink(message), 0)
}

/// Sets a link's alias.
pub(crate) fn set_alias(index: u32, alias: &str) -> Request {
    let message = link(index, LinkAttribute::IfAlias(alias.to_owned()));
    Request::new(RouteNetlinkMessage::SetLink(message), 0)
}

/// Sets a link's alias; an empty one is none.
pub(crate) fn set_alias_or_none(index: u32, alias: &str) -> Request {
    if !alias.is_empty() {
        return set_alias(index, alias);
    }
    // The codec ends a text with a zero; only no text at all is no alias.
    let none = DefaultNla::new(IFLA_IFALIAS, Vec::new());
    Request::new(RouteNetlinkMessage::SetLink(link(index, LinkAttribute::Other(none))), 0)
}

/// Lets a link be a member of another, or of none where that is 0; it comes up.
pub(crate) fn set_master(index: u32, master: u32) -> Request {
    let mut message = link(index, LinkAttribute::Controller(master));
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = LinkFlags::Up;
    Request::new(RouteNetlinkMessage::SetLink(message), 0)
}

/// Gives a link a MAC address.
pub(crate) fn set_mac(index: u32, mac: Mac) -> Request {
    Request::new(
        RouteNetlinkMessage::SetLink(link(index, LinkAttribute::Address(mac.0.to_vec()))),
        0,
    )
}

/// Adds an alternative name to a link, or takes it away.
pub(crate) fn altname(index: u32, name: &str, there: bool) -> Request {
    let message = link(index, LinkAttribute::PropList(vec![Prop::AltIfName(name.to_owned())]));
    if there {
        Request::new(RouteNetlinkMessage::NewLinkProp(message), NLM_F_CREATE | NLM_F_EXCL)
    } else {
        Request::new(RouteNetlinkMessage::DelLinkProp(message), 0)
    }
}

/// Sets a link up or down, and its MTU in bytes.
pub(crate) fn set_up(index: u32, up: bool, mtu: u32) -> Request {
    let mut message = link(index, LinkAttribute::Mtu(mtu));
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    Request::new(RouteNetlinkMessage::SetLink(message), 0)
}

/// Makes a link of a kind without saying any of its settings: what the kernel
/// answers tells whether it has the kind.
pub(crate) fn bare_link(kind: &str) -> Request {
    let kind = InfoKind::Other(kind.to_owned());
    let message = link(0, LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
    Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// Makes a bridge that tells VLANs apart.
pub(crate) fn vlan_bridge() -> Request {
    let data = InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]);
    let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(data)];
    let message = link(0, LinkAttribute::LinkInfo(info));
    Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// Puts a qdisc of a kind on `lo` without saying any of its settings.
pub(crate) fn bare_qdisc(kind: &str) -> Request {
    let mut message = TcMessage::default();
    message.header.index = 1;
    message.header.parent = TcHandle::ROOT;
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    Request::new(RouteNetlinkMessage::NewQueueDiscipline(message), flags)
}

/// Puts a link into a group.
pub(crate) fn set_group(index: u32, group: u32) -> Request {
    Request::new(RouteNetlinkMessage::SetLink(link(index, LinkAttribute::Group(group))), 0)
}

/// Removes all links of a group.
pub(crate) fn delete_group(group: u32) -> Request {
    Request::new(RouteNetlinkMessage::DelLink(link(0, LinkAttribute::Group(group))), 0)
}

/// Removes a link.
pub(crate) fn delete_link(index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    Request::new(RouteNetlinkMessage::DelLink(message), 0)
}

/// Makes a veth called `name` here, its other end in another namespace.
pub(crate) fn veth_into(name: &str, peer: BorrowedFd<'_>) -> Request {
    let mut message = link(0, LinkAttribute::IfName(name.to_owned()));
    let other = link(0, LinkAttribute::NetNsFd(peer.as_raw_fd()));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
    ]));
    Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}
