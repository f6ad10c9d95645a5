//! The command line of netyard.
fn main() {}
