//! What people built by hand becomes a yard, and no packet is lost.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::alone::alone;
use crate::sight::{differences, is_settled, out, seen, seen_when};
use crate::site::Site;

/// Two nodes at a bridge of the host's, a cable between them, a router, NAT: by hand.
const BY_HAND: &str = "
    ip link add br0 type bridge; ip address add 10.9.0.254/24 brd + dev br0
    ip address add fd09::fe/64 dev br0 nodad; ip link set br0 up; ip link set lo up
    n=0; for node in a b; do n=$((n+1))
      ip netns add $node; ip -n $node link set lo up
      ip link add veth-$node type veth peer name eth0 netns $node
      ip link set veth-$node master br0 up; ip -n $node link set eth0 up
      ip -n $node address add 10.9.0.$n/24 brd + dev eth0
      ip -n $node address add fd09::$n/64 dev eth0 nodad
      ip -n $node route add default via 10.9.0.254
      ip -n $node -6 route add default via fd09::fe
    done
    ip -n a link add x type veth peer name y netns b
    ip -n a link set x mtu 1400 up; ip -n b link set y mtu 1400 up
    ip -n a address add 10.9.1.0/31 dev x; ip -n b address add 10.9.1.1/31 dev y
    ip netns exec b sysctl -qw net.ipv4.ip_forward=1
    ip -n a route add 10.77.0.0/16 via 10.9.1.1 metric 50
    ip -n b route add unreachable 10.88.0.0/16
    mkdir -p /run/utsns; touch /run/utsns/b; unshare --uts=/run/utsns/b hostname b-box
    sysctl -qw net.ipv4.ip_forward=1
    nft add table ip nat; nft 'add chain ip nat post { type nat hook postrouting priority 100; }'
    nft add rule ip nat post ip saddr 10.9.0.0/24 oifname eth9 masquerade
";

/// Pings every 20 ms while something is done; gives the numbers of those that were lost.
/// What is on its way when it ends is not counted.
pub fn lost_during(from: &str, to: &str, work: impl FnOnce()) -> Vec<u32> {
    let said = tempfile::NamedTempFile::new().expect("a file");
    let count = || -> Vec<u32> {
        let text = std::fs::read_to_string(said.path()).expect("text");
        let numbers = text.lines().filter_map(|line| {
            let number = line.split_once("icmp_seq=")?.1.split(' ').next()?;
            line.contains("bytes from").then_some(number)?.parse().ok()
        });
        numbers.collect()
    };
    let answers = |least: usize| {
        let end = Instant::now() + Duration::from_secs(60);
        while count().len() < least {
            assert!(Instant::now() < end, "{from} to {to}: no answers");
            out("sleep 0.1");
        }
    };
    // Each line is written as it comes: to a pipe that is not read, ping would wait.
    let mut ping = Command::new("stdbuf")
        .args(["-oL", "ip", "netns", "exec", from, "ping", "-n", "-i", "0.02", to])
        .stdout(said.reopen().expect("a file"))
        .spawn()
        .expect("ping");
    answers(5);
    work();
    answers(count().len() + 5);
    // SAFETY: a system call with two numbers; the process is this test's child.
    unsafe { libc::kill(ping.id().cast_signed(), libc::SIGINT) };
    ping.wait().expect("ping's end");
    let came = count();
    let last = came.iter().copied().max().unwrap_or_default();
    (1..last).filter(|number| !came.contains(number)).collect()
}

alone! { Root, fn what_was_built_by_hand_is_taken_over_and_no_packet_is_lost() {
    out(BY_HAND);
    let before = seen_when(is_settled);
    let site = Site::new("yard: empty\n");
    let said = site.run("adopt --yard mine -o mine.yaml");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("`netyard up --adopt -f mine.yaml` takes it over"), "{said}");
    let text = std::fs::read_to_string(site.path().join("mine.yaml")).expect("a file");
    // Without it, what is there is in the way.
    assert!(!site.run("up -f mine.yaml").status.success(), "{text}");
    assert!(differences(&before, &seen(), &[]).is_empty());
    let lost = lost_during("a", "10.9.0.2", || {
        let lost = lost_during("b", "fd09::1", || {
            let lost = lost_during("a", "10.9.1.1", || drop(site.ok("up --adopt -f mine.yaml")));
            assert!(lost.is_empty(), "over the cable: {lost:?}");
        });
        assert!(lost.is_empty(), "IPv6: {lost:?}");
    });
    assert!(lost.is_empty(), "over the bridge: {lost:?}");
    site.ok("plan --check -f mine.yaml");
    let after = seen_when(|all| differences(&before, all, &["mine.fabric"]).is_empty());
    let differs = differences(&before, &after, &["mine.fabric"]);
    assert!(differs.is_empty(), "{differs:#?}\n{text}");
    // It is the yard's from now on: it changes, and goes.
    let changed = text.replace("10.9.1.0/31", "10.9.1.2/31").replace("10.9.1.1/31", "10.9.1.3/31");
    std::fs::write(site.path().join("mine.yaml"), changed.replace("via: 10.9.1.1", "via: 10.9.1.3")).expect("a file");
    site.ok("up -f mine.yaml");
    out("ip netns exec a ping -n -c1 -W2 10.9.1.3");
    site.ok("down -f mine.yaml");
    assert_eq!(out("ip netns list; ls /run/utsns"), "");
    assert_eq!(out("ip -o link | grep -v lo: || true"), "");
}}

alone! { Root, fn what_is_not_as_the_file_says_is_not_taken_over() {
    out(BY_HAND);
    let site = Site::new("yard: empty\n");
    let text = site.ok("adopt --yard mine");
    let before = seen_when(is_settled);
    site.file(&text.replace("mtu: 1400", "mtu: 1300"));
    let said = site.run("up --adopt");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("what runs here is not as yard `mine` says"), "{said}");
    assert!(said.contains("1400") && said.contains("1300"), "{said}");
    let differs = differences(&before, &seen(), &[]);
    assert!(differs.is_empty(), "{differs:#?}");
    assert_eq!(out("ls /run/netyard.ns 2>/dev/null || true"), "");
}}

alone! { Root, fn what_is_not_in_the_file_is_said_and_so_is_what_never_happens() {
    out(BY_HAND);
    out("nft add rule ip nat post ip saddr 10.9.0.0/24 oifname eth9 counter snat to 192.0.2.2
         nft add rule ip nat post ip saddr 10.9.1.0/24 oifname eth9 snat to 192.0.2.3");
    let before = out("nft -a list ruleset | sed 's/packets .* bytes [0-9]*//'");
    out("mkdir -p /etc/systemd/network; printf '[NetDev]\\nName=br0\\nKind=bridge\\n' >/etc/systemd/network/b.netdev");
    let mut sleeps = Command::new("ip").args(["netns", "exec", "b", "sleep", "1000"]).spawn().expect("ip");
    let there = "until ip netns pids b | xargs -r -I% cat /proc/%/comm | grep sleep; do :; done";
    out(&format!("timeout 60 sh -c '{there}'"));
    let site = Site::new("yard: empty\n");
    let said = site.run("adopt --yard mine");
    sleeps.kill().expect("a child");
    sleeps.wait().expect("a child");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("host: nftables, table ip nat (3 rules): it stays as it is"), "{said}");
    let never = "host: ip nat post handle 3: `snat ip to 192.0.2.2` never happens: ip nat post handle 2 says `masquerade` of the same packets before it";
    assert!(said.contains(never), "{said}");
    assert!(!said.contains("192.0.2.3"), "{said}");
    let file = "/etc/systemd/network/b.netdev: networkd makes br0 by it, and goes on to";
    assert!(said.contains(file), "{said}");
    assert!(said.contains("b: what runs there (sleep): it goes on"), "{said}");
    assert!(!text.contains("192.0.2"), "{text}");
    assert_eq!(out("nft -a list ruleset | sed 's/packets .* bytes [0-9]*//'"), before);
}}

/// What the kernel says of who made what, in each namespace, and what stands for those.
fn marks() -> String {
    out(r#"for netns in $(ls /run/netns) host; do
            case $netns in host) in=;; *) in="nsenter --net=/run/netns/$netns";; esac
            echo "= $netns"
            $in ip -o link | grep -oE '^[0-9]+: [^ ]+|group [^ ]+|alias .*'
            $in ip route; $in ip -6 route | sed 's/expires [^ ]* //'
            $in ip -o -6 address | grep -v tentative | sed 's/valid_lft.*//'
         done
         stat -c '%n %F' /run/netns/* /run/utsns/*; nsenter --uts=/run/utsns/b hostname
         ls /run/netyard.ns /var/lib/netyard 2>/dev/null || true"#)
}

alone! { Root, fn a_taking_over_that_is_killed_is_given_back_by_the_next_command() {
    out(BY_HAND);
    seen_when(is_settled);
    let site = Site::new("yard: empty\n");
    site.ok("adopt --yard mine -o mine.yaml");
    let before = marks();
    let killed_at = |moment: &str| {
        let killed = site.netyard("up --adopt -f mine.yaml").env("NETYARD_KILL", moment).output();
        assert!(!killed.expect("the binary").status.success(), "{moment}: it was not killed");
        let half = marks();
        assert!(moment == "before:0" || half.contains("netyard:mine"), "{moment}: {half}");
    };
    // The host's marks, those of two nodes, and the end of all.
    for moment in ["before:0", "after:0", "before:1", "after:1", "before:2", "after:2", "before:3"] {
        killed_at(moment);
        let said = site.run("down -f mine.yaml");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("was cut off: what it had taken over is as it was before"), "{moment}: {said}");
        assert_eq!(marks(), before, "{moment}");
    }
    killed_at("after:1");
    site.ok("up --adopt -f mine.yaml");
    site.ok("plan --check -f mine.yaml");
    assert_eq!(out("stat -c %F /run/netns/a").trim(), "symbolic link");
    site.ok("down -f mine.yaml");
    assert_eq!(out("ip netns list; ls /run/netyard.ns 2>/dev/null || true"), "");
}}

alone! { Root, fn a_mark_that_the_kernel_refuses_takes_the_others_back() {
    out(BY_HAND);
    seen_when(is_settled);
    let site = Site::new("yard: empty\n");
    site.ok("adopt --yard mine -o mine.yaml");
    let (mut before, mut refused) = (marks(), 0);
    for at in 1..60 {
        let fault = format!("EPERM@{at}");
        let up = site.netyard("up --adopt -f mine.yaml").env("NETYARD_FAULT", &fault).output().expect("the binary");
        let said = String::from_utf8_lossy(&up.stderr).into_owned();
        if said.contains("could not take over") {
            refused += 1;
        } else if marks() != before {
            // All marks were set: what was refused came before them, or after.
            if refused > 0 {
                break;
            }
            site.ok("down -f mine.yaml");
            out(BY_HAND);
            seen_when(is_settled);
            out(&format!("rm {}", site.path().join("mine.yaml").display()));
            site.ok("adopt --yard mine -o mine.yaml");
            before = marks();
        }
        assert_eq!(marks(), before, "{fault}: {said}");
    }
    assert!(refused > 10, "only {refused} marks were refused");
}}

alone! { Root, fn what_hangs_on_another_yards_bridge_is_left_out_and_the_rest_taken() {
    let other = Site::new("yard: other\nnetworks: { lan: { bridge: brx, prefix: 10.8.0.0/24, host: { address: 10.8.0.1/24 } } }\n");
    other.ok("up");
    out("ip netns add a; ip -n a link set lo up
         ip link add p type veth peer name eth0 netns a; ip link set p master brx up
         ip -n a link set eth0 up; ip -n a address add 10.8.0.9/24 dev eth0
         ip link add br0 type bridge; ip link set br0 up
         ip link add q type veth peer name eth1 netns a; ip link set q master br0 up
         ip -n a link set eth1 up; ip -n a address add 10.9.0.9/24 dev eth1");
    let before = seen_when(is_settled);
    let site = Site::new("yard: empty\n");
    let said = site.run("adopt --yard mine -o mine.yaml");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let text = std::fs::read_to_string(site.path().join("mine.yaml")).expect("a file");
    assert!(said.contains("veth host:p: it is a port of host:brx, which is not in the file"), "{said}");
    assert!(said.contains("veth a:eth0: its other end, host:p, is not in the file"), "{said}");
    assert!(!text.contains("brx") && !text.contains("eth0") && text.contains("eth1"), "{text}");
    let lost = lost_during("a", "10.8.0.1", || drop(site.ok("up --adopt -f mine.yaml")));
    assert!(lost.is_empty(), "{lost:?}");
    site.ok("plan --check -f mine.yaml");
    other.ok("plan --check");
    let after = seen_when(|all| differences(&before, all, &["mine.fabric"]).is_empty());
    let differs = differences(&before, &after, &["mine.fabric"]);
    assert!(differs.is_empty(), "{differs:#?}\n{text}");
    out("ip netns exec a ping -n -c1 -W2 10.8.0.1");
    site.ok("down -f mine.yaml");
    other.ok("plan --check");
    other.ok("down");
}}
