//! `cargo xtask ci-tools`: what `check` and `vm` call and a bare Debian machine does not have.
//!
//! To need another tool, add a line to [`PACKAGES`] or [`CRATES`].

use crate::Outcome;
use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A Debian package and the program (or file) that shows it is there.
struct Package {
    shown_by: &'static str,
    name: &'static str,
}

const fn package(shown_by: &'static str, name: &'static str) -> Package {
    Package { shown_by, name }
}

const PACKAGES: [Package; 36] = [
    // the tests that run natively
    package("ip", "iproute2"),
    package("ping", "iputils-ping"),
    package("nft", "nftables"),
    package("iptables-nft", "iptables"),
    package("unshare", "util-linux"),
    // the clients and the servers that networks' services are tested with and beside
    package("dnsmasq", "dnsmasq-base"),
    package("udhcpc", "udhcpc"),
    package("dhclient", "isc-dhcp-client"),
    package("dhcpcd", "dhcpcd-base"),
    package("dig", "bind9-dnsutils"),
    package("rdisc6", "ndisc6"),
    package("radvd", "radvd"),
    package("babeld", "babeld"),
    package("bird", "bird2"),
    package("/usr/lib/frr/zebra", "frr"),
    package("nginx", "nginx-light"),
    // containers, and the busybox below is what is in them
    package("systemd-nspawn", "systemd-container"),
    // the tools that images of root file systems are made with
    package("sfdisk", "fdisk"),
    // what verifies units
    package("systemd-analyze", "systemd"),
    // firewalls that doctor is tried on
    package("ufw", "ufw"),
    package("firewalld", "firewalld"),
    package("dbus-daemon", "dbus-daemon"),
    // who may hold an interface
    package("NetworkManager", "network-manager"),
    // networks that libvirt makes
    package("libvirtd", "libvirt-daemon"),
    package("virsh", "libvirt-clients"),
    // the guest's image
    package("mmdebstrap", "mmdebstrap"),
    package("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    package("busybox", "busybox-static"),
    package("cpio", "cpio"),
    package("modprobe", "kmod"),
    package("mke2fs", "e2fsprogs"),
    package("xz", "xz-utils"),
    package("zstd", "zstd"),
    // the guest itself
    package("setpriv", "util-linux"),
    package(QEMU, "qemu-system-x86"),
    package("qemu-img", "qemu-utils"),
];

const QEMU: &str = "qemu-system-x86_64";

/// Programs that are crates: command, crate, version. Built without optimisation: compiling is
/// what takes the time here, not running.
const CRATES: [(&str, &str, &str); 2] =
    [("just", "just", "1.59.0"), ("cargo-deny", "cargo-deny", "0.20.2")];

/// Installs what is missing and nothing else.
///
/// # Errors
/// When something is missing and cannot be installed: not root, no apt, no network.
pub fn install(root: &Path) -> Outcome {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|tool| !is_there(tool.shown_by)).collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
        println!("ci-tools: packages: {}", names.join(" "));
        require_apt(&names)?;
        install_packages(root, &names)?;
    }
    for (command, name, version) in CRATES {
        if !is_there(command) {
            println!("ci-tools: {name} {version}");
            install_crate(name, version)?;
        }
    }
    if let Some(tool) = PACKAGES.iter().find(|tool| !is_there(tool.shown_by)) {
        return Err(format!("`{}` is still missing after the installation", tool.shown_by).into());
    }
    println!("ci-tools: everything is there");
    Ok(ExitCode::SUCCESS)
}

/// A file by its path, a program by its name in PATH or where Debian keeps root's programs.
fn is_there(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .chain(cargo)
        .any(|directory| directory.join(name).exists())
}

fn require_apt(names: &[&str]) -> Result<(), String> {
    let list = names.join(" ");
    if !is_there("apt-get") {
        return Err(format!("install what these Debian packages hold: {list}"));
    }
    let id = Command::new("id").arg("-u").output().map_err(|error| error.to_string())?;
    if id.stdout.trim_ascii() != b"0" {
        return Err(format!("not root; run: sudo apt-get install --no-install-recommends {list}"));
    }
    Ok(())
}

fn install_packages(root: &Path, names: &[&str]) -> Result<(), Box<dyn Error>> {
    apt(&[], &["update", "-q"])?;
    let (qemu, rest): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| name.starts_with("qemu"));
    if !rest.is_empty() {
        apt(&[], &install_arguments(&rest))?;
    }
    if qemu.is_empty() {
        return Ok(());
    }
    // The parts of QEMU must be of one version: where some came from backports, the rest must.
    if version_of("qemu-utils").is_some_and(|version| version.contains("~bpo")) {
        install_from_backports(root, &qemu)
    } else {
        Ok(apt(&[], &install_arguments(&qemu))?)
    }
}

fn install_arguments<'a>(names: &[&'a str]) -> Vec<&'a str> {
    [&["install", "-y", "-q", "--no-install-recommends"], names].concat()
}

fn version_of(package: &str) -> Option<String> {
    let arguments = ["--show", "--showformat", "${Version}", package];
    let output = Command::new("dpkg-query").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Uses the backports of the archive that apt has already, from a configuration of its own: the
/// machine's list of sources stays as it is.
fn install_from_backports(root: &Path, names: &[&str]) -> Result<(), Box<dyn Error>> {
    let (mirror, codename) = debian_archive()?;
    let suite = format!("{codename}-backports");
    let directory = root.join("target/apt");
    let parts = directory.join("sources.list.d");
    let lists = directory.join("lists");
    for path in [&parts, &lists.join("partial")] {
        fs::create_dir_all(path)?;
    }
    copy_sources(Path::new("/etc/apt"), &parts)?;
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = format!("deb [signed-by={keyring}] {mirror} {suite} main\n");
    fs::write(parts.join("netyard-backports.list"), line)?;
    // apt reads and downloads as a user of its own, who may not see below our directory.
    let options = [
        "Dir::Etc::SourceList=/dev/null".to_owned(),
        format!("Dir::Etc::SourceParts={}", parts.display()),
        format!("Dir::State::Lists={}", lists.display()),
        "APT::Sandbox::User=root".to_owned(),
    ];
    apt(&options, &["update", "-q"])?;
    let mut arguments = install_arguments(names);
    arguments.extend(["-t", &suite]);
    apt(&options, &arguments)?;
    Ok(fs::remove_dir_all(directory)?)
}

fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    let single = from.join("sources.list");
    if single.exists() {
        fs::copy(single, to.join("sources.list.list"))?;
    }
    for entry in fs::read_dir(from.join("sources.list.d"))? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy)?;
        fs::set_permissions(copy, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The address and the release of the Debian archive that apt uses here.
fn debian_archive() -> Result<(String, String), Box<dyn Error>> {
    let format = "$(LABEL)|$(REPO_URI)|$(CODENAME)";
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", format, "Created-By: Packages"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let archive = text.lines().find_map(|line| {
        let (uri, codename) = line.strip_prefix("Debian|")?.split_once('|')?;
        Some((uri.to_owned(), codename.split('-').next()?.to_owned()))
    });
    archive.ok_or_else(|| "apt on this machine has no Debian archive configured".into())
}

fn apt(options: &[String], arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    for option in options {
        command.arg("-o").arg(option);
    }
    succeed(command.args(arguments).stdout(Stdio::null()))
}

fn install_crate(name: &str, version: &str) -> io::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["install", "--quiet", "--locked", "--debug", "--version", version, name]);
    succeed(command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "0"))
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?} failed: {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_seen_as_missing() {
        assert!(is_there("sh"));
        assert!(is_there("/etc/passwd"));
        assert!(!is_there("no-program-has-this-name"));
    }
}
