//! One file per command; its doc comment is the help.

pub mod check;
pub mod completions;
pub mod init;
pub mod man;
pub mod schema;
