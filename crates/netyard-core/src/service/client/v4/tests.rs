use super::reply::{classless, options};
use super::*;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 100);

/// A server that answers a request as it is told.
fn answer(to: &[u8], sort: MessageType, more: &[DhcpOption]) -> Vec<u8> {
    let asked = dhcproto::v4::borrowed::Message::new(to).unwrap();
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(asked.xid(), none, GIVEN, none, none, asked.chaddr());
    message.set_opcode(Opcode::BootReply);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(sort));
    options.insert(DhcpOption::ServerIdentifier(SERVER));
    if sort != MessageType::Nak {
        options.insert(DhcpOption::AddressLeaseTime(1000));
        options.insert(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
        options.insert(DhcpOption::Router(vec![SERVER]));
        options.insert(DhcpOption::DomainNameServer(vec![SERVER]));
    }
    more.iter().for_each(|option| {
        options.insert(option.clone());
    });
    bytes(&message).unwrap()
}

fn sort_of(packet: &[u8]) -> u8 {
    options(&packet[240..]).iter().find(|(code, _)| *code == 53).unwrap().1[0]
}

fn sent(acts: &[Act]) -> Vec<u8> {
    acts.iter()
        .find_map(|act| match act {
            Act::Broadcast(bytes) | Act::Unicast(_, bytes) => Some(bytes.clone()),
            _ => None,
        })
        .unwrap_or_else(|| panic!("nothing is sent: {acts:?}"))
}

fn client() -> Client {
    Client::new(MAC, Some("laptop".into()), None, 42, 0)
}

/// Through offer, acknowledgement and probes.
fn bound(client: &mut Client, now: u64) -> Lease4 {
    let discover = sent(&client.step(Event::Tick, now));
    assert_eq!(sort_of(&discover), 1);
    let request =
        sent(&client.step(Event::Packet(&answer(&discover, MessageType::Offer, &[])), now));
    assert_eq!(sort_of(&request), 3);
    let acts = client.step(Event::Packet(&answer(&request, MessageType::Ack, &[])), now);
    assert_eq!(acts, [Act::Probe(GIVEN)]);
    for _ in 0..2 {
        assert_eq!(client.step(Event::Tick, client.due()), [Act::Probe(GIVEN)]);
    }
    match &client.step(Event::Tick, client.due())[..] {
        [Act::Bind(lease)] => (**lease).clone(),
        acts => panic!("{acts:?}"),
    }
}

#[test]
fn an_address_is_had_after_nobody_else_said_it_is_theirs() {
    let mut client = client();
    let lease = bound(&mut client, 0);
    assert_eq!(lease.address, "10.1.0.100/24".parse().unwrap());
    assert_eq!((lease.gateway, lease.dns.as_slice()), (Some(SERVER), &[SERVER][..]));
    assert_eq!((lease.t1, lease.t2), (500, 875));
    assert_eq!(client.lease(), Some(&lease));
    assert_eq!(client.due(), 500_000);
}

#[test]
fn a_conflict_is_declined_and_all_begins_again_later() {
    let mut client = client();
    let discover = sent(&client.step(Event::Tick, 0));
    let request = sent(&client.step(Event::Packet(&answer(&discover, MessageType::Offer, &[])), 0));
    client.step(Event::Packet(&answer(&request, MessageType::Ack, &[])), 0);
    let acts = client.step(Event::Conflict, 100);
    assert_eq!(sort_of(&sent(&acts)), 4);
    assert!(!acts.contains(&Act::Drop), "it was not had yet");
    assert_eq!(client.step(Event::Tick, 5_000), []);
    assert_eq!(sort_of(&sent(&client.step(Event::Tick, 100 + AFTER_CONFLICT))), 1);
}

#[test]
fn a_lease_is_renewed_with_its_server_then_with_any_and_then_it_ends() {
    let mut client = client();
    bound(&mut client, 0);
    let mut seen = Vec::new();
    while seen.last() != Some(&"end") {
        let now = client.due();
        assert!(now <= 1_000_000);
        for act in client.step(Event::Tick, now) {
            seen.push(match act {
                Act::Unicast(to, _) if to == SERVER => "server",
                Act::Broadcast(packet) if sort_of(&packet) == 3 => "any",
                Act::Drop => "end",
                Act::Broadcast(_) | Act::Say(_) => continue,
                act => panic!("{act:?}"),
            });
        }
    }
    let first_any = seen.iter().position(|one| *one == "any").unwrap();
    assert!(seen[..first_any].iter().all(|one| *one == "server") && first_any > 1, "{seen:?}");
    assert_eq!(client.lease(), None);
}

#[test]
fn a_renewed_lease_is_counted_from_the_question() {
    let mut client = client();
    bound(&mut client, 0);
    let request = sent(&client.step(Event::Tick, 500_000));
    let acts = client.step(Event::Packet(&answer(&request, MessageType::Ack, &[])), 501_000);
    assert!(matches!(acts[..], [Act::Bind(_)]), "{acts:?}");
    assert_eq!(client.due(), 1_000_000);
}

#[test]
fn what_was_had_before_is_asked_for_again() {
    let mut first = client();
    let lease = bound(&mut first, 0);
    let mut second = Client::new(MAC, None, Some(lease.clone()), 43, 0);
    let request = sent(&second.step(Event::Tick, 0));
    assert_eq!(sort_of(&request), 3);
    let wanted = options(&request[240..]).into_iter().find(|(code, _)| *code == 50).unwrap().1;
    assert_eq!(wanted, GIVEN.octets());
    let refused = second.step(Event::Packet(&answer(&request, MessageType::Nak, &[])), 0);
    assert_eq!(sort_of(&sent(&refused)), 1);
    // Nobody answers: it does not ask for ever.
    let mut third = Client::new(MAC, None, Some(lease), 44, 0);
    let sorts: Vec<u8> =
        (0..5).map(|_| sort_of(&sent(&third.step(Event::Tick, third.due())))).collect();
    assert_eq!(sorts, [3, 3, 3, 3, 1]);
}

#[test]
fn a_link_that_comes_back_is_asked_whether_it_is_the_same() {
    let mut client = client();
    let lease = bound(&mut client, 0);
    client.step(Event::LinkUp, 100_000);
    for _ in 0..REQUESTS {
        assert_eq!(sort_of(&sent(&client.step(Event::Tick, client.due()))), 3);
    }
    // Nobody answers: it is kept to its end.
    assert_eq!(client.step(Event::Tick, client.due()), []);
    assert_eq!((client.lease(), client.due()), (Some(&lease), 500_000));
    client.step(Event::LinkUp, 200_000);
    let request = sent(&client.step(Event::Tick, client.due()));
    let acts = client.step(Event::Packet(&answer(&request, MessageType::Nak, &[])), 200_000);
    assert_eq!(acts[0], Act::Drop);
}

#[test]
fn a_lease_is_given_back_at_the_end() {
    let mut client = client();
    bound(&mut client, 0);
    let acts = client.stop(10);
    assert_eq!(sort_of(&sent(&acts)), 7);
    assert_eq!(acts.last(), Some(&Act::Drop));
    assert_eq!(Client::new(MAC, None, None, 1, 0).stop(0), []);
}

#[test]
fn answers_to_others_are_not_heard() {
    let mut client = client();
    let discover = sent(&client.step(Event::Tick, 0));
    let mut other = answer(&discover, MessageType::Offer, &[]);
    other[4] ^= 1;
    assert_eq!(client.step(Event::Packet(&other), 0), []);
    let mut other = answer(&discover, MessageType::Offer, &[]);
    other[28 + 5] ^= 1;
    assert_eq!(client.step(Event::Packet(&other), 0), []);
    assert_eq!(client.step(Event::Packet(&discover), 0), []);
}

#[test]
fn routes_stand_for_the_router() {
    let more = [DhcpOption::ClasslessStaticRoute(vec![
        ("10.9.0.0/16".parse().unwrap(), Ipv4Addr::new(10, 1, 0, 3)),
        ("0.0.0.0/0".parse().unwrap(), Ipv4Addr::new(10, 1, 0, 4)),
    ])];
    let mut client = client();
    let discover = sent(&client.step(Event::Tick, 0));
    let packet = answer(&discover, MessageType::Offer, &more);
    let lease = Reply::read(&packet, client.xid, MAC).unwrap().lease().unwrap();
    assert_eq!(lease.gateway, Some(Ipv4Addr::new(10, 1, 0, 4)));
    assert_eq!(lease.routes, [("10.9.0.0/16".parse().unwrap(), Ipv4Addr::new(10, 1, 0, 3))]);
    assert_eq!(classless(&[33, 1, 1, 1, 1, 1, 1, 1, 1, 1]), []);
}

#[test]
fn a_domain_that_is_none_does_not_come_to_a_file() {
    let mut client = client();
    let discover = sent(&client.step(Event::Tick, 0));
    for (name, search) in
        [("lan.test", vec!["lan.test".to_owned()]), ("a\nnameserver 6.6.6.6", vec![])]
    {
        let packet = answer(&discover, MessageType::Offer, &[DhcpOption::DomainName(name.into())]);
        assert_eq!(Reply::read(&packet, client.xid, MAC).unwrap().lease().unwrap().search, search);
    }
}

#[test]
fn no_packet_makes_it_panic() {
    let mut dice = Dice::new(9);
    for round in 0..2_000 {
        let mut client = client();
        let discover = sent(&client.step(Event::Tick, 0));
        let mut packet =
            answer(&discover, MessageType::Offer, &[DhcpOption::DomainName("x".into())]);
        for _ in 0..3 {
            let at = 28 + dice.roll() as usize % (packet.len() - 28);
            packet[at] = dice.roll() as u8;
        }
        packet.truncate(packet.len() - round % 60);
        client.step(Event::Packet(&packet), 0);
    }
}
