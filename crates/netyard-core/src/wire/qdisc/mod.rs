//! Impairments over netlink: the root qdisc of the interface that sends.
//!
//! A rate alone becomes a token bucket ([`tbf`]), which every kernel with
//! traffic control has; everything else becomes [`netem`], its rate included.
//! Which of the two it is, is a function of the impairment alone.
//!
//! A qdisc has no protocol number; its handle is the mark. The two kinds have
//! different handles, so that one takes the other's place in one step: the
//! kernel refuses another kind under the same handle (net/sched/sch_api.c).
//!
//! ## The kernel's units
//! Times are 64-bit nanoseconds where the attribute has them; the older 32-bit
//! fields count "ticks" of 64 ns (`PSCHED_SHIFT` 6, net/pkt_sched.h), whatever
//! `/proc/net/psched` makes of it. Probabilities are fractions of 2³²-1.
//! Rates are bytes per second.

mod netem;
mod tbf;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::attribute::text;
use super::{Names, Request, UnknownInterface, attributes, u32_of};
use crate::state::{Impairment, InterfaceId, Place, Qdisc};

/// Every qdisc kind netyard uses, as in `TCA_KIND`, with the kernel option that
/// brings it.
pub const KERNEL_OPTIONS: &[(&str, &str)] =
    &[("netem", "CONFIG_NET_SCH_NETEM"), ("tbf", "CONFIG_NET_SCH_TBF")];

/// What a link carries unless it says otherwise, in bytes.
pub const USUAL_MTU: u32 = 1500;

// linux/rtnetlink.h, linux/pkt_sched.h
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TC_H_ROOT: u32 = u32::MAX;
const HEADER: usize = 20; // struct tcmsg
/// "NY" and "NZ".
const NETEM_MAJOR: u16 = 0x4e59;
const TBF_MAJOR: u16 = 0x4e5a;
/// A full Ethernet frame, in bytes.
const FULL_FRAME: u64 = 1514;
/// How long a rate may make a full frame of its queue wait: the queue of an
/// ordinary access router, not the seconds that a fixed thousand packets are.
const QUEUE_MS: u64 = 100;

impl Impairment {
    /// The same as the kernel keeps it, so that what is read back equals what
    /// was written: the rate in whole bytes, and a limit that is netyard's own
    /// choice left to netyard.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if self.rate > 0 {
            self.rate = self.rate.max(8) & !7;
        }
        let open = Self { limit: 0, ..self };
        if self.queue() == open.queue() {
            self.limit = 0;
        }
        self
    }

    /// The kind of qdisc it takes, as in `TCA_KIND`.
    pub fn qdisc(&self) -> &'static str {
        if self.is_rate_only() { tbf::KIND } else { netem::KIND }
    }

    fn is_rate_only(&self) -> bool {
        self.rate > 0 && *self == Self { rate: self.rate, limit: self.limit, ..Self::default() }
    }

    fn bytes_per_second(&self) -> u64 {
        if self.rate > 0 { (self.rate / 8).max(1) } else { 0 }
    }

    /// The limit as the kernel has it: bytes in a token bucket, packets in netem.
    pub(crate) fn queue(&self) -> u32 {
        if self.is_rate_only() { tbf::limit(self) } else { netem::limit(self) }
    }

    /// What a token bucket of this rate sends at once, in bytes, on an interface of that
    /// MTU in bytes.
    pub(crate) fn bucket(&self, mtu: u32) -> u32 {
        tbf::burst(self.bytes_per_second(), mtu)
    }
}

/// Asks for the qdiscs of all interfaces.
pub fn dump() -> Request {
    Request::dump(RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default()))
}

/// Reads an `RTM_NEWQDISC` message without its netlink header; none where it is
/// not netyard's.
pub fn read(place: &Place, names: &Names, message: &[u8]) -> Option<Qdisc> {
    let header = message.get(..HEADER)?;
    let (index, handle, parent) =
        (u32_of(&header[4..])?, u32_of(&header[8..])?, u32_of(&header[12..])?);
    if parent != TC_H_ROOT {
        return None;
    }
    let (mut kind, mut options) = ("", &[][..]);
    for (attribute, value) in attributes(&message[HEADER..]) {
        match attribute {
            TCA_KIND => kind = text(value)?,
            TCA_OPTIONS => options = value,
            _ => {}
        }
    }
    let impairment = match ((handle >> 16) as u16, kind) {
        (NETEM_MAJOR, netem::KIND) => netem::read(options)?,
        (TBF_MAJOR, tbf::KIND) => tbf::read(options)?,
        _ => return None,
    };
    let interface = InterfaceId { place: place.clone(), name: names.full(index)?.clone() };
    Some(Qdisc { interface, impairment: impairment.settled() })
}

impl Qdisc {
    /// Puts it on an interface of that MTU in bytes; a token bucket must hold a
    /// whole packet. Where the MTU grows later, this has to be sent again, as
    /// [`Self::change`]. A qdisc that is there and not netyard's is in the way.
    pub fn add(&self, mtu: u32, names: &Names) -> Result<Request, UnknownInterface> {
        self.request(mtu, names, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Changes the interface's impairment into this one, whatever it is, without
    /// a moment in which there is none.
    pub fn change(&self, mtu: u32, names: &Names) -> Result<Request, UnknownInterface> {
        self.request(mtu, names, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes it away; the kernel's default comes back.
    pub fn remove(&self, names: &Names) -> Result<Request, UnknownInterface> {
        Ok(Request::new(RouteNetlinkMessage::DelQueueDiscipline(self.head(names)?), 0))
    }

    fn request(&self, mtu: u32, names: &Names, flags: u16) -> Result<Request, UnknownInterface> {
        let impairment = self.impairment.settled();
        let options = if impairment.is_rate_only() {
            tbf::options(&impairment, mtu)
        } else {
            netem::options(&impairment)
        };
        let mut message = self.head(names)?;
        message.attributes = vec![
            TcAttribute::Kind(impairment.qdisc().to_owned()),
            TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)),
        ];
        Ok(Request::new(RouteNetlinkMessage::NewQueueDiscipline(message), flags))
    }

    fn head(&self, names: &Names) -> Result<TcMessage, UnknownInterface> {
        let rate_only = self.impairment.settled().is_rate_only();
        let major = if rate_only { TBF_MAJOR } else { NETEM_MAJOR };
        let index = names.index(&self.interface.name)?;
        let mut message = TcMessage::with_index(index.cast_signed());
        message.header.parent = TcHandle::ROOT;
        message.header.handle = TcHandle { major, minor: 0 };
        Ok(message)
    }
}

/// Appends an attribute; its value must have a multiple of four bytes.
fn push(options: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (value.len() + 4) as u16;
    options.extend(length.to_ne_bytes());
    options.extend(kind.to_ne_bytes());
    options.extend(value);
}

/// As much of a number as 32 bits hold.
fn saturate(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
