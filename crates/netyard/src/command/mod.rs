//! One file per command; its doc comment is the help.

pub mod check;
pub mod client;
pub mod complete;
pub mod completions;
pub mod doctor;
pub mod down;
pub mod exec;
pub mod explain;
pub mod import;
pub mod init;
pub mod keeper;
pub mod leases;
pub mod list;
pub mod man;
pub mod metrics;
pub mod plan;
pub mod publish;
pub mod schema;
pub mod serve;
pub mod set;
pub mod shell;
pub mod status;
pub mod test;
pub mod unpublish;
pub mod up;
