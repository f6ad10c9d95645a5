//! The only crate that touches the world.
