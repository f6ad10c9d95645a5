//! The few requests that are about no object: questions, marks, removals.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkInfo, LinkMessage, Prop,
};
use netyard_core::wire::Request;

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

/// Adds an alternative name to a link, or takes it away.
pub(crate) fn altname(index: u32, name: &str, there: bool) -> Request {
    let message = link(index, LinkAttribute::PropList(vec![Prop::AltIfName(name.to_owned())]));
    if there {
        Request::new(RouteNetlinkMessage::NewLinkProp(message), NLM_F_CREATE | NLM_F_EXCL)
    } else {
        Request::new(RouteNetlinkMessage::DelLinkProp(message), 0)
    }
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
