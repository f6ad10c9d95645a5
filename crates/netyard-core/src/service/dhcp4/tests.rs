use dhcproto::v4::{DhcpOption, Flags, Message, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};

use super::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, last)
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn config() -> Dhcp4 {
    Dhcp4 {
        subnet: "10.1.0.0/24".parse().unwrap(),
        server: SERVER,
        ranges: vec![(at(100), at(103))],
        lease: 3600,
        reserved: vec![Reserved { mac: mac(7), address: at(7), name: Some("h1".into()) }],
        taken: vec![at(101)],
        gateway: Some(SERVER),
        dns: vec![SERVER],
        domain: Some("lan.test".into()),
        mtu: Some(1400),
        options: vec![(42, vec![10, 1, 0, 9])],
    }
}

fn pool() -> Pool {
    Pool::new(FullName::new("lan").unwrap(), config(), [])
}

/// A client's packet.
struct Ask(Message);

impl Ask {
    fn new(sort: MessageType, client: u8) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(7, none, none, none, none, &mac(client).0);
        message.opts_mut().insert(DhcpOption::MessageType(sort));
        Self(message)
    }

    fn option(mut self, option: DhcpOption) -> Self {
        self.0.opts_mut().insert(option);
        self
    }

    fn address(self, address: Ipv4Addr) -> Self {
        self.option(DhcpOption::RequestedIpAddress(address))
    }

    fn server(self) -> Self {
        self.option(DhcpOption::ServerIdentifier(SERVER))
    }

    fn from(mut self, address: Ipv4Addr) -> Self {
        self.0.set_ciaddr(address);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.encode(&mut Encoder::new(&mut bytes)).unwrap();
        bytes
    }
}

fn read(reply: &Reply) -> Message {
    assert!(reply.bytes.len() >= 300);
    Message::decode(&mut Decoder::new(&reply.bytes)).unwrap()
}

/// The sort of the answer and the address in it.
fn said(answer: &Answer) -> Option<(MessageType, Ipv4Addr)> {
    let message = read(answer.reply.as_ref()?);
    assert_eq!((message.opcode(), message.xid()), (Opcode::BootReply, 7));
    Some((message.opts().msg_type().unwrap(), message.yiaddr()))
}

/// Discover, offer, request, acknowledgement.
fn handshake(pool: &mut Pool, client: u8, now: u64) -> Option<Ipv4Addr> {
    let (sort, address) =
        said(&pool.receive(&Ask::new(MessageType::Discover, client).bytes(), now))?;
    assert_eq!(sort, MessageType::Offer);
    let request = Ask::new(MessageType::Request, client).address(address).server();
    let answer = pool.receive(&request.bytes(), now);
    assert_eq!(said(&answer), Some((MessageType::Ack, address)));
    let bound = answer.changes.last().unwrap();
    assert_eq!((bound.address, bound.until), (address.into(), now + 3600));
    Some(address)
}

#[test]
fn a_client_gets_an_address_of_the_range_and_the_same_again() {
    let mut pool = pool();
    let first = handshake(&mut pool, 1, 100).unwrap();
    assert!(first >= at(100) && first <= at(103));
    assert_eq!(handshake(&mut pool, 1, 200), Some(first));
    assert_ne!(handshake(&mut pool, 2, 200), Some(first));
}

#[test]
fn an_acknowledgement_has_all_that_configures_a_client() {
    let mut pool = pool();
    let request = Ask::new(MessageType::Request, 1).address(at(100)).server();
    let answer = pool.receive(&request.bytes(), 0);
    let message = read(answer.reply.as_ref().unwrap());
    let has = |code, option| assert_eq!(message.opts().get(code), Some(&option));
    has(OptionCode::SubnetMask, DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)));
    has(OptionCode::Router, DhcpOption::Router(vec![SERVER]));
    has(OptionCode::DomainNameServer, DhcpOption::DomainNameServer(vec![SERVER]));
    has(OptionCode::DomainName, DhcpOption::DomainName("lan.test".into()));
    has(OptionCode::AddressLeaseTime, DhcpOption::AddressLeaseTime(3600));
    has(OptionCode::Renewal, DhcpOption::Renewal(1800));
    has(OptionCode::Rebinding, DhcpOption::Rebinding(3150));
    has(OptionCode::BroadcastAddr, DhcpOption::BroadcastAddr(at(255)));
    has(OptionCode::InterfaceMtu, DhcpOption::InterfaceMtu(1400));
    has(OptionCode::NtpServers, DhcpOption::NtpServers(vec![at(9)]));
    has(OptionCode::ServerIdentifier, DhcpOption::ServerIdentifier(SERVER));
}

#[test]
fn a_reserved_address_is_its_clients_alone() {
    let mut pool = pool();
    assert_eq!(handshake(&mut pool, 7, 0), Some(at(7)));
    let thief = Ask::new(MessageType::Request, 8).address(at(7));
    assert_eq!(said(&pool.receive(&thief.bytes(), 0)).unwrap().0, MessageType::Nak);
    // Whatever identifier it sends: a boot loader and its system are one.
    let other = Ask::new(MessageType::Request, 7)
        .option(DhcpOption::ClientIdentifier(vec![0xff, 1, 2, 3]))
        .address(at(7));
    let answer = pool.receive(&other.bytes(), 1);
    assert_eq!(said(&answer), Some((MessageType::Ack, at(7))));
    assert_eq!(answer.changes[0].name.as_deref(), Some("h1"));
    // What it has by chance it must leave for what is its own.
    let elsewhere = Ask::new(MessageType::Request, 7).from(at(100));
    assert_eq!(said(&pool.receive(&elsewhere.bytes(), 2)).unwrap().0, MessageType::Nak);
}

#[test]
fn a_full_range_is_said_and_ends_when_a_lease_does() {
    let mut pool = pool();
    for client in 1..=3 {
        assert!(handshake(&mut pool, client, 0).is_some());
    }
    let ask = Ask::new(MessageType::Discover, 4).bytes();
    let answer = pool.receive(&ask, 10);
    assert_eq!((answer.reply, answer.note), (None, Some(Note::Exhausted(mac(4)))));
    // The reserved client and those that have a lease go on.
    assert_eq!(handshake(&mut pool, 7, 10), Some(at(7)));
    assert!(handshake(&mut pool, 1, 3000).is_some());
    assert!(said(&pool.receive(&ask, 3601)).is_some());
}

#[test]
fn an_address_given_back_is_the_last_to_be_given_to_others() {
    let mut pool = pool();
    let mine = handshake(&mut pool, 1, 0).unwrap();
    let answer = pool.receive(&Ask::new(MessageType::Release, 1).from(mine).bytes(), 5);
    assert_eq!(answer.changes[0].state, LeaseState::Released);
    assert_eq!(answer.reply, None);
    let others: Vec<_> = (2..=3).map(|c| handshake(&mut pool, c, 6).unwrap()).collect();
    assert!(!others.contains(&mine));
    assert_eq!(handshake(&mut pool, 1, 7), Some(mine));
}

#[test]
fn nobody_gets_an_address_that_was_declined() {
    let mut pool = pool();
    let bad = handshake(&mut pool, 1, 0).unwrap();
    let decline = Ask::new(MessageType::Decline, 1).address(bad).server();
    let answer = pool.receive(&decline.bytes(), 1);
    assert_eq!(answer.note, Some(Note::InUse(bad, mac(1))));
    assert_eq!(answer.changes[0].state, LeaseState::Declined);
    assert_ne!(handshake(&mut pool, 1, 2), Some(bad));
    assert_ne!(handshake(&mut pool, 2, 2), Some(bad));
    // A stranger cannot make others' addresses unusable.
    let other = handshake(&mut pool, 1, 3).unwrap();
    let trick = Ask::new(MessageType::Decline, 9).address(other).server();
    assert_eq!(pool.receive(&trick.bytes(), 3), Answer::default());
}

#[test]
fn renewing_goes_on_and_a_strange_address_is_refused() {
    let mut pool = pool();
    let mine = handshake(&mut pool, 1, 0).unwrap();
    let answer = pool.receive(&Ask::new(MessageType::Request, 1).from(mine).bytes(), 1800);
    assert_eq!(answer.changes[0].until, 1800 + 3600);
    let reply = answer.reply.unwrap();
    assert_eq!((reply.to, read(&reply).ciaddr()), (To::Client(mine), mine));
    let strange = Ask::new(MessageType::Request, 1).from(Ipv4Addr::new(10, 9, 9, 9));
    let answer = pool.receive(&strange.bytes(), 1801);
    assert_eq!(answer.reply.as_ref().unwrap().to, To::Broadcast);
    assert_eq!(said(&answer).unwrap().0, MessageType::Nak);
}

#[test]
fn a_client_that_remembers_keeps_its_address_though_the_leases_are_lost() {
    let mut pool = pool();
    let reboot = Ask::new(MessageType::Request, 1).address(at(102));
    assert_eq!(said(&pool.receive(&reboot.bytes(), 0)), Some((MessageType::Ack, at(102))));
    let other = Ask::new(MessageType::Request, 2).address(at(102));
    assert_eq!(said(&pool.receive(&other.bytes(), 0)).unwrap().0, MessageType::Nak);
}

#[test]
fn another_servers_client_is_left_to_it() {
    let mut pool = pool();
    let address = said(&pool.receive(&Ask::new(MessageType::Discover, 1).bytes(), 0)).unwrap().1;
    let elsewhere = Ask::new(MessageType::Request, 1)
        .address(at(5))
        .option(DhcpOption::ServerIdentifier(at(5)));
    // Its owner is told.
    let note = Some(Note::OtherServer(at(5), mac(1)));
    assert_eq!(pool.receive(&elsewhere.bytes(), 0), Answer { note, ..Answer::default() });
    // What was kept for it is free again.
    let next = Ask::new(MessageType::Request, 2).address(address);
    assert_eq!(said(&pool.receive(&next.bytes(), 0)), Some((MessageType::Ack, address)));
}

#[test]
fn an_offer_is_kept_for_whom_it_was_made() {
    let mut pool = pool();
    let address = said(&pool.receive(&Ask::new(MessageType::Discover, 1).bytes(), 0)).unwrap().1;
    let other = Ask::new(MessageType::Request, 2).address(address);
    assert_eq!(said(&pool.receive(&other.bytes(), 1)).unwrap().0, MessageType::Nak);
    assert_eq!(said(&pool.receive(&other.bytes(), 31)), Some((MessageType::Ack, address)));
}

#[test]
fn copies_of_one_machine_get_addresses_of_their_own() {
    let mut pool = pool();
    let ask = |client, address| {
        Ask::new(MessageType::Request, client)
            .option(DhcpOption::ClientIdentifier(vec![0xff, 9, 9]))
            .address(address)
    };
    let answer = pool.receive(&ask(1, at(100)).bytes(), 0);
    assert_eq!(said(&answer), Some((MessageType::Ack, at(100))));
    let answer = pool.receive(&ask(2, at(100)).bytes(), 1);
    assert_eq!(said(&answer).unwrap().0, MessageType::Nak);
    assert_eq!(answer.note, Some(Note::SameIdentifier(mac(2), mac(1))));
    let answer = pool.receive(&ask(2, at(102)).bytes(), 2);
    assert_eq!(said(&answer), Some((MessageType::Ack, at(102))));
    // Both renew.
    for (client, address) in [(1, at(100)), (2, at(102))] {
        let answer = pool.receive(&ask(client, address).from(address).bytes(), 3);
        assert_eq!(said(&answer), Some((MessageType::Ack, address)));
    }
}

#[test]
fn one_hardware_address_with_two_names_is_said() {
    let mut pool = pool();
    let ask = |client, name: &str| {
        let ask = Ask::new(MessageType::Request, client).address(at(100));
        ask.option(DhcpOption::Hostname(name.to_owned())).bytes()
    };
    assert_eq!(pool.receive(&ask(1, "one"), 0).note, None);
    assert_eq!(pool.receive(&ask(1, "one"), 1).note, None);
    let note = Some(Note::OtherName(mac(1), "one".into(), "two".into()));
    assert_eq!(pool.receive(&ask(1, "two"), 2).note, note);
    // After the lease it may be a machine that was given another name.
    assert_eq!(pool.receive(&ask(1, "three"), 100_000).note, None);
}

#[test]
fn answers_go_where_the_client_can_hear_them() {
    let mut pool = pool();
    let to = |pool: &mut Pool, ask: &Ask| pool.receive(&ask.bytes(), 0).reply.unwrap().to;
    let mut ask = Ask::new(MessageType::Discover, 7);
    assert_eq!(to(&mut pool, &ask), To::Hardware(mac(7), at(7)));
    ask.0.set_flags(Flags::default().set_broadcast());
    assert_eq!(to(&mut pool, &ask), To::Broadcast);
    ask.0.set_giaddr(at(253));
    assert_eq!(to(&mut pool, &ask), To::Relay(at(253)));
    let inform = Ask::new(MessageType::Inform, 9).from(at(50));
    let answer = pool.receive(&inform.bytes(), 0);
    let reply = answer.reply.unwrap();
    assert_eq!(reply.to, To::Client(at(50)));
    let message = read(&reply);
    assert_eq!(message.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert!(!message.opts().contains(OptionCode::AddressLeaseTime));
}

#[test]
fn a_relay_agents_option_comes_back_and_a_refusal_by_it_is_broadcast() {
    let mut pool = pool();
    let mut ask = Ask::new(MessageType::Request, 1).address(Ipv4Addr::new(10, 9, 9, 9));
    ask.0.set_giaddr(at(253));
    let code = OptionCode::RelayAgentInformation;
    let agent = dhcproto::v4::UnknownOption::new(code, vec![1, 2, 0xaa, 0xbb]);
    let answer = pool.receive(&ask.option(DhcpOption::Unknown(agent)).bytes(), 0);
    let reply = answer.reply.unwrap();
    assert_eq!(reply.to, To::Relay(at(253)));
    let message = read(&reply);
    assert!(message.flags().broadcast());
    assert!(message.opts().contains(code));
}

#[test]
fn a_shorter_time_is_granted_and_a_longer_one_is_not() {
    let mut pool = pool();
    for (asked, granted) in [(60, 60), (1_000_000, 3600), (0, 3600), (u32::MAX, 3600)] {
        let ask = Ask::new(MessageType::Request, 1)
            .address(at(100))
            .option(DhcpOption::AddressLeaseTime(asked));
        let answer = pool.receive(&ask.bytes(), 10);
        assert_eq!(answer.changes.last().unwrap().until, 10 + granted);
    }
}

#[test]
fn a_name_is_a_label_or_none() {
    let mut pool = pool();
    let mut name_for = |name: &str| {
        let ask = Ask::new(MessageType::Request, 1)
            .address(at(100))
            .option(DhcpOption::Hostname(name.into()));
        pool.receive(&ask.bytes(), 0).changes[0].name.clone()
    };
    assert_eq!(name_for("Printer.office").as_deref(), Some("printer"));
    for bad in ["-x", "a b", "über", ".x", &"x".repeat(64)] {
        assert_eq!(name_for(bad), None, "{bad}");
    }
}

#[test]
fn what_is_cut_short_or_no_request_changes_nothing() {
    let mut pool = pool();
    let whole = Ask::new(MessageType::Request, 1).address(at(100)).bytes();
    for length in 0..whole.len() {
        let answer = pool.receive(&whole[..length], 0);
        // The options that are whole count.
        assert!(answer.reply.is_none() || length > 240 + 6, "cut at {length}");
    }
    for (place, value) in [(0, 2), (1, 6), (2, 16), (2, 255), (236, 0), (28, 1)] {
        let mut broken = whole.clone();
        broken[place] = value;
        broken.resize(400, 0);
        assert_eq!(pool.receive(&broken, 0), Answer::default(), "byte {place} is {value}");
    }
}

#[test]
fn leases_that_were_read_are_kept() {
    let mut before = pool();
    let mine = handshake(&mut before, 1, 0).unwrap();
    let kept: Vec<Lease> = before.leases.values().cloned().collect();
    let mut pool = Pool::new(FullName::new("lan").unwrap(), config(), kept);
    for client in 2..=3 {
        assert_ne!(handshake(&mut pool, client, 1), Some(mine));
    }
    assert_eq!(handshake(&mut pool, 1, 2), Some(mine));
}
