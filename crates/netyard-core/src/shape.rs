//! Shapes: the tables that say what a mapping of the file may hold.
//!
//! One table drives everything that must agree: the parser (unknown keys, wrong
//! types, ranges), the JSON schema, the reference page and completion. A kind's
//! file holds its own [`Shape`] and turns the checked [`Record`] into its
//! struct.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::addr::Mac;
use crate::diag::{Report, Span, Spanned};

/// What a mapping may hold.
#[derive(Debug)]
pub struct Shape {
    /// What the mapping is called in messages and in the schema: `vlan`.
    pub name: &'static str,
    /// One sentence; shown by editors and in the reference.
    pub doc: &'static str,
    /// Its keys, in the order in which the reference shows them.
    pub fields: &'static [Field],
    /// Shapes whose keys it may hold too.
    pub also: &'static [&'static Shape],
}

impl Shape {
    /// All keys it may hold: its own, then those of the shapes in `also`.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().chain(self.also.iter().flat_map(|shape| shape.fields))
    }
}

/// One key of a mapping.
#[derive(Debug)]
pub struct Field {
    /// As written in the file, kebab-case.
    pub key: &'static str,
    /// What its value may be.
    pub ty: Type,
    /// One sentence, with unit and default.
    pub doc: &'static str,
    /// True when the mapping makes no sense without it.
    pub required: bool,
}

impl Field {
    /// A key that may be left out.
    pub const fn new(key: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { key, ty, doc, required: false }
    }

    /// A key that must be there.
    pub const fn required(key: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { key, ty, doc, required: true }
    }
}

/// What a value may be.
#[derive(Debug)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number between both ends, inclusive.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A whole number between both ends, or several: `20-29`; in the Record, the ends.
    Range {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Any text; a number or truth value is taken as its text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A time: `20ms`, `1.5s`, `250us`; in the Record, nanoseconds.
    Duration,
    /// `0.5%` or a number from 0 to 100; in the Record, parts per million.
    Percent,
    /// `100mbit`, `1gbit`, `64kbit`, `12MBps`: in the Record, bits per second.
    Rate,
    /// A MAC address.
    Mac,
    /// An address without a prefix length.
    Ip,
    /// An address with a prefix length: `10.0.0.1/24`.
    Cidr,
    /// A network: `10.0.0.0/24`, host bits zero.
    Prefix,
    /// `node:interface`.
    Endpoint,
    /// A list.
    List(&'static Type),
    /// A list, or one value that stands for a list of one.
    OneOrMore(&'static Type),
    /// A mapping of free keys (names) to values of one type.
    Map(&'static Type),
    /// Settings: keys with dots or slashes, or mappings within mappings; in the
    /// Record, a map of whole keys to texts, `true` and `false` as 1 and 0.
    Settings,
    /// A mapping of a shape of its own.
    Record(&'static Shape),
    /// The first of these that fits.
    Either(&'static [Type]),
    /// A mapping whose shape depends on its key `kind`: an interface.
    Interface,
    /// A mapping whose shape depends on the name it has: a service.
    Service,
}

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// From [`Type::Bool`].
    Bool(bool),
    /// From [`Type::Int`].
    Int(i64),
    /// From [`Type::Range`]: least and greatest.
    Range(i64, i64),
    /// From [`Type::Text`], [`Type::Word`] and [`Type::Endpoint`].
    Text(String),
    /// Nanoseconds, from [`Type::Duration`].
    Duration(u64),
    /// Parts per million, from [`Type::Percent`].
    Percent(u32),
    /// Bits per second, from [`Type::Rate`].
    Rate(u64),
    /// From [`Type::Mac`].
    Mac(Mac),
    /// From [`Type::Ip`].
    Ip(IpAddr),
    /// From [`Type::Cidr`] and [`Type::Prefix`].
    Net(IpNet),
    /// From [`Type::List`] and [`Type::OneOrMore`].
    List(Vec<Spanned<Value>>),
    /// From [`Type::Map`] and [`Type::Settings`]: keys in the order of the file.
    Map(Vec<(Spanned<String>, Spanned<Value>)>),
    /// From [`Type::Record`], [`Type::Interface`] and [`Type::Service`].
    Record(Record),
}

/// Stands in [`Record::failed`] for the keys that nobody knows.
pub const UNKNOWN: &str = "";

/// A mapping that fits its [`Shape`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The place of the whole mapping.
    pub span: Span,
    /// The values by key; keys of the shape only.
    pub values: BTreeMap<&'static str, Spanned<Value>>,
    /// Keys that were written and whose values, or parts of them, did not fit.
    pub failed: Vec<&'static str>,
}

macro_rules! getter {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $ty:ty) => {
        $(#[$doc])*
        pub fn $name(&self, key: &str) -> Option<Spanned<$ty>> {
            match self.values.get(key) {
                Some(Spanned { value: Value::$variant(v), span }) => {
                    Some(Spanned::new(v.clone().into(), *span))
                }
                _ => None,
            }
        }
    };
}

impl Record {
    /// True when the key was written, or filled in, be its value right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key) || self.failed.contains(&key)
    }

    /// The place of a key's value.
    pub fn place(&self, key: &str) -> Option<Span> {
        self.values.get(key).map(|v| v.span)
    }

    getter!(/// The value of a [`Type::Bool`] key.
        bool, Bool, bool);
    getter!(/// The value of a [`Type::Int`] key.
        int, Int, i64);
    getter!(/// The value of a [`Type::Text`], [`Type::Word`] or [`Type::Endpoint`] key.
        text, Text, String);
    getter!(/// The value of a [`Type::Duration`] key, in nanoseconds.
        duration, Duration, u64);
    getter!(/// The value of a [`Type::Percent`] key, in parts per million.
        percent, Percent, u32);
    getter!(/// The value of a [`Type::Rate`] key, in bits per second.
        rate, Rate, u64);
    getter!(/// The value of a [`Type::Mac`] key.
        mac, Mac, Mac);
    getter!(/// The value of a [`Type::Ip`] key.
        ip, Ip, IpAddr);
    getter!(/// The value of a [`Type::Cidr`] or [`Type::Prefix`] key.
        net, Net, IpNet);
    getter!(/// The value of a [`Type::Record`] key.
        record, Record, Record);

    /// The values of a [`Type::List`] or [`Type::OneOrMore`] key; empty when absent.
    pub fn list(&self, key: &str) -> &[Spanned<Value>] {
        match self.values.get(key) {
            Some(Spanned { value: Value::List(list), .. }) => list,
            _ => &[],
        }
    }

    /// The entries of a [`Type::Map`] or [`Type::Settings`] key; empty when absent.
    pub fn map(&self, key: &str) -> &[(Spanned<String>, Spanned<Value>)] {
        match self.values.get(key) {
            Some(Spanned { value: Value::Map(map), .. }) => map,
            _ => &[],
        }
    }

    /// The number of an [`Type::Int`] key as another integer type, which the
    /// key's range in its [`Shape`] must fit.
    pub fn number<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        self.int(key).and_then(|n| T::try_from(n.value).ok())
    }

    /// The same with its place.
    pub fn spanned_number<T: TryFrom<i64>>(&self, key: &str) -> Option<Spanned<T>> {
        let n = self.int(key)?;
        Some(Spanned::new(T::try_from(n.value).ok()?, n.span))
    }

    /// A [`Type::Duration`] key in whole milliseconds; outside `min` to `max`
    /// it is reported.
    pub fn milliseconds(&self, key: &str, min: u64, max: u64, report: &mut Report) -> Option<u32> {
        let time = self.duration(key)?;
        let ms = time.value / 1_000_000;
        if !(min..=max).contains(&ms) || time.value % 1_000_000 != 0 {
            let text = |ms: u64| match ms % 1000 {
                0 => format!("{}s", ms / 1000),
                _ => format!("{ms}ms"),
            };
            let (min, max) = (text(min), text(max));
            report.push(crate::diag::shape::time_out_of_range(key, time.span, &min, &max));
            return None;
        }
        u32::try_from(ms).ok()
    }
}
