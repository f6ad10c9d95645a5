//! An interface of the host becomes the port of a bridge, with all that it had,
//! and back.

use super::outer::{OUTER, Stream, codes, desired, host_reaches, settle, up_file, whole};
use super::{again, alone, down, inside, sh, steps_left, talks};

const YARD: &str = "
yard: bed
networks:
  home: { bridge: br0, uplink: { bridge: eth0 } }
nodes:
  a:
    interfaces:
      eth0: { network: home, address: [192.0.2.20/24, '2001:db8::20/64'], gateway: [192.0.2.1, '2001:db8::1'] }
";

/// More than one address and route, of both families, some with an end.
const MORE: &str = "
    ip addr add 192.0.2.11/24 dev eth0 label eth0:1
    ip addr add 192.0.2.12/24 dev eth0 valid_lft 4000 preferred_lft 3000
    ip addr add 2001:db8::12/64 dev eth0 nodad valid_lft 4000 preferred_lft 3000
    ip addr add 2001:db8:1::10/64 dev eth0 nodad noprefixroute
    ip route add 203.0.113.0/24 via 192.0.2.1 dev eth0 metric 50 src 192.0.2.11
    ip route add 203.0.112.0/24 dev eth0 scope link table 100
    ip -6 route add 2001:db8:1::/64 dev eth0 proto kernel metric 77
    ip -6 route add 2001:db8:2::/48 via 2001:db8::1 dev eth0 metric 50
    ip -6 route add 2001:db8:3::/48 via 2001:db8::1 dev eth0 expires 5000
    ip -n outer -6 route add 2001:db8:1::/64 dev up0
    ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 nud permanent dev eth0
    ip -6 neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 nud permanent dev eth0
    ip neigh add proxy 192.0.2.78 dev eth0
    ip rule add pref 100 iif eth0 to 203.0.112.0/24 table 100
    ip -6 rule add pref 101 not oif eth0 fwmark 7 table 100
";

fn addresses(dev: &str) -> Vec<String> {
    let text = sh(&format!("ip -o addr show dev {dev} | awk '{{ print $4 }}' | sort"));
    text.lines().filter(|line| !line.starts_with("fe80")).map(str::to_owned).collect()
}

/// What was written of an interface besides, without its name.
fn written_of(dev: &str) -> String {
    let of = format!(
        "ip -4 neigh show nud permanent dev {dev}; ip -6 neigh show nud permanent dev {dev}
         ip neigh show proxy dev {dev}; {{ ip rule list; ip -6 rule list; }} | grep {dev} || true"
    );
    sh(&of).replace(dev, "DEV")
}

#[test]
fn a_connection_survives_the_bridging_of_its_interface_and_the_way_back() {
    alone(|| {
        sh(OUTER);
        sh(MORE);
        let before = whole();
        let streams = ["198.51.100.1", "2001:db8:f::1"].map(Stream::open);
        let had = addresses("eth0");
        let written = written_of("eth0");
        assert_eq!(written.lines().count(), 5, "{written}");
        assert_eq!(codes(YARD), ["uplink-lease"]);
        up_file(YARD).unwrap();
        assert_eq!(addresses("br0"), had);
        assert_eq!(addresses("eth0"), [] as [String; 0]);
        assert_eq!((written_of("br0"), written_of("eth0")), (written.clone(), String::new()));
        assert!(sh("ip link show br0").contains("02:00:00:00:00:10"));
        streams.iter().for_each(Stream::goes_on);
        assert!(host_reaches("198.51.100.1") && host_reaches("2001:db8:f::1"));
        talks(("bed-a", "192.0.2.20"), ("outer", "198.51.100.1"));
        talks(("bed-a", "2001:db8::20"), ("outer", "2001:db8:f::1"));
        assert_eq!(steps_left(&desired(YARD)), [] as [String; 0]);
        assert!(sh("ip -4 -o addr show br0").contains("br0:1"));
        let left = sh("ip -o addr show dev br0 to 192.0.2.12");
        let seconds = left.split("valid_lft ").nth(1).and_then(|s| s.split("sec").next()).unwrap();
        assert!((3900..=4000).contains(&seconds.parse::<u32>().unwrap()), "{left}");
        down().unwrap();
        streams.iter().for_each(Stream::goes_on);
        assert_eq!(written_of("eth0"), written);
        let worst = streams.map(Stream::close);
        println!("the longest that an answer took: {worst:?}");
        let after = whole();
        similar(&after, &before);
        assert_eq!(after, before);
    });
}

#[test]
fn an_interface_comes_home_with_the_state_directory_lost() {
    alone(|| {
        sh(OUTER);
        sh(MORE);
        let before = whole();
        let stream = Stream::open("198.51.100.1");
        up_file(YARD).unwrap();
        // An address that came later goes along, too.
        sh("ip addr add 192.0.2.13/24 dev br0; rm -r /run/netyard");
        down().unwrap();
        stream.goes_on();
        stream.close();
        assert!(addresses("eth0").contains(&"192.0.2.13/24".to_owned()));
        sh("ip addr del 192.0.2.13/24 dev eth0");
        similar(&whole(), &before);
    });
}

#[test]
fn a_port_takes_no_router_advertisements_and_the_bridge_does() {
    alone(|| {
        sh(OUTER);
        up_file(YARD).unwrap();
        settle();
        assert_eq!(sh("ip -6 -o addr show dev eth0"), "");
        advertise("2001:db8:5::");
        let begin = std::time::Instant::now();
        while !addresses("br0").iter().any(|a| a.starts_with("2001:db8:5:")) {
            assert!(begin.elapsed().as_secs() < 10, "the bridge hears no advertisement");
            advertise("2001:db8:5::");
        }
        assert_eq!(sh("ip -6 -o addr show dev eth0"), "");
        assert_eq!(sh("ip -6 route show dev eth0"), "");
        down().unwrap();
        // What the bridge learnt is the interface's now.
        assert!(addresses("eth0").iter().any(|a| a.starts_with("2001:db8:5:")));
    });
}

#[test]
fn an_interface_is_bridged_or_not_wherever_it_is_killed() {
    alone(|| {
        if std::env::var_os("NETYARD_KILL").is_some() || std::env::var_os("NETYARD_FAULT").is_some()
        {
            up_file(YARD).unwrap();
            return;
        }
        sh("for f in default all; do echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done");
        sh(OUTER);
        sh(MORE);
        let before = whole();
        let stream = Stream::open("198.51.100.1");
        for batch in 0..6 {
            for when in ["before", "after"] {
                let killed = again(&[("NETYARD_KILL", &format!("{when}:{batch}"))]);
                stream.goes_on();
                if killed.success() {
                    // There are no more batches.
                    assert!(batch > 2);
                }
                down().unwrap();
                stream.goes_on();
                similar(&whole(), &before);
            }
        }
        stream.close();
    });
}

#[test]
fn whichever_request_is_refused_the_host_keeps_its_way_out() {
    alone(|| {
        if std::env::var_os("NETYARD_FAULT").is_some() {
            // Facts, observing and planning take no requests that change something.
            if let Err(error) = up_file(YARD) {
                println!("{error}: {error:?}");
                std::process::exit(1);
            }
            return;
        }
        // Without detection nothing has to be waited for.
        sh("for f in default all; do echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done");
        sh(OUTER);
        sh(MORE);
        let before = whole();
        let stream = Stream::open("198.51.100.1");
        for request in 6..50 {
            println!("request {request}");
            again(&[("NETYARD_FAULT", &format!("EBUSY@{request}"))]);
            stream.goes_on();
            assert!(host_reaches("2001:db8:f::1"));
            down().unwrap();
            stream.goes_on();
            similar(&whole(), &before);
        }
        stream.close();
    });
}

#[test]
fn further_ports_join_where_the_network_is() {
    alone(|| {
        sh(OUTER);
        sh("ip netns add left; ip netns add right
            ip link add eth1 type veth peer name l0 netns left; ip link set eth1 up
            ip link add eth2 type veth peer name r0 netns right; ip link set eth2 up; ip link set eth2 down
            ip -n left link set l0 up; ip -n left addr add 10.7.0.7/24 dev l0
            ip -n right link set r0 up; ip -n right addr add 10.7.0.8/24 dev r0");
        let before = whole();
        for host in ["", ", host: { address: 10.7.0.254/24 }"] {
            let file = format!(
                "yard: bed\nnetworks:\n  lan: {{ prefix: 10.7.0.0/24, ports: [eth1, eth2]{host} }}\n\
                 nodes:\n  a: {{ interfaces: {{ eth0: {{ network: lan, address: 10.7.0.1/24 }} }} }}\n"
            );
            up_file(&file).unwrap();
            talks(("bed-a", "10.7.0.1"), ("left", "10.7.0.7"));
            talks(("left", "10.7.0.7"), ("right", "10.7.0.8"));
            assert_eq!(steps_left(&desired(&file)), [] as [String; 0]);
            down().unwrap();
            similar(&whole(), &before);
        }
    });
}

/// A router advertisement from the outer namespace, of a prefix to make
/// addresses from (RFC 4861, 4.2 and 4.6.2).
pub fn advertise(prefix: &str) {
    let prefix: std::net::Ipv6Addr = prefix.parse().unwrap();
    let mut packet = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    packet.extend([3, 4, 64, 0xc0]);
    packet.extend(3600_u32.to_be_bytes());
    packet.extend(3600_u32.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(prefix.octets());
    inside("outer", move || {
        // SAFETY: plain system calls; the address lives as long as the call.
        unsafe {
            let socket = libc::socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6);
            assert!(socket >= 0);
            let hops: libc::c_int = 255;
            let size = size_of_val(&hops) as libc::socklen_t;
            let value = (&raw const hops).cast();
            let option = libc::IPV6_MULTICAST_HOPS;
            assert_eq!(libc::setsockopt(socket, libc::IPPROTO_IPV6, option, value, size), 0);
            let mut to: libc::sockaddr_in6 = std::mem::zeroed();
            to.sin6_family = libc::AF_INET6 as u16;
            to.sin6_addr.s6_addr = "ff02::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
            to.sin6_scope_id = libc::if_nametoindex(c"up0".as_ptr());
            let size = size_of_val(&to) as libc::socklen_t;
            let sent = libc::sendto(
                socket,
                packet.as_ptr().cast(),
                packet.len(),
                0,
                (&raw const to).cast(),
                size,
            );
            libc::close(socket);
            sent
        }
    });
}

/// The same in any order, with the differing lines where not.
pub fn similar(is: &str, should: &str) {
    let without = |a: &str, b: &str| {
        let mut rest: Vec<String> = a.lines().map(str::to_owned).collect();
        for line in b.lines() {
            if let Some(at) = rest.iter().position(|l| l == line) {
                rest.remove(at);
            }
        }
        rest
    };
    let (more, less) = (without(is, should), without(should, is));
    assert!(more.is_empty() && less.is_empty(), "is:     {more:#?}\nshould: {less:#?}");
}
