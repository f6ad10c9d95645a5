//! What reads packets, and what must hold whatever they are.

use std::net::{IpAddr, Ipv4Addr};

use netyard_core::addr::Mac;
use netyard_core::name::FullName;
use netyard_core::service::dhcp4::{Pool, relay_of};
use netyard_core::service::dns::{Now, Resolver, Step, Upshot, Zone};
use netyard_core::service::served::{Dhcp4, Dns, Reserved, Upstream};

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
