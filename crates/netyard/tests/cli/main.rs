//! The binary as a user meets it: stdout, stderr and exit codes.
//!
//! Tests that touch the kernel run in a fresh user, network and mount namespace
//! of their own (`yard` module), so that they need no root and leave nothing.

mod adopt;
mod alone;
mod bad_input;
mod bad_serving;
mod boot;
mod command;
mod container;
mod delegated;
mod doctor;
mod dynamic;
mod examples;
mod expect;
mod explain;
mod explain_ends;
mod export;
mod exposition;
mod firmware;
mod guest;
mod hostile;
mod import;
mod libvirtd;
mod metrics;
mod need;
mod networkmanager;
mod pure;
mod raw;
mod readme;
mod recover;
mod routing;
mod serve;
mod serve6;
mod service;
mod sight;
mod site;
mod ui;
mod uplink;
mod vm_adopt;
mod vm_boot;
mod vm_consumer;
mod vm_container;
mod vm_container_boot;
mod vm_explain;
mod vm_export;
mod vm_freifunk;
mod vm_libvirt;
mod vm_qemu;
mod vm_radio;
mod vm_routing;
mod vm_systemd;
mod vm_wireguard;
mod vm_yard;
mod wireguard;
mod yard;

use std::path::{Path, PathBuf};

use snapbox::cmd::Command;
use tempfile::TempDir;

/// The binary under test, without colours and without what the caller's
/// environment would change.
fn netyard() -> Command {
    Command::new(env!("CARGO_BIN_EXE_netyard"))
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("COLUMNS", "100")
}

/// An empty directory that goes when the test ends.
fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Writes the yard's file into `dir`.
fn write_yard(dir: &Path, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join("netyard.yaml");
    std::fs::write(&path, text).expect("writing into a temporary directory");
    path
}

/// The repository's root.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}
