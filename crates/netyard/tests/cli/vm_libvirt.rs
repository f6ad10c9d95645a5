//! Networks that libvirt has to do with. What needs no radio runs beside the guest, with a
//! libvirt of the test's own.

use std::time::Instant;

use crate::libvirtd::{Libvirtd, said};
use crate::vm_container::{machine, sh, succeeds};
use crate::vm_radio::{example, netyard, radios, stations_expect, upstream, yard};

/// The network of [`examples/portable-cloud`], with its access point.
#[test]
#[ignore = "needs the VM tier: radios"]
fn stations_join_a_network_that_libvirt_makes() {
    let _alone = machine();
    let _libvirtd = Libvirtd::of_the_machine();
    let networks = said("net-list --all");
    let links = || sh("ip -br link | cut -d' ' -f1 | grep -v -e '^up' -e '^isp'");
    let phy = radios(3);
    upstream("up0", "192.0.2");
    let before = links();
    let cloud = yard("portable", &example("portable-cloud", &phy));
    netyard(&cloud, "up");
    assert!(said("net-list").contains("vnet0"), "{}", said("net-list --all"));
    let told = said("net-dumpxml vnet0");
    for part in [
        "<port start='1024' end='65535'/>",
        "<bridge name='virbr0' stp='on' delay='0'/>",
        "<range start='172.16.128.0' end='172.16.255.254'/>",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let access = sh("hostapd_cli -p /run/netyard/portable/process/host/hostapd/ctrl status");
    assert!(access.contains("state=ENABLED"), "{access}");
    stations_expect(&cloud, |address| {
        // What tells libvirt of a lease is started when the client has it already.
        let begun = Instant::now();
        while !said("net-dhcp-leases vnet0").contains(address) {
            assert!(begun.elapsed().as_secs() < 60, "{address}: {}", said("net-dhcp-leases vnet0"));
        }
    });
    assert_eq!((said("net-list --all"), links()), (networks, before));
    assert!(!succeeds("pgrep -f '[d]nsmasq.*vnet0'"));
}

/// On this machine.
mod outside {
    use std::fs;

    use crate::alone::alone;
    use crate::libvirtd::{Libvirtd, said, sh, virsh};
    use crate::site::Site;

    /// A network that libvirt makes, a node with an address of its own and one that asks.
    const YARD: &str = "\
yard: portable
networks:
  cloud:
    bridge: virbr0
    prefix: 172.16.0.0/16
    host: { address: 172.16.0.1/16 }
    dhcp: { range: 172.16.128.0-172.16.255.254 }
    dns: { domain: vnet0 }
    uplink: masquerade
    libvirt: { define: vnet0 }
nodes:
  horizon: { interfaces: { eth0: { network: cloud, address: 172.16.0.10/16 } } }
  phone: { interfaces: { eth0: { network: cloud, address: dhcp } } }
firewall: { host: { input: { policy: drop, allow: [icmp, any from cloud] } } }
";

    /// What of the machine must be as before.
    fn machine() -> String {
        sh("ip -br link | cut -d' ' -f1; ls /run/netns || true") + &said("net-list --all")
    }

    /// Somebody outside, in a namespace, by whom the host's routes lead.
    fn outsider(prefix: &str) {
        sh(&format!(
            "ip netns add far; ip link add out type veth peer name far netns far
             ip addr add {prefix}.2/24 dev out; ip link set out up
             ip -n far addr add {prefix}.1/24 dev far; ip -n far link set far up
             ip -n far link set lo up; ip route add default via {prefix}.1"
        ));
    }

    fn outsider_gone() {
        sh("ip link del out; ip netns del far");
    }

    fn fails(site: &Site, line: &str) -> String {
        let output = site.run(line);
        assert!(!output.status.success(), "{line} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn a_network_that_libvirt_makes_carries_the_yards_nodes() {
        let _libvirtd = Libvirtd::start();
        outsider("10.200.7");
        let before = machine();
        let site = Site::new(YARD);
        site.ok("up");
        site.ok("plan --check");
        assert!(said("net-list").contains("vnet0"), "{}", said("net-list --all"));
        let text = said("net-dumpxml vnet0");
        for part in [
            "<forward mode='nat'>",
            "<port start='1024' end='65535'/>",
            "<bridge name='virbr0' stp='off' delay='0'/>",
            "<domain name='vnet0'/>",
            "<ip address='172.16.0.1' prefix='16'>",
            "<range start='172.16.128.0' end='172.16.255.254'/>",
            r#"yard="portable" name="cloud""#,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Its address is a lease of libvirt's, and it reaches its like and the outside.
        let show = "ip -n portable-phone -4 -br addr show eth0 | grep 172.16.";
        let wait = format!("until {show}; do read -rt 0.2 <> <(:) || true; done");
        let address = sh(&format!("timeout 60 bash -c '{wait}'"));
        let third: u32 = address.split("172.16.").nth(1).expect(&address)
            .split('.').next().expect("a number").parse().expect("a number");
        assert!((128..=255).contains(&third), "{address}");
        assert!(said("net-dhcp-leases vnet0").contains("172.16."), "no lease of libvirt's");
        site.ok("exec phone -- ping -c1 -W9 172.16.0.10");
        site.ok("exec phone -- ping -c1 -W9 10.200.7.1");
        // The outside sees the host alone, and gets in nowhere.
        sh("ip -n far route add 172.16.0.0/16 via 10.200.7.2; ! ip netns exec far ping -c1 -W1 172.16.0.10");
        // Where the machine goes to, the network goes along.
        outsider_gone();
        outsider("10.200.8");
        site.ok("exec phone -- ping -c1 -W9 10.200.8.1");
        site.ok("down");
        assert_eq!(machine(), before);
        assert_eq!(said("net-list --all"), "");
        outsider_gone();
    }}

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn what_others_did_to_the_network_is_seen_and_healed() {
        let mut libvirtd = Libvirtd::start();
        let site = Site::new(YARD);
        site.ok("up");
        // Ended, taken away while it runs, changed for the next start.
        let changed = "net-dumpxml vnet0 --inactive | sed 's/172.16.255.254/172.16.200.1/'";
        let with = "net-dumpxml vnet0 --inactive | sed 's,</ip>,</ip><portgroup name=\"x\"/>,'";
        for (does, says) in [
            ("net-destroy vnet0".to_owned(), "libvirt network vnet0"),
            ("net-undefine vnet0".to_owned(), "definition"),
            (format!("{changed} >/run/n.xml; virsh net-define /run/n.xml"), "172.16.200.1"),
            (format!("{with} >/run/n.xml; virsh net-define /run/n.xml"), "portgroup"),
        ] {
            sh(&format!("export LIBVIRT_DEFAULT_URI=qemu:///system; virsh {does}"));
            let plan = site.run("plan --check");
            let text = String::from_utf8_lossy(&plan.stdout).into_owned();
            assert_eq!(plan.status.code(), Some(3), "{does}: {text}");
            assert!(text.contains(says), "{does}: {text}");
            site.ok("up");
            site.ok("plan --check");
            site.ok("exec horizon -- ping -c1 -W9 172.16.0.1");
        }
        // The file's own change: what libvirt takes over when it starts anew.
        site.file(&YARD.replace("172.16.255.254", "172.16.255.7").replace("vnet0 }\n    uplink", "vnet1 }\n    uplink"));
        site.ok("up");
        site.ok("plan --check");
        let text = said("net-dumpxml vnet0");
        assert!(text.contains("172.16.255.7") && text.contains("<domain name='vnet1'/>"), "{text}");
        site.ok("exec horizon -- ping -c1 -W9 172.16.0.1");
        // And what runs goes on while libvirt is started anew.
        libvirtd.end();
        let said_no = fails(&site, "plan");
        assert!(said_no.contains("libvirt does not answer"), "{said_no}");
        libvirtd.resume();
        site.ok("plan --check");
        // With its records lost it is known by its note.
        sh("rm /run/netyard/portable/record.json");
        let plan = site.run("plan").stdout;
        assert!(!String::from_utf8_lossy(&plan).contains("libvirt"));
        site.ok("down");
        assert_eq!(said("net-list --all"), "");
    }}

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn a_command_that_was_killed_is_finished_by_the_next() {
        let _libvirtd = Libvirtd::start();
        let before = machine();
        let site = Site::new(YARD);
        for moment in ["before:0", "after:0", "before:1", "after:1", "after:2", "after:3"] {
            let kill = |line: &str| site.netyard(line).env("NETYARD_KILL", moment).output().expect("the binary");
            kill("up");
            site.ok("down");
            assert_eq!(machine(), before, "up killed {moment}");
            kill("up");
            site.ok("up");
            site.ok("plan --check");
            kill("down");
            site.ok("down");
            assert_eq!(machine(), before, "down killed {moment}");
        }
        // The last part of `down` is libvirt's.
        site.ok("up");
        site.netyard("down").env("NETYARD_KILL", "before:8").output().expect("the binary");
        assert!(said("net-list").contains("vnet0"));
        site.ok("down");
        assert_eq!(machine(), before);
    }}

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn a_strangers_network_is_refused_and_stays_as_it_is() {
        let mut libvirtd = Libvirtd::start();
        let stranger = "<network><name>vnet0</name><bridge name='virbr7'/><ip address='10.77.0.1' netmask='255.255.255.0'/></network>";
        fs::write("/run/stranger.xml", stranger).expect("the test's own /run");
        sh("virsh -c qemu:///system net-define /run/stranger.xml");
        let text = said("net-dumpxml vnet0");
        let before = machine();
        let site = Site::new(YARD);
        let refused = |file: &str, says: &str| {
            site.file(file);
            for line in ["plan", "up"] {
                let output = fails(&site, line);
                assert!(output.contains(says), "{says}: {output}");
            }
        };
        refused(YARD, "libvirt has a network `vnet0` already");
        let other = YARD.replace("define: vnet0", "define: vnet1");
        refused(&other.replace("virbr0", "virbr7"), "libvirt's network `vnet0` has a bridge `virbr7` already");
        refused(&YARD.replace("{ define: vnet0 }", "{ offer: vnet0 }"), "libvirt has a network `vnet0` already");
        // Another yard's is a stranger's, too; and nobody's is taken away by `down`.
        site.file(&other);
        site.ok("up");
        let second = Site::new(other.replace("yard: portable", "yard: second").replace("172.16.", "172.17.").replace("virbr0", "virbr1"));
        let output = fails(&second, "up");
        assert!(output.contains("it is yard `portable`'s"), "{output}");
        site.ok("down");
        assert_eq!((machine(), said("net-dumpxml vnet0")), (before.clone(), text));
        // The machine is where the network's addresses are somebody else's.
        outsider("172.16.3");
        refused(&other, "172.16.0.0/16");
        outsider_gone();
        // Nobody answers.
        libvirtd.end();
        refused(&other, "libvirt does not answer");
        libvirtd.resume();
        assert_eq!(machine(), before);
        virsh("net-undefine vnet0");
    }}

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn what_libvirt_says_is_bounded() {
        // Stands in for virsh, found before it.
        sh("mount -t tmpfs own /usr/local/sbin");
        let virsh = |answer: &str| {
            let script = format!(
                "#!/bin/bash\ncase \"$*\" in\n*net-list*) echo vnet0 ;;\n*) {answer} ;;\nesac\n"
            );
            fs::write("/usr/local/sbin/virsh", script).expect("the test's own directory");
            sh("chmod +x /usr/local/sbin/virsh");
        };
        let before = sh("ip -br link; ls /run/netns || true");
        let site = Site::new(YARD);
        for (answer, says) in [
            ("echo '<!DOCTYPE n [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]><network><name>&b;</name></network>'", "DTD"),
            ("head -c 100000000 /dev/zero | tr '\\0' x", "more than 4 MiB"),
            ("echo '<network><name>vnet0</name>'; for i in $(seq 150000); do echo '<a/>'; done; echo '</network>'", "nodes limit"),
            ("echo '<network><name>vnet0'", "refused"),
            ("echo error: no >&2; exit 1", "virsh says: of network `vnet0`: no"),
        ] {
            virsh(answer);
            for line in ["plan", "up"] {
                let output = fails(&site, line);
                assert!(output.contains("libvirt does not answer") && output.contains(says), "{says}: {output}");
            }
        }
        assert_eq!(sh("ip -br link; ls /run/netns || true"), before);
    }}

    alone! { #[ignore = "needs the VM tier: libvirt"] Machine, fn a_network_of_netyards_is_offered_to_libvirt() {
        let _libvirtd = Libvirtd::start();
        let before = machine();
        let site = Site::new("\
yard: offers
networks:
  lan: { bridge: br-lan, prefix: 10.66.0.0/24, host: true, dhcp: on, libvirt: offer }
nodes: { base: { interfaces: { eth0: { network: lan } } } }
");
        site.ok("up");
        site.ok("plan --check");
        let text = said("net-dumpxml lan");
        assert!(text.contains("<forward mode='bridge'/>") && text.contains("<bridge name='br-lan'/>"), "{text}");
        assert!(said("net-list").contains("lan"));
        // Taken back, it is netyard's alone.
        let without = fs::read_to_string(site.path().join("netyard.yaml")).expect("the file");
        site.file(&without.replace(", libvirt: offer", ""));
        site.ok("up");
        assert_eq!(said("net-list --all"), "");
        site.ok("exec base -- ping -c1 -W9 10.66.0.1");
        site.ok("down");
        assert_eq!(machine(), before);
    }}

    /// A machine of libvirt's and a container on one network.
    fn machines(site: &Site) -> String {
        let (nested, root) = (crate::vm_qemu::nested(), site.path().join("root"));
        format!(
            "\
yard: machines
networks:
  lan:
    bridge: br-lan
    prefix: 10.66.0.0/24
    host: {{ address: 10.66.0.1/24 }}
    dhcp: {{ range: 10.66.0.100-10.66.0.199, static: {{ \"02:00:00:00:66:01\": 10.66.0.7 }} }}
nodes:
  guest:
    vm:
      engine: libvirt
      kernel: {at}/vmlinux
      initrd: {at}/nested.cpio
      append: console=ttyS0 mitigations=off tsc=reliable no_timer_check nokaslr cryptomgr.notests random.trust_cpu=on
      memory: 128
    interfaces: {{ eth0: {{ network: lan, mac: \"02:00:00:00:66:01\" }} }}
  base:
    container: {{ root: {root}, command: [httpd, -f, -p, \"80\", -h, /etc] }}
    interfaces: {{ eth0: {{ network: lan, address: 10.66.0.2/24 }} }}
",
            at = nested.display(),
            root = root.display()
        )
    }

    alone! { #[ignore = "needs the VM tier: libvirt and a kernel to boot"] Machine, fn a_machine_that_libvirt_runs_is_reached_from_a_container() {
        let _libvirtd = Libvirtd::start();
        sh("mount -t cgroup2 own /sys/fs/cgroup");
        let before = machine();
        let site = Site::new("");
        crate::guest::tree(&site.path().join("root"));
        site.file(&machines(&site));
        let running = || said("list --name").trim().to_owned();
        let wait = || {
            let line = format!(
                "cd {} && ./netyard exec base -- sh -c 'for try in $(seq 600); do ping -c1 -W1 10.66.0.7 >/dev/null && exit; done; exit 1'",
                site.path().display()
            );
            sh(&line);
        };
        site.ok("up");
        site.ok("plan --check");
        assert_eq!(running(), "machines-guest");
        assert!(said("dumpxml machines-guest").contains(r#"yard="machines" name="guest""#));
        wait();
        let page = site.ok("exec base -- wget -qO- http://10.66.0.7/");
        assert_eq!(page, "hello from 02:00:00:00:66:01\n");
        // Its button is pressed, and heard.
        site.ok("stop guest");
        assert_eq!((running(), said("list --all --name").trim().to_owned()), (String::new(), String::new()));
        site.ok("start guest");
        wait();
        // Without its watcher no machine goes on; there is another.
        sh("kill -9 $(pgrep -f '^netyard domain')");
        sh("until pgrep -f '^netyard domain' >/dev/null; do :; done");
        sh("timeout 60 sh -c 'until virsh -c qemu:///system domstate machines-guest 2>/dev/null | grep -q running; do :; done'");
        site.ok("plan --check");
        site.ok("down");
        assert_eq!(said("list --all --name").trim(), "");
        assert_eq!(machine(), before);
        assert_eq!(site.processes(), Vec::<std::path::PathBuf>::new());
    }}

    alone! { #[ignore = "needs the VM tier: libvirt and a kernel to boot"] Machine, fn what_is_in_a_machines_way_is_said_before_anything_is_made() {
        let mut libvirtd = Libvirtd::start();
        let site = Site::new("");
        let text = machines(&site).replace("\n  base:", "\n  unused:").split("  unused:").next().expect("a part").to_owned();
        let before = machine();
        let refused = |file: &str, says: &str| {
            site.file(file);
            for line in ["plan", "up"] {
                let output = fails(&site, line);
                assert!(output.contains(says), "{says}: {output}");
            }
            assert_eq!(machine(), before);
        };
        refused(&text.replace("/vmlinux", "/none"), "there is no file `");
        refused(&text.replace("memory: 128", "memory: 128\n      disk: /srv/no-disk.qcow2"), "there is no file `/srv/no-disk.qcow2`");
        refused(&text.replace("    host: { address: 10.66.0.1/24 }\n", "").replace("    bridge: br-lan\n", ""), "libvirt cannot plug a machine into network `lan`");
        fs::write("/run/stranger.xml", "<domain type='qemu'><name>machines-guest</name><memory>65536</memory><os><type>hvm</type></os></domain>").expect("the test's own /run");
        sh("virsh -c qemu:///system define /run/stranger.xml");
        refused(&text, "libvirt has a domain `machines-guest` already");
        assert_eq!(said("list --all --name").trim(), "machines-guest");
        virsh("undefine machines-guest");
        libvirtd.end();
        let links = sh("ip -br link; ls /run/netns || true");
        for line in ["plan", "up"] {
            assert!(fails(&site, line).contains("libvirt does not answer"));
        }
        assert_eq!(sh("ip -br link; ls /run/netns || true"), links);
        libvirtd.resume();
    }}
}
