//! What passes and what does not, in every direction and both families.

use super::*;

#[test]
fn what_comes_to_a_node_is_accepted_dropped_or_refused() {
    let text = sides(
        r#"
    input:
      policy: drop
      deny: [{ tcp: 81, with: reject }, { udp: 82, with: prohibited }, { udp: 83, with: unreachable }, any from out]
      allow: [ping, tcp 80, { tcp: 90-91, from: inside }]
"#,
    );
    lab(&text, |lab| {
        let _open: Vec<_> = (80..95).map(|port| lab.listen("gw", port)).collect();
        for (v6, address) in GW_IN.iter().enumerate() {
            let tcp = |port: u16| lab.tcp("in", &at(GW_IN, port)[v6]);
            lab.ready("in", bare(address));
            assert_eq!(tcp(80), Open);
            assert_eq!(tcp(81), Refused);
            let refusal = |port: u16| {
                let socket = lab.udp("in", &at(IN, 0)[v6]);
                socket.connect(&at(GW_IN, port)[v6]).unwrap();
                socket.send(b"x").unwrap();
                socket.recv(&mut [0; 8]).unwrap_err().raw_os_error()
            };
            let prohibited = [libc::EHOSTUNREACH, libc::EACCES][v6];
            assert_eq!(refusal(82), Some(prohibited));
            assert_eq!(refusal(83), Some(libc::ECONNREFUSED));
            assert_eq!([tcp(90), tcp(91)], [Open, Open]);
            assert_eq!([tcp(84), tcp(92)], [Silent, Silent]);
            assert_eq!(lab.tcp("out", &at(GW_OUT, 80)[v6]), Silent, "`deny` is asked first");
        }
        assert_eq!(lab.counted("gw", "input allow 2: tcp 80"), 2);
        assert!(lab.counted("gw", "input policy") >= 4);
    });
}

#[test]
fn a_refusal_of_udp_is_that_of_a_closed_port() {
    let text = sides("    input: { policy: reject, allow: [ping] }\n");
    lab(&text, |lab| {
        let _open = lab.listen("gw", 80);
        for (v6, address) in GW_IN.iter().enumerate() {
            lab.ready("in", bare(address));
            assert_eq!(lab.tcp("in", &at(GW_IN, 80)[v6]), Refused);
            let socket = lab.udp("in", &at(IN, 0)[v6]);
            socket.connect(&at(GW_IN, 9)[v6]).unwrap();
            socket.send(b"x").unwrap();
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn policies_between_zones_hold_in_one_direction_and_answers_come_back() {
    let text = sides(
        r#"
    services: { game: [tcp 27000-27010, udp 27015] }
    sets: { friends: [192.0.2.0/28, "fd00:2::/112"] }
    forward: { policy: drop }
    policies:
      - { from: inside, to: outside, policy: accept }
      - { from: outside, to: inside, policy: reject, allow: [game from friends, gopher, { tcp: 443, to: in }], deny: [tcp 27003] }
"#,
    );
    lab(&text, |lab| {
        let _in: Vec<_> =
            [70, 443, 444, 27000, 27003].map(|port| lab.listen("in", port)).into_iter().collect();
        let _out = lab.listen("out", 80);
        for v6 in 0..2 {
            drop(lab.opens("in", &at(OUT, 80)[v6]));
            let tcp = |port: u16| lab.tcp("out", &at(IN, port)[v6]);
            assert_eq!(tcp(443), Open);
            assert_eq!(tcp(70), Open, "a service of the system's");
            assert_eq!(tcp(27000), Open, "a service of the file's, from a set");
            assert_eq!(tcp(27003), Silent, "`deny` drops, if it does not say how");
            assert_eq!(tcp(444), Refused);
        }
        // To the router itself nothing was said.
        let _router = lab.listen("gw", 444);
        assert_eq!(lab.tcp("out", &at(GW_OUT, 444)[0]), Open);
    });
}

#[test]
fn many_zones_are_told_apart() {
    let mut text = String::from("yard: bed\nnodes:\n  hub: { forward: true }\n");
    for i in 1..=6 {
        text.push_str(&format!(
            "  n{i}: {{ interfaces: {{ eth0: {{ gateway: \"hub:z{i}\" }} }} }}\n"
        ));
    }
    text.push_str("links:\n");
    for i in 1..=6 {
        text.push_str(&format!(
            "  - {{ ends: [\"n{i}:eth0\", \"hub:z{i}\"], prefix: 10.0.{i}.0/24 }}\n"
        ));
    }
    text.push_str(
        "firewall:\n  hub:\n    forward: { policy: reject, allow: [ping] }\n    policies:\n",
    );
    for i in 1..=6 {
        // Each may speak to the next one only.
        let next = i % 6 + 1;
        text.push_str(&format!("      - {{ from: z{i}, to: z{next}, allow: [tcp 80] }}\n"));
    }
    lab(&text, |lab| {
        let _open: Vec<_> = (1..=6).map(|i| lab.listen(&format!("n{i}"), 80)).collect();
        for from in 1..=6 {
            for to in (1..=6).filter(|to| *to != from) {
                let address = format!("10.0.{to}.1");
                lab.ready(&format!("n{from}"), &address);
                let expected = if to == from % 6 + 1 { Open } else { Refused };
                let answer = lab.tcp(&format!("n{from}"), &format!("{address}:80"));
                assert_eq!(answer, expected, "n{from} to n{to}");
            }
        }
    });
}

#[test]
fn what_ipv6_needs_passes_a_firewall_that_lets_nothing_pass() {
    let text = sides(
        "    input: { policy: drop }\n    output: { policy: drop, allow: [tcp 80] }\n    forward: { policy: drop, allow: [udp 9] }\n",
    );
    lab(&text, |lab| {
        let _out = lab.listen("out", 80);
        // Neighbours are found, in both directions, and the router may speak.
        for v6 in 0..2 {
            drop(lab.opens("gw", &at(OUT, 80)[v6]));
            let (from, to) = (lab.udp("in", &at(IN, 0)[v6]), lab.udp("out", &at(OUT, 9)[v6]));
            reach(&from, &to);
        }
        // "Packet too big" comes through to whoever sends too much.
        sh("ip -n bed-out link set eth0 mtu 1300; ip -n bed-gw link set outside mtu 1300");
        for v6 in 0..2 {
            let from = lab.udp("in", &at(IN, 0)[v6]);
            from.connect(&at(OUT, 9)[v6]).unwrap();
            let (level, option) = match v6 {
                0 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
                _ => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
            };
            let on = libc::IP_PMTUDISC_DO;
            // SAFETY: points to a number that outlives the call.
            let done = unsafe {
                libc::setsockopt(from.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), 4)
            };
            assert_eq!(done, 0);
            let begin = Instant::now();
            while from.send(&[0; 1400]).is_ok() {
                assert!(begin.elapsed() < READY, "nobody said that the packet is too big");
            }
        }
    });
}

#[test]
fn what_a_node_sends_is_refused_by_its_own_firewall() {
    let text =
        sides("    output: { deny: [{ tcp: 25, with: prohibited }, { tcp: 26, to: out }] }\n");
    lab(&text, |lab| {
        let _out: Vec<_> = (25..28).map(|port| lab.listen("out", port)).collect();
        for v6 in 0..2 {
            drop(lab.opens("gw", &at(OUT, 27)[v6]));
            let tcp = |port: u16| lab.tcp("gw", &at(OUT, port)[v6]);
            assert!(matches!(tcp(25), Unreachable | Silent));
            assert_eq!(tcp(26), Silent);
        }
        assert!(lab.counted("gw", "output deny 1: tcp 25") > 0);
    });
}

#[test]
fn a_connection_outlives_a_change_of_the_rules_and_a_new_one_meets_the_new_rules() {
    let with =
        |allow: &str| sides(&format!("    forward: {{ policy: reject, allow: [{allow}] }}\n"));
    lab(&with("ping, tcp 80"), |lab| {
        let listener = lab.listen("out", 80);
        let mut stream = lab.opens("in", &at(OUT, 80)[0]);
        let mut server = loop {
            if let Ok((server, _)) = listener.accept() {
                break server;
            }
        };
        server.set_nonblocking(false).unwrap();
        let mut said = |text: &[u8]| {
            use std::io::{Read, Write};
            stream.write_all(text).unwrap();
            let mut buffer = vec![0; text.len()];
            server.read_exact(&mut buffer).unwrap();
            assert_eq!(buffer, text);
        };
        said(b"before");
        lab.change(&with("ping, tcp 81"));
        said(b"after");
        assert_eq!(lab.tcp("in", &at(OUT, 80)[0]), Refused);
    });
}

/// The link-local address of a node's interface, and the interface's number.
fn link_local(node: &str, device: &str) -> (std::net::Ipv6Addr, u32) {
    let begin = std::time::Instant::now();
    loop {
        let text =
            sh(&format!("ip -n bed-{node} -6 -o addr show dev {device} scope link -tentative"));
        let index = text.split(':').next().and_then(|number| number.trim().parse().ok());
        let address = text.split_whitespace().nth(3).and_then(|net| net.split('/').next());
        if let (Some(index), Some(address)) = (index, address) {
            return (address.parse().unwrap(), index);
        }
        assert!(begin.elapsed() < super::READY, "{node} {device}: {text}");
    }
}

#[test]
fn answers_of_a_dhcpv6_server_come_in_whatever_the_file_says_and_nothing_like_them() {
    lab(&sides("    input: { policy: drop, allow: [ping] }\n"), |lab| {
        lab.ready("in", bare(GW_IN[1]));
        let ((here, index), (there, _)) = (link_local("in", "eth0"), link_local("gw", "inside"));
        let client = lab.udp("gw", "[::]:546");
        let comes = |from: std::net::SocketAddrV6, to: std::net::Ipv6Addr, scope: u32| {
            let server = lab.inside("in", || std::net::UdpSocket::bind(from).unwrap());
            let to = std::net::SocketAddrV6::new(to, 546, 0, scope);
            server.send_to(b"answer", to).unwrap();
            client.recv(&mut [0; 16]).is_ok()
        };
        let local = |port| std::net::SocketAddrV6::new(here, port, 0, index);
        assert!(comes(local(547), there, index), "a server's answer");
        assert!(!comes(local(548), there, index), "another port");
        let far = format!("{}:547", IN[1]).parse().unwrap();
        assert!(!comes(far, bare(GW_IN[1]).parse().unwrap(), 0), "not from the link itself");
    });
}

#[test]
fn an_empty_list_of_what_is_allowed_allows_nothing() {
    lab(&sides("    input: { allow: [ping] }\n"), |lab| {
        lab.ready("in", bare(GW_IN[0]));
        lab.change(&sides("    input: { allow: [] }\n"));
        assert_eq!(lab.tcp("in", &at(GW_IN, 80)[0]), Silent);
        lab.change(&sides("    input: { deny: [tcp 81] }\n"));
        assert_eq!(lab.tcp("in", &at(GW_IN, 80)[0]), Refused);
    });
}
