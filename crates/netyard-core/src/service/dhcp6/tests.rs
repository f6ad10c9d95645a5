use super::*;
use dhcproto::v6::{DhcpOptions, ORO};

const SERVER: &[u8] = b"server-id";

fn network() -> FullName {
    FullName::new("lan").unwrap()
}

fn config() -> Dhcp6 {
    Dhcp6 {
        prefixes: vec!["fd00:1::/64".parse().unwrap()],
        ranges: vec![("fd00:1::10".parse().unwrap(), "fd00:1::13".parse().unwrap())],
        lease: 1000,
        reserved: vec![Reserved6 {
            mac: Mac([2, 0, 0, 0, 0, 7]),
            address: "fd00:1::7".parse().unwrap(),
            name: Some("h7".to_owned()),
        }],
        taken: vec!["fd00:1::11".parse().unwrap()],
        delegation: Some(Delegation { pool: "fd00:1:8000::/62".parse().unwrap(), length: 64 }),
        dns: vec!["fd00:1::1".parse().unwrap()],
        search: vec!["lan.test".to_owned()],
    }
}

fn pool() -> Pool {
    Pool::new(network(), config(), SERVER.to_vec(), [])
}

/// A client: its last byte tells it from others.
struct Client(u8);

impl Client {
    fn duid(&self) -> Vec<u8> {
        vec![0, 3, 0, 1, 2, 0, 0, 0, 0, self.0]
    }

    fn from(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, self.0.into())
    }

    fn packet(&self, sort: MessageType, items: &[&str], is_prefix: bool) -> Vec<u8> {
        let mut message = Message::new_with_id(sort, [1, 2, 3]);
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientId(self.duid()));
        let to_one =
            [MessageType::Request, MessageType::Renew, MessageType::Release, MessageType::Decline];
        if to_one.contains(&sort) {
            options.insert(DhcpOption::ServerId(SERVER.to_vec()));
        }
        let items =
            items.iter().map(|net| Item { net: net.parse().unwrap(), preferred: 0, valid: 0 });
        let ia =
            Association { is_prefix, iaid: 1, t1: 0, t2: 0, items: items.collect(), status: None };
        options.insert(ia.option(""));
        message::bytes(&message).unwrap()
    }

    fn ask(&self, pool: &mut Pool, sort: MessageType, items: &[&str], now: u64) -> Answer {
        pool.receive(&self.packet(sort, items, false), self.from(), now)
    }

    fn ask_prefix(&self, pool: &mut Pool, sort: MessageType, items: &[&str], now: u64) -> Answer {
        pool.receive(&self.packet(sort, items, true), self.from(), now)
    }
}

fn heard(answer: &Answer) -> Message {
    message::read(answer.reply.as_ref().unwrap()).unwrap()
}

/// What the first association of an answer has: items as text, valid for so long.
fn given(answer: &Answer) -> Vec<(String, u32)> {
    let items = &message::associations(&heard(answer))[0].items;
    items.iter().map(|item| (item.net.to_string(), item.valid)).collect()
}

fn status(answer: &Answer) -> Option<Status> {
    message::associations(&heard(answer))[0].status
}

#[test]
fn an_offer_binds_nothing_and_is_what_the_request_gets() {
    let (mut pool, client) = (pool(), Client(1));
    let offer = client.ask(&mut pool, MessageType::Solicit, &[], 100);
    assert_eq!(heard(&offer).msg_type(), MessageType::Advertise);
    assert!(offer.changes.is_empty());
    let lease = client.ask(&mut pool, MessageType::Request, &[], 100);
    assert_eq!(given(&lease), given(&offer));
    assert_eq!(given(&lease)[0].1, 1000);
    assert_eq!(lease.changes[0].until, 1100);
    let ia = &message::associations(&heard(&lease))[0];
    assert_eq!((ia.t1, ia.t2), (500, 800));
    let again = client.ask(&mut pool, MessageType::Renew, &[&given(&lease)[0].0], 600);
    assert_eq!((given(&again), again.changes[0].until), (given(&lease), 1600));
}

#[test]
fn rapid_commit_binds_at_once() {
    let mut pool = pool();
    let mut message = message::read(&Client(1).packet(MessageType::Solicit, &[], false)).unwrap();
    message.opts_mut().insert(DhcpOption::RapidCommit);
    let answer = pool.receive(&message::bytes(&message).unwrap(), Client(1).from(), 0);
    assert_eq!(heard(&answer).msg_type(), MessageType::Reply);
    assert!(heard(&answer).opts().get(OptionCode::RapidCommit).is_some());
    assert_eq!(answer.changes.len(), 1);
}

#[test]
fn a_reserved_address_is_its_owners_alone() {
    let mut pool = pool();
    let lease = Client(7).ask(&mut pool, MessageType::Request, &[], 0);
    assert_eq!(given(&lease)[0].0, "fd00:1::7/128");
    assert_eq!(lease.changes[0].name.as_deref(), Some("h7"));
    let other = Client(8).ask(&mut pool, MessageType::Request, &["fd00:1::7/128"], 0);
    assert_ne!(given(&other)[0].0, "fd00:1::7/128");
}

#[test]
fn a_full_range_is_said_and_serves_again_when_a_lease_ends() {
    let mut pool = pool();
    let mut seen = std::collections::BTreeSet::new();
    for n in 1..=3 {
        let lease = Client(n).ask(&mut pool, MessageType::Request, &[], 0);
        seen.insert(given(&lease)[0].0.clone());
    }
    let all = ["fd00:1::10/128", "fd00:1::12/128", "fd00:1::13/128"].map(str::to_owned);
    assert_eq!(seen, all.into());
    let none = Client(4).ask(&mut pool, MessageType::Request, &[], 10);
    assert_eq!((status(&none), given(&none)), (Some(Status::NoAddrsAvail), vec![]));
    assert_eq!(none.notes, [Note::NoAddress(Client(4).from())]);
    Client(2).ask(&mut pool, MessageType::Renew, &[], 500);
    let late = Client(4).ask(&mut pool, MessageType::Request, &[], 1001);
    assert_eq!(given(&late).len(), 1);
}

#[test]
fn what_was_released_is_free_and_what_was_declined_is_not() {
    let mut pool = pool();
    let address = given(&Client(1).ask(&mut pool, MessageType::Request, &[], 0))[0].0.clone();
    let stranger = Client(2).ask(&mut pool, MessageType::Release, &[&address], 1);
    assert_eq!(status(&stranger), Some(Status::NoBinding));
    assert!(stranger.changes.is_empty());
    let gone = Client(1).ask(&mut pool, MessageType::Release, &[&address], 2);
    assert_eq!(gone.changes[0].state, LeaseState::Released);
    assert_eq!(
        given(&Client(2).ask(&mut pool, MessageType::Request, &[&address], 3))[0].0,
        address
    );
    let declined = Client(2).ask(&mut pool, MessageType::Decline, &[&address], 4);
    assert_eq!(declined.notes.len(), 1);
    assert_ne!(
        given(&Client(2).ask(&mut pool, MessageType::Request, &[&address], 5))[0].0,
        address
    );
    let later = Client(3).ask(&mut pool, MessageType::Request, &[&address], 4 + QUARANTINE);
    assert_eq!(given(&later)[0].0, address);
}

#[test]
fn prefixes_are_delegated_by_the_router_that_asked() {
    let mut pool = pool();
    let lease = Client(1).ask_prefix(&mut pool, MessageType::Request, &["::/0"], 0);
    assert_eq!(given(&lease), [("fd00:1:8000::/64".to_owned(), 1000)]);
    let wished = Client(2).ask_prefix(&mut pool, MessageType::Request, &["fd00:1:8000:3::/64"], 0);
    assert_eq!(given(&wished)[0].0, "fd00:1:8000:3::/64");
    let routes: Vec<_> = pool.delegated(10).collect();
    assert_eq!(routes[0], ("fd00:1:8000::/64".parse().unwrap(), Client(1).from()));
    assert_eq!(routes.len(), 2);
    assert_eq!(pool.next_return(10), Some(1000));
    Client(1).ask_prefix(&mut pool, MessageType::Release, &["fd00:1:8000::/64"], 20);
    assert_eq!(pool.delegated(21).count(), 1);
    assert_eq!(pool.delegated(1000).count(), 0);
    for n in 3..=5 {
        assert_eq!(
            given(&Client(n).ask_prefix(&mut pool, MessageType::Request, &[], 30)).len(),
            1,
            "{n}"
        );
    }
    let none = Client(6).ask_prefix(&mut pool, MessageType::Request, &[], 30);
    assert_eq!(status(&none), Some(Status::NoPrefixAvail));
    assert_eq!(none.notes, [Note::NoPrefix(Client(6).from())]);
}

#[test]
fn leases_survive_the_server() {
    let mut first = pool();
    let mut kept = Vec::new();
    kept.extend(Client(1).ask(&mut first, MessageType::Request, &[], 0).changes);
    kept.extend(Client(1).ask_prefix(&mut first, MessageType::Request, &[], 0).changes);
    let text = serde_json::to_string(&kept).unwrap();
    let kept: Vec<Lease> = serde_json::from_str(&text).unwrap();
    let mut second = Pool::new(network(), config(), SERVER.to_vec(), kept.clone());
    assert_eq!(second.delegated(1).count(), 1);
    // Another client does not get it, the same one does.
    let std::net::IpAddr::V6(address) = kept[0].address else { unreachable!() };
    let address = format!("{address}/128");
    assert_ne!(
        given(&Client(2).ask(&mut second, MessageType::Request, &[&address], 1))[0].0,
        address
    );
    assert_eq!(
        given(&Client(1).ask(&mut second, MessageType::Rebind, &[&address], 1))[0].0,
        address
    );
}

#[test]
fn what_a_client_may_not_keep_ends_at_once() {
    let mut pool = pool();
    let renewed = Client(1).ask(&mut pool, MessageType::Renew, &["fd00:9::1/128"], 0);
    assert!(given(&renewed).contains(&("fd00:9::1/128".to_owned(), 0)));
}

#[test]
fn addresses_of_another_link_are_not_confirmed() {
    let mut pool = pool();
    let code = |answer: &Answer| message::status(heard(answer).opts());
    let here = Client(1).ask(&mut pool, MessageType::Confirm, &["fd00:1::99/128"], 0);
    assert_eq!(code(&here), Some(Status::Success));
    let there =
        Client(1).ask(&mut pool, MessageType::Confirm, &["fd00:1::99/128", "fd00:2::1/128"], 0);
    assert_eq!(code(&there), Some(Status::NotOnLink));
    assert_eq!(Client(1).ask(&mut pool, MessageType::Confirm, &[], 0).reply, None);
}

#[test]
fn messages_to_others_and_without_their_identifiers_are_passed_over() {
    let mut pool = pool();
    for (sort, client, server) in [
        (MessageType::Solicit, None, None),
        (MessageType::Solicit, Some(Client(1).duid()), Some(SERVER)),
        (MessageType::Request, Some(Client(1).duid()), None),
        (MessageType::Request, Some(Client(1).duid()), Some(&b"another"[..])),
        (MessageType::Reply, Some(Client(1).duid()), Some(SERVER)),
        (MessageType::Advertise, Some(Client(1).duid()), None),
    ] {
        let mut message = Message::new_with_id(sort, [0; 3]);
        message.opts_mut().extend(client, server);
        let answer = pool.receive(&message::bytes(&message).unwrap(), Client(1).from(), 0);
        assert_eq!(answer, Answer::default(), "{sort:?}");
    }
}

trait Extend {
    fn extend(&mut self, client: Option<Vec<u8>>, server: Option<&[u8]>);
}

impl Extend for DhcpOptions {
    fn extend(&mut self, client: Option<Vec<u8>>, server: Option<&[u8]>) {
        client.into_iter().for_each(|duid| self.insert(DhcpOption::ClientId(duid)));
        server.into_iter().for_each(|duid| self.insert(DhcpOption::ServerId(duid.to_vec())));
    }
}

#[test]
fn who_asks_for_information_alone_gets_what_it_wishes_for() {
    let mut pool = pool();
    let ask = |wishes: Option<Vec<OptionCode>>| {
        let mut message = Message::new_with_id(MessageType::InformationRequest, [4, 5, 6]);
        if let Some(opts) = wishes {
            message.opts_mut().insert(DhcpOption::ORO(ORO { opts }));
        }
        message::bytes(&message).unwrap()
    };
    let all = heard(&pool.receive(&ask(None), Client(1).from(), 0));
    assert_eq!(all.xid(), [4, 5, 6]);
    assert!(all.opts().get(OptionCode::DomainNameServers).is_some());
    assert!(all.opts().get(OptionCode::DomainSearchList).is_some());
    let few =
        heard(&pool.receive(&ask(Some(vec![OptionCode::DomainNameServers])), Client(1).from(), 0));
    assert!(few.opts().get(OptionCode::DomainNameServers).is_some());
    assert!(few.opts().get(OptionCode::DomainSearchList).is_none());
}

#[test]
fn no_packet_makes_it_panic_or_bind_what_is_not_its_own() {
    let mut pool = pool();
    let seeds: Vec<Vec<u8>> = [
        MessageType::Solicit,
        MessageType::Request,
        MessageType::Renew,
        MessageType::Release,
        MessageType::Decline,
    ]
    .into_iter()
    .flat_map(|sort| {
        [
            Client(1).packet(sort, &["fd00:1::10/128"], false),
            Client(1).packet(sort, &["fd00:1:8000::/64"], true),
        ]
    })
    .collect();
    let mut dice = 1u64;
    for round in 0..2_000u64 {
        let mut packet = seeds[(round % seeds.len() as u64) as usize].clone();
        for _ in 0..3 {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = (dice >> 33) as usize % packet.len();
            packet[at] = (dice >> 24) as u8;
        }
        for lease in pool.receive(&packet, Client(1).from(), round / 10).changes {
            assert!(pool.may_have(net_of(&lease).unwrap()), "{lease:?}");
        }
    }
}
