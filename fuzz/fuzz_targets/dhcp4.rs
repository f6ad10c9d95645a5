//! DHCPv4, to a server and to a client.
#![no_main]

#[allow(dead_code)] // each program has one of the targets
#[path = "../../crates/netyard-core/tests/fuzz/target.rs"]
mod target;

use std::sync::Mutex;

static POOL: Mutex<Option<netyard_core::service::dhcp4::Pool>> = Mutex::new(None);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut pool = POOL.lock().expect("one thread");
    target::dhcp4(pool.get_or_insert_with(target::pool), input);
});
