//! Making, changing and removing interfaces.

use std::os::fd::RawFd;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkExtentMask,
    LinkFlags, LinkInfo, LinkMessage, Prop,
};

use crate::interface::{BridgePort, Change, Interface, Kind, Tap, Wlan};
use crate::name::{ALTNAME_MAX, InterfaceName, YardName};
use crate::state::Place;
use crate::wire::{Mark, Request, group};

const IFLA_IFALIAS: u16 = 20; // linux/if_link.h

/// Where an interface is to be and with whom it has to do, by number.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The yard it is marked as part of.
    pub yard: &'a YardName,
    /// The index it will have; 0 leaves it to the kernel. Before Linux 6.15 the
    /// kernel looks whether it is taken in the namespace of the socket, and not
    /// only in the one where the interface will be (EEXIST, net/core/rtnetlink.c,
    /// `__rtnl_newlink`): it must be free in both.
    pub index: u32,
    /// The namespace it will be in; none is that of the socket.
    pub netns: Option<RawFd>,
    /// The index of its parent, in the namespace of the socket, which is that of
    /// [`Interface::birthplace`].
    pub parent: Option<u32>,
    /// The index of its master, in the namespace where it will be.
    pub master: Option<u32>,
    /// True when its master is a bond, which takes only members that are down.
    pub bonded: bool,
}

/// How an interface comes to be.
#[derive(Clone, Debug)]
pub enum Creation {
    /// By this message.
    Link(Request),
    /// Together with its peer: [`Interface::pair_creation`].
    Pair,
    /// By the `TUNSETIFINDEX`, `TUNSETIFF`, `TUNSETOWNER`, `TUNSETGROUP` and
    /// `TUNSETPERSIST` calls on a `/dev/net/tun` opened by a thread that is in
    /// the namespace where it belongs (linux/if_tun.h).
    Tun {
        /// Its name in the kernel.
        name: InterfaceName,
        /// The index to ask for; 0 leaves it to the kernel.
        index: u32,
        /// `IFF_TAP`, else `IFF_TUN`; always with `IFF_NO_PI`.
        tap: bool,
        /// Its settings.
        options: Tap,
    },
    /// By [`crate::wire::radio::make`], in the namespace where it belongs; the kernel
    /// chooses its index.
    Wlan(Wlan),
    /// It is there, on the host: look its `host_name` up there and, where it
    /// belongs elsewhere, move it with [`Interface::moving`].
    Physical,
    /// It is there: `lo`.
    Existing,
}

/// By what an interface was made: what its [`Interface::configuration`] has
/// still to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// By the message of [`Interface::creation`], or as the first of a pair.
    Whole,
    /// As the second of a pair: the kernel takes neither its master nor "up"
    /// along (-ENOTCONN, drivers/net/veth.c, `veth_open`).
    AsPeer,
    /// Not by a message: tap, tun, physical.
    Bare,
}

impl Interface {
    /// The place from which the creating message must be sent; none where any
    /// will do. The kernel looks for a parent in the namespace of the socket, and
    /// a VXLAN for ever sends and hears its packets there.
    pub fn birthplace(&self) -> Option<&Place> {
        match (&self.parent, &self.kind) {
            (Some(parent), _) => Some(&parent.place),
            (None, Kind::Vxlan(_) | Kind::Wireguard) => Some(&self.id.place),
            _ => None,
        }
    }

    /// How the interface is made.
    pub fn creation(&self, target: &Target<'_>) -> Creation {
        let (kind, data) = match &self.kind {
            Kind::Loopback => return Creation::Existing,
            Kind::Physical(_) => return Creation::Physical,
            Kind::Veth(_) => return Creation::Pair,
            Kind::Wlan(wlan) => return Creation::Wlan(wlan.clone()),
            Kind::Tap(options) | Kind::Tun(options) => {
                return Creation::Tun {
                    name: self.kernel_name.clone(),
                    index: target.index,
                    tap: matches!(self.kind, Kind::Tap(_)),
                    options: options.clone(),
                };
            }
            Kind::Bridge(bridge) => (InfoKind::Bridge, Some(bridge.data())),
            Kind::Vlan(vlan) => (InfoKind::Vlan, Some(vlan.data())),
            Kind::Vxlan(vxlan) => (InfoKind::Vxlan, Some(vxlan.data(target.parent))),
            Kind::Macvlan(m) => (InfoKind::MacVlan, Some(m.data(false))),
            Kind::Macvtap(m) => (InfoKind::MacVtap, Some(m.data(true))),
            Kind::Ipvlan(ipvlan) => (InfoKind::IpVlan, Some(ipvlan.data())),
            Kind::Vrf(vrf) => (InfoKind::Vrf, Some(vrf.data())),
            Kind::Bond(bond) => (InfoKind::Bond, Some(bond.data())),
            Kind::Dummy => (InfoKind::Dummy, None),
            Kind::Ifb => (InfoKind::Ifb, None),
            Kind::Wireguard => (InfoKind::Wireguard, None),
        };
        let mut message = self.whole(target);
        // What a tunnel has as parent only says where its packets leave from.
        let parent = target.parent.filter(|_| self.kind != Kind::Wireguard);
        message.attributes.extend(parent.map(LinkAttribute::Link));
        let info = std::iter::once(LinkInfo::Kind(kind)).chain(data.map(LinkInfo::Data));
        message.attributes.push(LinkAttribute::LinkInfo(info.collect()));
        Creation::Link(create(message))
    }

    /// Makes both ends of a veth pair, in any two namespaces. The first should be
    /// the one with a master, if one has: see [`Made::AsPeer`].
    pub fn pair_creation(
        first: &Self,
        at: &Target<'_>,
        second: &Self,
        peer_at: &Target<'_>,
    ) -> Request {
        let peer = second.described(peer_at);
        let mut message = first.whole(at);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        create(message)
    }

    /// What identifies it: index, name, namespace, MTU, MAC, group.
    fn described(&self, target: &Target<'_>) -> LinkMessage {
        let mut message = at(target.index);
        message.attributes.push(LinkAttribute::IfName(self.kernel_name.as_str().to_owned()));
        message.attributes.extend(target.netns.map(LinkAttribute::NetNsFd));
        message.attributes.push(LinkAttribute::Group(group(target.yard)));
        self.push_sizes(&mut message);
        if matches!(self.kind, Kind::Veth(_)) {
            // A veth uses one queue unless told otherwise, yet registers one in
            // sysfs for each possible processor: a quarter of the cost of a pair
            // (`veth_get_num_queues`, drivers/net/veth.c).
            message.attributes.push(LinkAttribute::NumTxQueues(1));
            message.attributes.push(LinkAttribute::NumRxQueues(1));
        }
        message
    }

    /// [`Self::described`], with its master, and up where that can be said at once.
    fn whole(&self, target: &Target<'_>) -> LinkMessage {
        let mut message = self.described(target);
        message.attributes.extend(target.master.map(LinkAttribute::Controller));
        if self.up_at_once(target) {
            set_up(&mut message, true);
        }
        message
    }

    fn push_sizes(&self, message: &mut LinkMessage) {
        message.attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        if let Some(mac) = self.mac {
            message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
    }

    /// A bond takes members that are down, and a port must have its options (an
    /// isolated one above all) before the first frame. A VLAN does not come up
    /// before its parent (-ENETDOWN, net/8021q/vlan_dev.c, `vlan_dev_open`), and
    /// a parent that is the second of a pair is not up yet.
    fn up_at_once(&self, target: &Target<'_>) -> bool {
        self.up && !target.bonded && self.port_options().is_none() && self.parent.is_none()
    }

    fn port_options(&self) -> Option<InfoPortData> {
        self.port.as_ref().and_then(|port| port.change(&BridgePort::DEFAULT))
    }

    /// What remains to be said to the interface once it is there, in order, from
    /// a socket in its own namespace; after it, the interface is as described.
    pub fn configuration(&self, target: &Target<'_>, made: Made) -> Vec<Request> {
        if self.kind == Kind::Loopback {
            return if self.up { vec![set(up(target.index, true))] } else { Vec::new() };
        }
        let mut message = at(target.index);
        let alias = Mark::of(target.yard, self).alias();
        message.attributes.push(LinkAttribute::IfAlias(alias));
        if made == Made::Bare {
            // One interface without `rtnl_link_ops` in the group would make the
            // kernel refuse to delete the group (net/core/rtnetlink.c,
            // `rtnl_group_dellink`): physical ones stay out.
            if !matches!(self.kind, Kind::Physical(_) | Kind::Wlan(_)) {
                message.attributes.push(LinkAttribute::Group(group(target.yard)));
            }
            self.push_sizes(&mut message);
        }
        if made != Made::Whole {
            message.attributes.extend(target.master.map(LinkAttribute::Controller));
        }
        let options = self.port_options();
        let comes_up = self.up && !(made == Made::Whole && self.up_at_once(target));
        let mut requests = vec![set(message)];
        requests.extend(self.pinned_mtu(target.index));
        if comes_up && options.is_none() {
            // In a message of its own: some kernels bring up before they join a bond
            // (6.12), and what changes while it is down is announced to nobody,
            // which is a third of the cost (`netdev_state_change`, net/core/dev.c).
            requests.push(set(up(target.index, true)));
        }
        if let Some(options) = options {
            let mut message = port_message(target.index, options);
            if self.up {
                set_up(&mut message, true);
            }
            requests.push(Request::new(RouteNetlinkMessage::NewLink(message), 0));
        }
        requests.extend(self.altname(target.index).map(|message| {
            let flags = NLM_F_CREATE | NLM_F_EXCL;
            Request::new(RouteNetlinkMessage::NewLinkProp(message), flags)
        }));
        requests
    }

    /// A bridge follows the least MTU of its ports until somebody changes its own
    /// (`br_mtu_auto_adjust`, net/bridge/br_if.c); to say what it is changes nothing.
    fn pinned_mtu(&self, index: u32) -> Vec<Request> {
        let Some(mtu) = self.mtu.filter(|_| matches!(self.kind, Kind::Bridge(_))) else {
            return Vec::new();
        };
        let other = if mtu < 65535 { mtu + 1 } else { mtu - 1 };
        let say = |mtu| {
            let mut message = at(index);
            message.attributes.push(LinkAttribute::Mtu(mtu));
            set(message)
        };
        vec![say(other), say(mtu)]
    }

    /// Its full name as an alternative name, where the kernel's is another and
    /// the kernel takes it.
    fn altname(&self, index: u32) -> Option<LinkMessage> {
        let full = self.id.name.as_str();
        if full == self.kernel_name.as_str() || full.len() > ALTNAME_MAX {
            return None;
        }
        let mut message = at(index);
        message.attributes.push(LinkAttribute::PropList(vec![Prop::AltIfName(full.to_owned())]));
        Some(message)
    }

    /// Changes `from` into `self` in place: of the attributes that differ, those
    /// that can be changed so (each kind's file says which); from a socket in
    /// the interface's own namespace. `target` says what the new parent and
    /// master are.
    pub fn settings(&self, from: &Self, target: &Target<'_>) -> Vec<Request> {
        let index = target.index;
        let mut requests = Vec::new();
        let joins = self.master != from.master;
        let pauses = joins && target.bonded || matches!(from.change(self), Change::WhileDown(_));
        if from.up && (!self.up || pauses) {
            requests.push(set(up(index, false)));
        }
        // A member that leaves a bond is left down.
        let comes_up = self.up && (!from.up || pauses || joins);
        if joins {
            let mut message = at(index);
            message.attributes.push(LinkAttribute::Controller(target.master.unwrap_or(0)));
            requests.push(set(message));
        }
        requests.extend(self.kind_changes(from).into_iter().map(|info| {
            let mut message = at(index);
            message.attributes.push(LinkAttribute::LinkInfo(info));
            Request::new(RouteNetlinkMessage::NewLink(message), 0)
        }));
        // A port that joins a bridge begins with the kernel's options.
        let old_port = from.port.as_ref().filter(|_| !joins).unwrap_or(&BridgePort::DEFAULT);
        if let Some(options) = self.port.as_ref().and_then(|port| port.change(old_port)) {
            let message = port_message(index, options);
            requests.push(Request::new(RouteNetlinkMessage::NewLink(message), 0));
        }
        let (old_altname, new_altname) = (from.altname(index), self.altname(index));
        let renames = old_altname != new_altname;
        requests.extend(old_altname.filter(|_| renames).map(|message| {
            // It may not be there, where somebody else had renamed the interface.
            Request::new(RouteNetlinkMessage::DelLinkProp(message), 0)
        }));
        let mut message = at(index);
        message.attributes = self.differing(from, target.yard);
        if comes_up {
            set_up(&mut message, true);
        }
        if !message.attributes.is_empty() || comes_up {
            requests.push(set(message));
        }
        requests.extend(new_altname.filter(|_| renames).map(|message| {
            let flags = NLM_F_CREATE | NLM_F_EXCL;
            Request::new(RouteNetlinkMessage::NewLinkProp(message), flags)
        }));
        requests
    }

    /// Name, MTU, MAC and alias, where they differ from those of `from`.
    fn differing(&self, from: &Self, yard: &YardName) -> Vec<LinkAttribute> {
        let mut attributes = Vec::new();
        if self.kernel_name != from.kernel_name {
            attributes.push(LinkAttribute::IfName(self.kernel_name.as_str().to_owned()));
        }
        if let Some(mtu) = self.mtu.filter(|_| self.mtu != from.mtu) {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if let Some(mac) = self.mac.filter(|_| self.mac != from.mac) {
            attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        }
        let mark = Mark::of(yard, self);
        if mark != Mark::of(yard, from) {
            attributes.push(LinkAttribute::IfAlias(mark.alias()));
        }
        attributes
    }

    /// `IFLA_LINKINFO` for each message that the change of its kind's own
    /// settings takes.
    fn kind_changes(&self, from: &Self) -> Vec<Vec<LinkInfo>> {
        let (kind, data) = match (&self.kind, &from.kind) {
            (Kind::Bridge(to), Kind::Bridge(from)) => (InfoKind::Bridge, to.change(from)),
            (Kind::Vxlan(to), Kind::Vxlan(from)) => {
                (InfoKind::Vxlan, to.change(from).into_iter().collect())
            }
            (Kind::Macvlan(to), Kind::Macvlan(from)) => {
                (InfoKind::MacVlan, to.change(from, false).into_iter().collect())
            }
            (Kind::Macvtap(to), Kind::Macvtap(from)) => {
                (InfoKind::MacVtap, to.change(from, true).into_iter().collect())
            }
            (Kind::Ipvlan(to), Kind::Ipvlan(from)) => {
                (InfoKind::IpVlan, to.change(from).into_iter().collect())
            }
            (Kind::Bond(to), Kind::Bond(from)) => {
                (InfoKind::Bond, to.change(from).into_iter().collect())
            }
            _ => return Vec::new(),
        };
        let info = |data| vec![LinkInfo::Kind(kind.clone()), LinkInfo::Data(data)];
        data.into_iter().map(info).collect()
    }

    /// Moves a physical interface, from a socket where it is now and has the
    /// index `now`: into its place, under its name there; its master and the
    /// rest follow by [`Self::configuration`] as [`Made::Bare`].
    pub fn moving(&self, now: u32, target: &Target<'_>) -> Request {
        let name = self.kernel_name.as_str().to_owned();
        let mut message = at(now);
        message.attributes.push(LinkAttribute::IfName(name));
        // In the same message: whatever ends netyard now, `down` finds it there.
        let alias = Mark::of(target.yard, self).alias();
        message.attributes.push(LinkAttribute::IfAlias(alias));
        if let Some(netns) = target.netns {
            message.attributes.push(LinkAttribute::NetNsFd(netns));
            if target.index != 0 {
                message.attributes.push(LinkAttribute::NewIfIndex(target.index.cast_signed()));
            }
        }
        set(message)
    }

    /// Takes the interface away, from a socket in its own namespace. A physical
    /// one loses its marks and goes back to the namespace `home`, under its name
    /// there; `lo` goes down. The other end of a veth goes with it.
    pub fn removal(&self, index: u32, home: Option<RawFd>) -> Vec<Request> {
        match &self.kind {
            Kind::Loopback => vec![set(up(index, false))],
            Kind::Physical(physical) => {
                let mut unmark = up(index, false);
                unmark.attributes.push(LinkAttribute::Controller(0));
                // The codec ends a text with a zero; only no text at all is no alias.
                let no_alias = DefaultNla::new(IFLA_IFALIAS, Vec::new());
                unmark.attributes.push(LinkAttribute::Other(no_alias));
                let mut back = at(index);
                let name = physical.host_name.as_str().to_owned();
                back.attributes.push(LinkAttribute::IfName(name));
                back.attributes.extend(home.map(LinkAttribute::NetNsFd));
                let altname = self.altname(index).map(RouteNetlinkMessage::DelLinkProp);
                let altname = altname.map(|message| Request::new(message, 0));
                altname.into_iter().chain([set(unmark), set(back)]).collect()
            }
            _ => vec![Request::new(RouteNetlinkMessage::DelLink(at(index)), 0)],
        }
    }
}

/// Takes away all interfaces of a yard in the namespace of the socket, at once:
/// one wait for the readers of the kernel's tables instead of one each.
pub fn remove_group(yard: &YardName) -> Request {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(group(yard)));
    Request::new(RouteNetlinkMessage::DelLink(message), 0)
}

/// Asks for all interfaces, without their statistics.
pub fn links() -> Request {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::dump(RouteNetlinkMessage::GetLink(message))
}

fn at(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn up(index: u32, up: bool) -> LinkMessage {
    let mut message = at(index);
    set_up(&mut message, up);
    message
}

fn set_up(message: &mut LinkMessage, up: bool) {
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
}

fn create(message: LinkMessage) -> Request {
    Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn set(message: LinkMessage) -> Request {
    Request::new(RouteNetlinkMessage::SetLink(message), 0)
}

fn port_message(index: u32, options: InfoPortData) -> LinkMessage {
    let mut message = at(index);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(options),
    ]));
    message
}
