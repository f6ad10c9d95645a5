//! The pure part of netyard: text becomes a [`spec::Spec`], a [`yard::Yard`], a
//! [`state::State`] and, against an observed State, a [`plan::Plan`].
//!
//! No IO, clock, environment, process or randomness here: the same input gives
//! the same bytes out. The only failures are diagnostics ([`diag::Report`]).

pub mod addr;
pub mod adopt;
pub mod air;
pub mod boot;
pub mod check;
pub mod container;
pub mod diag;
pub mod draft;
pub mod expect;
pub mod explain;
pub mod export;
pub mod facts;
pub mod fake;
pub mod firewall;
pub mod image;
pub mod import;
pub mod interface;
pub mod key;
pub mod libvirt;
pub mod metric;
pub mod name;
pub mod nft;
pub mod plan;
pub mod service;
pub mod shape;
pub mod spec;
pub mod state;
pub mod vm;
pub mod wire;
pub mod yard;
