//! How much netyard takes from a file before it says no: bounds on memory and
//! time for a file made in error or malice, far above what a yard needs.

/// Bytes of one source text.
pub const SOURCE: usize = 16 << 20;
/// Source texts, includes and all.
pub const SOURCES: usize = 256;
/// How deep values are nested.
pub const DEPTH: usize = 64;
/// Values in all sources, aliases counted in full, and after expansion.
pub const VALUES: usize = 2_000_000;
/// Entries made by ranges and loops.
pub const ITEMS: usize = 200_000;
/// Bytes of one text after its variables are put in.
pub const TEXT: usize = 64 << 10;
/// Bytes of all texts made by putting variables in.
pub const TEXTS: usize = 64 << 20;
/// How deep parentheses of an expression are nested.
pub const PARENTHESES: usize = 32;
/// Diagnostics that are kept.
pub const DIAGNOSTICS: usize = 1_000;
