//! DNS, as questions and as answers of those who are asked.
#![no_main]

#[allow(dead_code)] // each program has one of the targets
#[path = "../../crates/netyard-core/tests/fuzz/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // A resolver remembers: each input meets a new one, so that it fails alone.
    let (mut resolver, mut clock) = (target::resolver(), 1);
    target::dns(&mut resolver, &mut clock, input);
});
