//! ICMPv6: solicitations and advertisements of routers.
#![no_main]

#[allow(dead_code)] // each program has one of the targets
#[path = "../../crates/netyard-core/tests/fuzz/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::icmp6(input));
