//! The benchmark of netyard.
fn main() {}
