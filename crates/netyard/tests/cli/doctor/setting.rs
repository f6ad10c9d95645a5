//! Settings, and what they do to packets.

use serde_json::json;

use super::{HOME, Patient};
use crate::alone::alone;

/// A router between two ends, each a stack of its own.
const BETWEEN: &str = "
    ip link set eth0 down; ip link del eth0
    for i in 1 2; do
      ip netns add n$i; ip link add in$i type veth peer name x netns n$i
      ip address add 10.9.$i.254/24 dev in$i; ip link set in$i up
      ip -n n$i link set lo up; ip -n n$i address add 10.9.$i.1/24 dev x; ip -n n$i link set x up
      ip -n n$i route add default via 10.9.$i.254
    done
";

alone! { Root, fn packets_for_others_that_are_not_forwarded_are_named() {
    let mut patient = Patient::host();
    patient.sh(BETWEEN);
    patient.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; ip netns exec n1 ping -c1 -W2 10.9.2.1");
    patient.is_free_of("forwarding-off");
    patient.sh("echo 0 > /proc/sys/net/ipv4/ip_forward");
    patient.is_free_of("forwarding-off");
    patient.sh("! ip netns exec n1 ping -c2 -i0.2 -W1 10.9.2.1");
    patient.suffers("forwarding-off", &[
        ("key", json!("net/ipv4/ip_forward")),
        ("value", json!("0")),
        ("counter", json!("Ip.InAddrErrors")),
        ("count", json!(2)),
    ]);
}}

alone! { Root, fn packets_that_rp_filter_drops_are_named() {
    let mut patient = Patient::host();
    patient.sh(BETWEEN);
    patient.sh("for f in all in1 in2; do echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; done
        ip -n n1 address add 10.99.0.1/32 dev x
        ip route add 10.99.0.0/16 via 10.9.2.1
        ! ip netns exec n1 ping -c1 -W1 -I 10.99.0.1 10.9.1.254");
    patient.is_free_of("rp-filter");
    patient.sh("echo 1 > /proc/sys/net/ipv4/conf/in1/rp_filter");
    patient.is_free_of("rp-filter");
    patient.sh("! ip netns exec n1 ping -c3 -i0.2 -W1 -I 10.99.0.1 10.9.1.254");
    patient.suffers("rp-filter", &[
        ("interface", json!("in1")),
        ("key", json!("net/ipv4/conf/in1/rp_filter")),
        ("counter", json!("TcpExt.IPReversePathFilter")),
        ("count", json!(3)),
    ]);
}}

alone! { Root, fn what_a_tunnel_left_behind_is_named() {
    let mut patient = Patient::host();
    patient.is_free_of("src-valid-mark");
    patient.sh("echo 1 > /proc/sys/net/ipv4/conf/all/src_valid_mark");
    let key = "net/ipv4/conf/all/src_valid_mark";
    let finding = patient.suffers("src-valid-mark", &[("key", json!(key))]);
    patient.obeys(&finding);
    patient.is_free_of("src-valid-mark");
}}

alone! { Root, fn a_file_that_sets_a_setting_back_is_named_by_its_line() {
    let mut patient = Patient::host();
    patient.sh("echo 'net.ipv4.ip_forward = 0' > /etc/sysctl.d/50-router.conf");
    patient.is_free_of("sysctl-file");
    patient.sh("printf '# mine\\n\\nnet/ipv4/ip_forward=1\\n' > /etc/sysctl.d/90-late.conf");
    patient.suffers("sysctl-file", &[
        ("file", json!("/etc/sysctl.d/90-late.conf")),
        ("line", json!(3)),
        ("key", json!("net/ipv4/ip_forward")),
        ("value", json!("1")),
        ("wanted", json!("0")),
    ]);
    // The last one wins.
    patient.sh("echo 'net.ipv4.ip_forward = 0' > /etc/sysctl.d/95-later.conf");
    patient.is_free_of("sysctl-file");
}}

alone! { Root, fn a_file_against_what_the_yard_sets_on_the_host_is_named_by_plan() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("sysctl-file");
    patient.sh("echo 'net.ipv4.ip_forward = 0' > /etc/sysctl.d/99-hard.conf");
    patient.suffers("sysctl-file", &[
        ("file", json!("/etc/sysctl.d/99-hard.conf")),
        ("line", json!(1)),
        ("wanted", json!("1")),
    ]);
    // `plan` says so with the place in the yard's file, and says it once.
    let (said, _) = patient.said("plan --brief");
    assert_eq!(said.matches("/etc/sysctl.d/99-hard.conf").count(), 1, "{said}");
}}

alone! { Root, fn a_default_route_that_forwarding_takes_away_is_named() {
    let mut patient = Patient::host();
    patient.sh("echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra
        echo 0 > /proc/sys/net/ipv6/conf/wire/accept_ra");
    patient.is_free_of("accept-ra-forwarding");
    patient.sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    let finding = patient.suffers("accept-ra-forwarding", &[
        ("interface", json!("eth0")),
        ("key", json!("net/ipv6/conf/eth0/accept_ra")),
        ("value", json!("1")),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("accept-ra-forwarding");
}}

alone! { Root, fn a_read_only_proc_sys_is_named() {
    let mut patient = Patient::host();
    patient.is_free_of("proc-sys-read-only");
    patient.sh("mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys");
    patient.suffers("proc-sys-read-only", &[("file", json!("/proc/sys"))]);
    patient.sh("umount /proc/sys");
    patient.is_free_of("proc-sys-read-only");
}}

alone! { Root, fn redirects_that_came_back_with_forwarding_switched_off_are_named() {
    let mut patient = Patient::host();
    let redirects = "/proc/sys/net/ipv4/conf/all/accept_redirects";
    patient.sh(&format!("echo 'net.ipv4.conf.all.accept_redirects = 0' > /etc/sysctl.d/50-strict.conf
        echo 0 > {redirects}"));
    patient.is_free_of("redirects-reset");
    patient.sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
    patient.is_free_of("redirects-reset");
    patient.sh(&format!("echo 0 > /proc/sys/net/ipv4/ip_forward; grep -q 1 {redirects}"));
    let finding = patient.suffers("redirects-reset", &[
        ("key", json!("net/ipv4/conf/all/accept_redirects")),
        ("file", json!("/etc/sysctl.d/50-strict.conf")),
        ("line", json!(1)),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("redirects-reset");
}}

alone! { Root, fn a_yard_that_switched_forwarding_on_leaves_redirects_as_they_were() {
    let mut patient = Patient::yard(HOME);
    let redirects = "/proc/sys/net/ipv4/conf/all/accept_redirects";
    patient.sh(&format!("echo 'net.ipv4.conf.all.accept_redirects = 0' > /etc/sysctl.d/50-strict.conf
        echo 0 > {redirects}"));
    patient.netyard("up");
    patient.sh("grep -q 1 /proc/sys/net/ipv4/ip_forward");
    patient.netyard("down");
    patient.sh(&format!("grep -q 0 /proc/sys/net/ipv4/ip_forward; grep -q 0 {redirects}"));
    patient.is_free_of("redirects-reset");
}}
