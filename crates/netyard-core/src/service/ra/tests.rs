use super::*;

fn full() -> Ra {
    let net = |text: &str| text.parse::<Ipv6Net>().unwrap();
    Ra {
        lifetime: 1800,
        managed: true,
        preference: Preference::High,
        mtu: Some(1420),
        prefixes: vec![Advertised {
            net: net("fd00:1::/64"),
            on_link: true,
            autonomous: true,
            valid: Ra::VALID,
            preferred: Ra::PREFERRED,
        }],
        routes: ["::/0", "fd00::/8", "2001:db8:1:2::/64", "2001:db8::1/128"]
            .map(|text| Led { net: net(text), preference: Preference::Low, lifetime: 600 })
            .to_vec(),
        rdnss: vec!["fd00:1::1".parse().unwrap(), "fd00:1::2".parse().unwrap()],
        dnssl: vec!["lan.test".to_owned(), "example".to_owned()],
        dns_lifetime: 1800,
        source: Some(Mac([2, 0, 0, 0, 0, 1])),
        ..Ra::default()
    }
}

#[test]
fn what_is_said_is_heard() {
    let ra = full();
    let packet = ra.packet(ra.source);
    assert_eq!(packet.len() % 8, 0);
    assert_eq!(Ra::read(&packet), Some(ra));
}

#[test]
fn an_advertisement_is_as_rfc_4861_draws_it() {
    let ra = Ra { routes: Vec::new(), rdnss: Vec::new(), dnssl: Vec::new(), ..full() };
    let packet = ra.packet(None);
    assert_eq!(packet[..8], [134, 0, 0, 0, 64, 0x88, 0x07, 0x08]);
    assert_eq!(packet[16..24], [5, 1, 0, 0, 0, 0, 0x05, 0x8c]);
    assert_eq!(packet[24..36], [3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0xa8, 0xc0]);
    assert_eq!(packet[40..44], [0xfd, 0, 0, 1]);
    assert_eq!(packet.len(), 56);
}

#[test]
fn what_is_cut_short_is_no_advertisement() {
    let packet = full().packet(full().source);
    for length in 0..packet.len() {
        let heard = Ra::read(&packet[..length]);
        assert_eq!(
            heard.is_some(),
            length >= HEADER && length % 8 == 0 && whole(&packet, length),
            "{length}"
        );
    }
    let mut endless = packet;
    endless[17] = 0;
    assert_eq!(Ra::read(&endless), None);
}

/// An option ends there.
fn whole(packet: &[u8], length: usize) -> bool {
    let mut at = HEADER;
    while at < length {
        at += usize::from(packet[at + 1]) * 8;
    }
    at == length
}

#[test]
fn a_host_without_an_address_has_no_hardware_address_in_its_question() {
    let asked = solicitation(Some(Mac([2, 0, 0, 0, 0, 1])));
    assert!(is_solicitation(&asked, "fe80::1".parse().unwrap()));
    assert!(!is_solicitation(&asked, Ipv6Addr::UNSPECIFIED));
    assert!(is_solicitation(&solicitation(None), Ipv6Addr::UNSPECIFIED));
    assert!(!is_solicitation(&asked[..12], "fe80::1".parse().unwrap()));
    assert!(!is_solicitation(&full().packet(None), "fe80::1".parse().unwrap()));
}

#[test]
fn the_last_words_take_back_the_way_out_and_the_names_but_no_address() {
    let last = full().farewell();
    assert_eq!((last.lifetime, last.dns_lifetime), (0, 0));
    assert!(last.routes.iter().all(|route| route.lifetime == 0));
    assert_eq!(last.prefixes, full().prefixes);
}

#[test]
fn a_prefix_that_is_gone_is_taken_back() {
    let (before, mut now) = (full(), full());
    now.prefixes[0].net = "fd00:2::/64".parse().unwrap();
    let said = now.after(&before);
    assert_eq!(said.prefixes.len(), 2);
    assert_eq!((said.prefixes[1].net, said.prefixes[1].valid), (before.prefixes[0].net, 0));
    assert_eq!(before.after(&before), before);
}

#[test]
fn the_first_three_come_soon_and_then_it_is_quiet() {
    let ra = Ra::default();
    let mut schedule = Schedule::new(1000);
    let mut at = Vec::new();
    for _ in 0..5 {
        let now = schedule.due();
        at.push(now);
        schedule.sent(&ra, now, u32::MAX);
    }
    let apart: Vec<u64> = at.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(at[0], 1000);
    assert_eq!(apart[..2], [16_000, 16_000]);
    assert!(apart[2..].iter().all(|ms| (200_000..600_000).contains(ms)), "{apart:?}");
}

#[test]
fn many_questions_have_one_answer_in_three_seconds() {
    let ra = Ra::default();
    let mut schedule = Schedule::new(0);
    for now in [0, 20_000, 40_000] {
        schedule.sent(&ra, now, u32::MAX);
    }
    for ms in 0..100 {
        schedule.asked(40_001 + ms, 7);
    }
    assert_eq!(schedule.due(), 43_000);
    schedule.sent(&ra, 60_000, 0);
    schedule.asked(100_000, 123);
    assert_eq!(schedule.due(), 100_123);
}
