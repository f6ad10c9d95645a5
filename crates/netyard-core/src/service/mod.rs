//! Services: what runs in a yard for its networks and nodes.
//!
//! One file for each service. What is pure of it is here: how the file says it,
//! what a server is told ([`served`]), and what it answers, packet by packet
//! ([`dhcp4`]), with the time as an argument. Sockets are in
//! `netyard-linux`.

pub mod dhcp4;
pub mod lease;
pub mod served;
