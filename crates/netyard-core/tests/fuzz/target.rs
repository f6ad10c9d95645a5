//! What reads packets, and what must hold whatever they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use netyard_core::addr::Mac;
use netyard_core::name::{FullName, InterfaceName};
use netyard_core::service::client::{Share, v4, v6};
use netyard_core::service::dhcp4::{Pool, relay_of};
use netyard_core::service::dhcp6::{self, Delegation, Dhcp6, Reserved6};
use netyard_core::service::dns::{Now, Resolver, Step, Upshot, Zone};
use netyard_core::service::ra::{self, Ra};
use netyard_core::service::served::{Dhcp4, Dns, Reserved, Upstream};

/// Whom the clients are.
const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

pub fn pool() -> Pool {
    let at = |last| Ipv4Addr::new(10, 1, 0, last);
    let config = Dhcp4 {
        subnet: "10.1.0.0/24".parse().expect("a prefix"),
        server: at(254),
        ranges: vec![(at(100), at(199))],
        lease: 3600,
        reserved: vec![Reserved { mac: Mac([2, 0, 0, 0, 0, 7]), address: at(7), name: None }],
        taken: vec![at(120)],
        gateway: Some(at(254)),
        dns: vec![at(254)],
        domain: Some("lan.test".into()),
        mtu: Some(1400),
        options: vec![(42, vec![10, 1, 0, 9]), (66, vec![b'x'; 255]), (43, vec![1; 600])],
    };
    Pool::new(FullName::new("lan").expect("a name"), config, [])
}

/// Nobody gets an address that is not to be given, and every answer can be sent.
pub fn dhcp4(pool: &mut Pool, input: &[u8]) {
    let _ = relay_of(input);
    // Time passes, so that leases end.
    let now = input.iter().map(|byte| u64::from(*byte)).sum();
    let answer = pool.receive(input, now);
    if let Some(reply) = answer.reply {
        assert!((300..=1472).contains(&reply.bytes.len()), "{} bytes", reply.bytes.len());
    }
    for lease in answer.changes {
        let IpAddr::V4(address) = lease.address else { panic!("{}", lease.address) };
        let last = address.octets()[3];
        assert!(last == 7 || (100..=199).contains(&last) && last != 120, "{address}");
        assert!(last != 7 || lease.mac == Some(Mac([2, 0, 0, 0, 0, 7])));
    }
    client4(input);
}

/// The same bytes as answers to a client that asks.
fn client4(input: &[u8]) {
    let mut client = v4::Client::new(MAC, Some("laptop".into()), None, 42, 0);
    let mut now = 0;
    for _ in 0..3 {
        let acts = client.step(v4::Event::Tick, now);
        let asked = acts.iter().find_map(|act| match act {
            v4::Act::Broadcast(bytes) => Some(bytes),
            _ => None,
        });
        let mut answer = input.to_vec();
        if let (Some(asked), true) = (asked, answer.len() > 34) {
            // To this client, and to what it said last.
            answer[4..8].copy_from_slice(&asked[4..8]);
            answer[28..34].copy_from_slice(&MAC.0);
        }
        for act in client.step(v4::Event::Packet(&answer), now) {
            if let v4::Act::Bind(lease) = act {
                assert!(lease.t1 <= lease.t2 && lease.t2 <= lease.seconds, "{lease:?}");
                assert!(!lease.address.addr().is_unspecified());
            }
        }
        now = client.due().max(now + 1);
    }
    client.stop(now);
}

/// Who wants an address of `fd00:1::/64`, and the network that gives them.
pub fn pool6() -> dhcp6::Pool {
    let at = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let net = |text: &str| text.parse::<Ipv6Net>().expect("a prefix");
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    let config = Dhcp6 {
        prefixes: vec![net("fd00:1::/64")],
        ranges: vec![(at("fd00:1::10"), at("fd00:1::1f"))],
        lease: 3600,
        reserved: vec![Reserved6 { mac, address: at("fd00:1::7"), name: Some("h7".into()) }],
        taken: vec![at("fd00:1::12")],
        delegation: Some(Delegation { pool: net("fd00:1:8000::/60"), length: 64 }),
        dns: vec![at("fd00:1::1")],
        search: vec!["lan.test".into()],
    };
    dhcp6::Pool::new(FullName::new("lan").expect("a name"), config, b"server".to_vec(), [])
}

/// As of DHCPv4.
pub fn dhcp6(pool: &mut dhcp6::Pool, input: &[u8]) {
    let now = input.iter().map(|byte| u64::from(*byte)).sum();
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 9);
    let answer = pool.receive(input, from, now);
    if let Some(reply) = answer.reply {
        assert!((4..=65_000).contains(&reply.len()), "{} bytes", reply.len());
        assert!(dhcp6::message::read(&reply).is_some(), "it does not understand itself");
    }
    let config = pool.config();
    let pool = config.delegation.as_ref().expect("a delegation").pool;
    for lease in answer.changes {
        let IpAddr::V6(address) = lease.address else { panic!("{}", lease.address) };
        match lease.prefix {
            Some(length) => assert!(length == 64 && pool.contains(&address), "{address}"),
            None => {
                let [(first, last)] = config.ranges[..] else { panic!() };
                let reserved = address == config.reserved[0].address;
                let free = (first..=last).contains(&address) && !config.taken.contains(&address);
                assert!(free || reserved, "{address}");
                assert!(!reserved || lease.mac == Some(config.reserved[0].mac), "{lease:?}");
            }
        }
    }
    client6(input);
}

fn client6(input: &[u8]) {
    let client = || v6::Client::new(MAC, Some("laptop".into()), None, 42, 0);
    answered(client(), input);
    answered(client().of_prefix(56), input);
}

fn answered(mut client: v6::Client, input: &[u8]) {
    let mut now = 0;
    for _ in 0..3 {
        let acts = client.step(v6::Event::Tick, now);
        let asked = acts.iter().find_map(|act| match act {
            v6::Act::Send(bytes) => Some(bytes),
            _ => None,
        });
        let mut answer = input.to_vec();
        if let (Some(asked), true) = (asked, answer.len() > 4) {
            answer[1..4].copy_from_slice(&asked[1..4]);
        }
        for act in client.step(v6::Event::Packet(&answer), now) {
            if let v6::Act::Bind(lease) = act {
                assert!(lease.t1 <= lease.t2 && lease.preferred <= lease.valid, "{lease:?}");
                let share =
                    Share { interface: InterfaceName::new("x").expect("a name"), number: 7 };
                match lease.prefix {
                    Some(length) => {
                        assert!(client.is_of_prefix() && (1..=64).contains(&length), "{lease:?}");
                        let own = share.address(lease.net());
                        assert!(own.is_none_or(|own| lease.net().contains(&own)), "{lease:?}");
                    }
                    None => assert!(!client.is_of_prefix(), "{lease:?}"),
                }
            }
        }
        now = client.due().max(now + 1);
    }
    client.stop(now);
}

/// What is read of an advertisement can be said again, and is heard as it was said.
pub fn icmp6(input: &[u8]) {
    let _ = ra::is_solicitation(input, Ipv6Addr::LOCALHOST);
    let _ = ra::is_solicitation(input, Ipv6Addr::UNSPECIFIED);
    let Some(heard) = Ra::read(input) else { return };
    let said = heard.packet(heard.source);
    assert_eq!(said.len() % 8, 0);
    let again = Ra::read(&said).expect("an advertisement");
    assert_eq!(Ra::read(&again.packet(again.source)), Some(again));
}

pub fn resolver() -> Resolver {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let records = vec![("h1".to_owned(), vec![address("10.1.0.7"), address("fd00:1::7")])];
    let config = Dns { domain: "lan.test".into(), records, forward: Upstream::None, cache: 100 };
    Resolver::new(Zone::new(&config, vec!["10.1.0.0/24".parse().expect("a prefix")]), 100, true)
}

/// Every answer can be sent and is no question, and what is taken from upstream
/// can be given to a client.
pub fn dns(resolver: &mut Resolver, clock: &mut u64, input: &[u8]) {
    // Answers age, and some bytes are asked for twice within a second.
    *clock += u64::from(input.first().is_some_and(|byte| byte & 7 == 0));
    let now = Now { clock: *clock, today: 5000 };
    for stream in [false, true] {
        let question = match resolver.ask(input, stream, now) {
            Step::Answer(answer) => {
                let most = if stream { usize::from(u16::MAX) } else { 1232 };
                assert!((12..=most).contains(&answer.len()), "{} bytes", answer.len());
                assert_eq!((&answer[..2], answer[2] & 0x80), (&input[..2], 0x80));
                continue;
            }
            Step::Forward(question) => question,
            Step::Drop => continue,
        };
        let sent = question.packet(7);
        assert!(sent.len() >= 12);
        // The same bytes as an answer, and an answer made of the question.
        for mut answer in [input.to_vec(), sent] {
            answer[..2].copy_from_slice(&[0, 7]);
            answer[2] |= 0x80;
            if resolver.hear(&question, 7, &answer, stream, now) == Upshot::Settled {
                assert!(resolver.settle(&question).len() >= 12);
            }
        }
    }
    // As an answer to something that was asked.
    let asked =
        b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";
    if let Step::Forward(question) = resolver.ask(asked, false, now)
        && resolver.hear(&question, 7, input, true, now) == Upshot::Settled
    {
        assert!(resolver.settle(&question).len() >= 12);
    }
}
