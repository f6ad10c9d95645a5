//! Virtual machines as nodes, by plain QEMU. The machine is small: a kernel and a busybox,
//! which the VM tier's image has in `/srv/nested` (`vm/build-image.sh` leaves them beside it).

use std::path::PathBuf;

use crate::alone::alone;
use crate::repository;
use crate::site::Site;

/// Where the small machine's kernel and file system are.
pub fn nested() -> PathBuf {
    let places = [PathBuf::from("/srv/nested"), repository().join("target/vm")];
    let found = places.into_iter().find(|place| place.join("nested.cpio").exists());
    found.expect("the VM tier's image: `sudo vm/build-image.sh target/vm`")
}

/// A machine and a container's stand-in on one network, which gives addresses.
fn yard(more: &str) -> String {
    let nested = nested();
    let at = nested.display();
    format!(
        "\
yard: machines
networks: {{ lan: {{ prefix: 10.66.0.0/24, dhcp: {{ range: 10.66.0.100-10.66.0.199, static: {{ \"02:00:00:00:66:01\": 10.66.0.7 }} }} }} }}
nodes:
  guest:
    vm:
      kernel: {at}/vmlinux
      initrd: {at}/nested.cpio
      append: console=ttyS0 mitigations=off tsc=reliable no_timer_check nokaslr cryptomgr.notests random.trust_cpu=on
      memory: 128
    interfaces: {{ eth0: {{ network: lan, mac: \"02:00:00:00:66:01\" }} }}
  base: {{ interfaces: {{ eth0: {{ network: lan, address: 10.66.0.2/24 }} }} }}
{more}"
    )
}

/// Asks again until the machine has booted: emulated, that takes its time.
const BOOTED: &str = "exec base -- sh -c 'for try in $(seq 600); do ping -c1 -W1 10.66.0.7 >/dev/null && exit; done; exit 1'";

fn ok(site: &Site, arguments: &str) -> String {
    let line = format!("cd {} && ./netyard {arguments}", site.path().display());
    let output = std::process::Command::new("bash").args(["-ec", &line]).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The process that watches over the machine.
fn watcher(site: &Site) -> String {
    let watches = |path: &PathBuf| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).starts_with("netyard\0machine\0")
    };
    let found = site.processes().into_iter().find(watches).expect("a watcher");
    found.file_name().expect("a number").to_string_lossy().into_owned()
}

/// Processes of QEMU that belong to nobody else: their command line has the site's path.
fn machines() -> usize {
    let own = |path: PathBuf| {
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        words.starts_with("/usr/bin/qemu-system") && words.contains("/run/netyard/machines/")
    };
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter(|entry| own(entry.path())).count()
}

/// On this machine, of which the VM tier's image is made: in the guest, where emulation is
/// emulated, it was never seen to boot in time.
mod outside {
    use super::*;

    alone! { #[ignore = "needs the VM tier: a kernel to boot"] Machine, fn a_machine_boots_is_reached_and_powers_off() {
        let site = Site::new(yard(""));
        ok(&site, "up");
        ok(&site, "plan --check");
        assert_eq!(machines(), 1);
        ok(&site, BOOTED);
        let page = ok(&site, "exec base -- busybox wget -qO- http://10.66.0.7/");
        assert_eq!(page, "hello from 02:00:00:00:66:01\n");
        let log = ok(&site, "logs guest vm");
        assert!(log.contains("nested: ready"), "{log}");
        // The button is pressed, and heard: what is told to end powers off, and stays so.
        let number = watcher(&site);
        ok(&site, &format!("list >/dev/null; kill {number}; tail -f --pid={number} /dev/null"));
        let log = ok(&site, "logs guest vm");
        assert!(log.contains("Power down") && !log.contains("cut off"), "{log}");
        assert_eq!(machines(), 0);
        ok(&site, "restart guest vm");
        assert_eq!(machines(), 1);
        // Without its watcher no machine goes on; there is another.
        let number = watcher(&site);
        ok(&site, &format!("list >/dev/null; kill -9 {number}"));
        ok(&site, BOOTED);
        assert_eq!(machines(), 1);
        ok(&site, "stop guest");
        assert_eq!(machines(), 0);
        ok(&site, "start guest");
        ok(&site, "down");
        assert_eq!(machines(), 0);
        assert_eq!(site.processes(), Vec::<PathBuf>::new());
    }}
}

alone! { #[ignore = "needs the VM tier: a kernel to boot"] Machine, fn what_a_machine_lacks_is_said_before_anything_is_made() {
    let site = Site::new(yard(""));
    for (from, to, says) in [
        ("/vmlinux", "/no-kernel", "there is no file `"),
        ("memory: 128", "memory: 128\n      disk: /srv/no-disk.qcow2", "there is no file `/srv/no-disk.qcow2`"),
    ] {
        site.file(&yard("").replace(from, to));
        for line in ["plan", "up"] {
            let output = site.run(line);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains(says), "{said}");
        }
    }
    assert!(!std::path::Path::new("/run/netns/machines-guest").exists());
}}
