use super::*;
use crate::name::FullName;
use crate::service::dhcp6::{Dhcp6, Pool};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// Netyard's own server: what is proved here is that both understand each other;
/// others' servers are in the kernel tests.
fn server() -> Pool {
    let config = Dhcp6 {
        prefixes: vec!["fd00:1::/64".parse().unwrap()],
        ranges: vec![("fd00:1::10".parse().unwrap(), "fd00:1::10".parse().unwrap())],
        lease: 1000,
        dns: vec!["fd00:1::1".parse().unwrap()],
        search: vec!["lan.test".into()],
        ..Dhcp6::default()
    };
    Pool::new(FullName::new("lan").unwrap(), config, b"server".to_vec(), [])
}

fn client() -> Client {
    Client::new(MAC, Some("laptop".into()), None, 42, 0)
}

fn sent(acts: &[Act]) -> Vec<u8> {
    let send = acts.iter().find_map(|act| match act {
        Act::Send(bytes) => Some(bytes.clone()),
        _ => None,
    });
    send.unwrap_or_else(|| panic!("nothing is sent: {acts:?}"))
}

fn sort_of(packet: &[u8]) -> u8 {
    packet[0]
}

/// What the server says to what the client sent, and what the client does then.
fn through(client: &mut Client, server: &mut Pool, acts: &[Act], now: u64) -> Vec<Act> {
    let from = "fe80::9".parse().unwrap();
    let reply = server.receive(&sent(acts), from, now / 1000).reply.unwrap();
    client.step(Event::Packet(&reply), now)
}

fn bound(client: &mut Client, server: &mut Pool) -> Lease6 {
    let solicit = client.step(Event::Tick, 0);
    match &through(client, server, &solicit, 0)[..] {
        [Act::Bind(lease)] => (**lease).clone(),
        acts => panic!("{acts:?}"),
    }
}

/// Rapid commit taken out: a server that does not know it.
fn slow(packet: &[u8]) -> Vec<u8> {
    let mut message = message::read(packet).unwrap();
    message.opts_mut().remove(OptionCode::RapidCommit);
    message::bytes(&message).unwrap()
}

#[test]
fn an_address_comes_with_two_messages_or_with_four() {
    let (mut quick, mut server) = (client(), server());
    let lease = bound(&mut quick, &mut server);
    assert_eq!(lease.address, "fd00:1::10".parse::<Ipv6Addr>().unwrap());
    assert_eq!((lease.t1, lease.t2, lease.valid), (500, 800, 1000));
    assert_eq!(lease.search, ["lan.test"]);
    assert_eq!(quick.due(), 500_000);

    let mut careful = client();
    let solicit = slow(&sent(&careful.step(Event::Tick, 0)));
    let offer = server.receive(&solicit, "fe80::9".parse().unwrap(), 0).reply.unwrap();
    let request = careful.step(Event::Packet(&offer), 0);
    assert_eq!(sort_of(&sent(&request)), 3);
    assert!(matches!(through(&mut careful, &mut server, &request, 0)[..], [Act::Bind(_)]));
}

#[test]
fn a_lease_is_renewed_with_its_server_then_with_any_and_then_it_ends() {
    let (mut client, mut server) = (client(), server());
    bound(&mut client, &mut server);
    let mut sorts = Vec::new();
    loop {
        let now = client.due();
        let acts = client.step(Event::Tick, now);
        if acts.contains(&Act::Drop) {
            assert_eq!(now, 1_000_000);
            break;
        }
        sorts.push(sort_of(&sent(&acts)));
    }
    let first = sorts.iter().position(|sort| *sort == 6).unwrap();
    assert!(sorts[..first].iter().all(|sort| *sort == 5) && first > 1, "{sorts:?}");
    assert!(sorts[first..].iter().all(|sort| *sort == 6), "{sorts:?}");
}

#[test]
fn an_answer_renews_from_the_question_on() {
    let (mut client, mut server) = (client(), server());
    bound(&mut client, &mut server);
    let renew = client.step(Event::Tick, 500_000);
    assert!(matches!(through(&mut client, &mut server, &renew, 502_000)[..], [Act::Bind(_)]));
    assert_eq!(client.due(), 1_000_000);
}

#[test]
fn a_conflict_is_declined() {
    let (mut client, mut server) = (client(), server());
    bound(&mut client, &mut server);
    let acts = client.step(Event::Conflict, 1000);
    assert_eq!(sort_of(&sent(&acts)), 9);
    assert!(acts.contains(&Act::Drop));
    let answer = server.receive(&sent(&acts), "fe80::9".parse().unwrap(), 1);
    assert_eq!(answer.notes.len(), 1);
    assert_eq!(sort_of(&sent(&client.step(Event::Tick, client.due()))), 1);
}

#[test]
fn a_lease_is_given_back_at_the_end() {
    let (mut client, mut server) = (client(), server());
    bound(&mut client, &mut server);
    let acts = client.stop(1000);
    assert_eq!(sort_of(&sent(&acts)), 8);
    assert_eq!(server.receive(&sent(&acts), "fe80::9".parse().unwrap(), 1).changes.len(), 1);
}

#[test]
fn a_link_that_comes_back_is_asked_whether_it_is_the_same() {
    let (mut client, mut server) = (client(), server());
    let lease = bound(&mut client, &mut server);
    client.step(Event::LinkUp, 10_000);
    let confirm = client.step(Event::Tick, 10_000);
    assert_eq!(sort_of(&sent(&confirm)), 4);
    assert_eq!(through(&mut client, &mut server, &confirm, 10_000), []);
    assert_eq!((client.lease(), client.due()), (Some(&lease), 500_000));
    let config =
        Dhcp6 { prefixes: vec!["fd00:2::/64".parse().unwrap()], ..server.config().clone() };
    let mut other = Pool::new(FullName::new("lan").unwrap(), config, b"server".to_vec(), []);
    client.step(Event::LinkUp, 20_000);
    let confirm = client.step(Event::Tick, 20_000);
    assert_eq!(through(&mut client, &mut other, &confirm, 20_000), [Act::Drop]);
}

#[test]
fn a_server_without_addresses_is_asked_again_and_not_too_often() {
    let (mut first, mut second, mut server) =
        (client(), Client::new(Mac([2, 0, 0, 0, 0, 8]), None, None, 7, 0), server());
    bound(&mut first, &mut server);
    let mut asked = 0;
    while second.due() < 120_000 {
        let now = second.due();
        let acts = second.step(Event::Tick, now);
        let from = "fe80::8".parse().unwrap();
        let reply = server.receive(&sent(&acts), from, now / 1000).reply.unwrap();
        assert_eq!(second.step(Event::Packet(&reply), now), []);
        asked += 1;
    }
    assert!((4..20).contains(&asked), "{asked}");
}

#[test]
fn no_packet_makes_it_panic_or_take_an_address_that_is_none() {
    let mut dice = Dice::new(9);
    for _ in 0..2_000 {
        let (mut client, mut server) = (client(), server());
        let solicit = sent(&client.step(Event::Tick, 0));
        let mut reply = server.receive(&solicit, "fe80::9".parse().unwrap(), 0).reply.unwrap();
        for _ in 0..3 {
            let at = 4 + dice.roll() as usize % (reply.len() - 4);
            reply[at] = dice.roll() as u8;
        }
        for act in client.step(Event::Packet(&reply), 0) {
            let Act::Bind(lease) = act else { continue };
            assert!(!lease.address.is_multicast() && lease.valid > 0);
        }
    }
}

/// A server that has prefixes, and no addresses.
fn delegating(pool: &str) -> Pool {
    let delegation = crate::service::dhcp6::Delegation { pool: pool.parse().unwrap(), length: 56 };
    let config = Dhcp6 { lease: 1000, delegation: Some(delegation), ..Dhcp6::default() };
    Pool::new(FullName::new("isp").unwrap(), config, b"server".to_vec(), [])
}

fn router() -> Client {
    Client::new(MAC, None, None, 42, 0).of_prefix(56)
}

#[test]
fn a_prefix_is_got_renewed_and_given_back() {
    let (mut client, mut server) = (router(), delegating("2001:db8:4200::/40"));
    let lease = bound(&mut client, &mut server);
    assert_eq!((lease.told().as_str(), lease.prefix), ("2001:db8:4200::/56", Some(56)));
    assert_eq!((lease.t1, lease.t2, lease.valid), (500, 800, 1000));
    let renew = client.step(Event::Tick, 500_000);
    assert_eq!(sort_of(&sent(&renew)), 5);
    assert!(matches!(through(&mut client, &mut server, &renew, 502_000)[..], [Act::Bind(_)]));
    let acts = client.stop(600_000);
    assert_eq!(sort_of(&sent(&acts)), 8);
    server.receive(&sent(&acts), "fe80::9".parse().unwrap(), 600);
    assert_eq!(server.delegated(600).count(), 0);
}

#[test]
fn who_asks_for_an_address_takes_no_prefix_and_the_other_way_round() {
    let mut none = delegating("2001:db8:4200::/40");
    let solicit = client().step(Event::Tick, 0);
    assert_eq!(through(&mut client(), &mut none, &solicit, 0), []);
    let (mut router, mut server) = (router(), server());
    let solicit = router.step(Event::Tick, 0);
    assert_eq!(through(&mut router, &mut server, &solicit, 0), []);
}

#[test]
fn a_prefix_from_which_nothing_can_be_cut_is_none() {
    let delegation =
        crate::service::dhcp6::Delegation { pool: "fd00::/40".parse().unwrap(), length: 65 };
    let config = Dhcp6 { lease: 1000, delegation: Some(delegation), ..Dhcp6::default() };
    let mut server = Pool::new(FullName::new("isp").unwrap(), config, b"server".to_vec(), []);
    let mut client = router();
    let solicit = client.step(Event::Tick, 0);
    assert_eq!(through(&mut client, &mut server, &solicit, 0), []);
}

#[test]
fn on_another_link_a_prefix_is_asked_for_again_and_another_takes_its_place() {
    let (mut client, mut server) = (router(), delegating("2001:db8:4200::/40"));
    bound(&mut client, &mut server);
    assert_eq!(client.step(Event::LinkUp, 1000), []);
    // No CONFIRM: that is about addresses (RFC 8415, 18.2.12).
    let rebind = client.step(Event::Tick, client.due());
    assert_eq!(sort_of(&sent(&rebind)), 6);
    let acts = through(&mut client, &mut delegating("2001:db8:8800::/40"), &rebind, 1000);
    let [Act::Drop, Act::Bind(lease)] = &acts[..] else { panic!("{acts:?}") };
    assert_eq!(lease.told(), "2001:db8:8800::/56");
}
