use std::net::IpAddr;

use hickory_proto::op::{Edns, OpCode, Query};
use hickory_proto::rr::rdata::{A, CNAME, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::*;
use crate::name::FullName;
use crate::service::lease::{Lease, LeaseState};
use crate::service::served::{Dns, Upstream};

fn zone() -> Zone {
    let records = [
        ("h1", vec!["10.1.0.7", "fd00:1::7"]),
        ("r1.deep", vec!["10.1.0.9"]),
        ("gw", vec!["10.1.0.254", "192.0.2.1"]),
        ("no good name", vec!["10.1.0.3"]),
    ];
    let parse = |list: Vec<&str>| list.iter().map(|a| a.parse().unwrap()).collect();
    let records = records.into_iter().map(|(name, list)| (name.to_owned(), parse(list))).collect();
    let config = Dns { domain: "lan.test".into(), records, forward: Upstream::None, cache: 2 };
    Zone::new(&config, vec!["10.1.0.0/24".parse().unwrap(), "fd00:1::/64".parse().unwrap()])
}

fn resolver() -> Resolver {
    Resolver::new(zone(), 2, true)
}

const NOW: Now = Now { clock: 1000, today: 5000 };

fn later(seconds: u64) -> Now {
    Now { clock: NOW.clock + seconds, today: NOW.today + seconds }
}

fn name(text: &str) -> Name {
    Name::from_utf8(text).unwrap()
}

fn query(text: &str, sort: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(text), sort));
    message
}

fn bytes(text: &str, sort: RecordType) -> Vec<u8> {
    query(text, sort).to_vec().unwrap()
}

fn answered(step: Step) -> Message {
    match step {
        Step::Answer(answer) => Message::from_vec(&answer).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The code, and the data as text.
fn ask(resolver: &mut Resolver, text: &str, sort: RecordType) -> (ResponseCode, Vec<String>) {
    let answer = answered(resolver.ask(&bytes(text, sort), false, NOW));
    assert_eq!(answer.metadata.id, 77);
    let data = answer.answers.iter().map(|r| r.data.to_string()).collect();
    (answer.metadata.response_code, data)
}

fn forwarded(resolver: &mut Resolver, text: &str, sort: RecordType, now: Now) -> Question {
    match resolver.ask(&bytes(text, sort), false, now) {
        Step::Forward(question) => question,
        other => panic!("{other:?}"),
    }
}

/// What an upstream server says to a question under an id.
fn upstream(question: &Question, id: u16, answers: Vec<(u32, RData)>) -> Message {
    let mut message = Message::response(id, OpCode::Query);
    message.add_query(question.query.clone());
    let owner = question.query.name().clone();
    message.answers = answers
        .into_iter()
        .map(|(ttl, data)| Record::from_rdata(owner.clone(), ttl, data))
        .collect();
    message
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn lease(client: &str, last: u8, until: u64) -> Lease {
    Lease {
        network: FullName::new("lan").unwrap(),
        address: IpAddr::from([10, 1, 0, last]),
        prefix: None,
        client: client.into(),
        mac: None,
        name: Some(client.into()),
        until,
        state: LeaseState::Bound,
        via: None,
    }
}

#[test]
fn a_node_is_known_by_its_name_and_within_the_domain() {
    let mut resolver = resolver();
    for text in ["h1.", "h1.lan.test.", "H1.LAN.test."] {
        let four = (ResponseCode::NoError, vec!["10.1.0.7".to_owned()]);
        assert_eq!(ask(&mut resolver, text, RecordType::A), four, "{text}");
        let six = (ResponseCode::NoError, vec!["fd00:1::7".to_owned()]);
        assert_eq!(ask(&mut resolver, text, RecordType::AAAA), six, "{text}");
    }
}

#[test]
fn an_address_is_known_by_its_name() {
    let mut resolver = resolver();
    let owner = (ResponseCode::NoError, vec!["h1.lan.test.".to_owned()]);
    assert_eq!(ask(&mut resolver, "7.0.1.10.in-addr.arpa.", RecordType::PTR), owner);
    let six = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.";
    assert_eq!(ask(&mut resolver, six, RecordType::PTR), owner);
    // One of the networks' that nobody has, and a node's outside of them.
    let nobody = ask(&mut resolver, "99.0.1.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(nobody, (ResponseCode::NXDomain, vec![]));
    let outside = ask(&mut resolver, "1.2.0.192.in-addr.arpa.", RecordType::PTR);
    assert_eq!(outside.1, ["gw.lan.test."]);
    forwarded(&mut resolver, "1.1.1.1.in-addr.arpa.", RecordType::PTR, NOW);
}

#[test]
fn the_zone_is_never_asked_of_others() {
    let mut resolver = resolver();
    for text in ["nobody.lan.test.", "nobody.", "a.b.lan.test."] {
        let none = (ResponseCode::NXDomain, vec![]);
        assert_eq!(ask(&mut resolver, text, RecordType::A), none, "{text}");
    }
    // What exists, but not of that sort; a name between others.
    for (text, sort) in [
        ("h1.lan.test.", RecordType::TXT),
        ("lan.test.", RecordType::A),
        ("deep.lan.test.", RecordType::A),
    ] {
        assert_eq!(ask(&mut resolver, text, sort), (ResponseCode::NoError, vec![]), "{text}");
    }
    let answer = answered(resolver.ask(&bytes("x.lan.test.", RecordType::A), false, NOW));
    assert!(matches!(&answer.authorities[0].data, RData::SOA(soa) if soa.minimum == 10));
    assert!(answer.metadata.authoritative);
    // A top-level domain's servers are others' to know.
    forwarded(&mut resolver, "com.", RecordType::NS, NOW);
}

#[test]
fn a_lease_is_a_name_while_it_lasts() {
    let mut resolver = resolver();
    resolver.zone.take(&lease("printer", 100, NOW.today + 60));
    let is_there = |resolver: &mut Resolver, now| {
        let answer = answered(resolver.ask(&bytes("printer.lan.test.", RecordType::A), false, now));
        answer.metadata.response_code == ResponseCode::NoError
    };
    assert!(is_there(&mut resolver, NOW));
    assert_eq!(ask(&mut resolver, "printer.", RecordType::A).1, ["10.1.0.100"]);
    let pointer = ask(&mut resolver, "100.0.1.10.in-addr.arpa.", RecordType::PTR);
    assert_eq!(pointer.1, ["printer.lan.test."]);
    assert!(!is_there(&mut resolver, later(60)));
    // It comes back, and moves.
    resolver.zone.take(&lease("printer", 100, NOW.today + 600));
    resolver.zone.take(&Lease { state: LeaseState::Released, ..lease("printer", 100, NOW.today) });
    assert!(!is_there(&mut resolver, NOW));
    resolver.zone.take(&lease("printer", 101, NOW.today + 600));
    assert_eq!(ask(&mut resolver, "printer.", RecordType::A).1, ["10.1.0.101"]);
}

#[test]
fn a_client_cannot_take_a_nodes_name() {
    let mut resolver = resolver();
    resolver.zone.take(&lease("h1", 100, u64::MAX));
    assert_eq!(ask(&mut resolver, "h1.", RecordType::A).1, ["10.1.0.7"]);
    assert_eq!(ask(&mut resolver, "h1.lan.test.", RecordType::A).1, ["10.1.0.7"]);
}

#[test]
fn an_answer_from_upstream_is_kept_and_ages() {
    let mut resolver = resolver();
    let question = forwarded(&mut resolver, "example.org.", RecordType::A, NOW);
    let sent = Message::from_vec(&question.packet(9)).unwrap();
    assert_eq!((sent.metadata.id, sent.metadata.recursion_desired), (9, true));
    let alias = RData::CNAME(CNAME(name("www.example.org.")));
    let answer = upstream(&question, 9, vec![(300, alias), (60, a(1))]).to_vec().unwrap();
    assert_eq!(resolver.hear(&question, 9, &answer, false, NOW), Upshot::Settled);
    let first = Message::from_vec(&resolver.settle(&question)).unwrap();
    assert_eq!((first.metadata.id, first.answers.len()), (77, 2));
    assert!(!first.metadata.authoritative && first.metadata.recursion_available);
    let again = answered(resolver.ask(&bytes("EXAMPLE.org.", RecordType::A), false, later(20)));
    assert_eq!((again.answers[0].ttl, again.answers[1].ttl), (280, 40));
    forwarded(&mut resolver, "example.org.", RecordType::A, later(60));
}

#[test]
fn that_something_is_not_there_is_kept_as_long_as_its_zone_says() {
    let mut resolver = resolver();
    let mut nothing = |text: &str, soa: Option<(u32, u32)>| {
        let question = forwarded(&mut resolver, text, RecordType::A, NOW);
        let mut message = upstream(&question, 9, vec![]);
        message.metadata.response_code = ResponseCode::NXDomain;
        message.authorities.extend(soa.map(|(ttl, minimum)| {
            let soa = SOA::new(name("ns."), name("me."), 1, 1, 1, 1, minimum);
            Record::from_rdata(name("org."), ttl, RData::SOA(soa))
        }));
        let bytes_of = message.to_vec().unwrap();
        assert_eq!(resolver.hear(&question, 9, &bytes_of, false, NOW), Upshot::Settled);
        let settled = Message::from_vec(&resolver.settle(&question)).unwrap();
        assert_eq!(settled.metadata.response_code, ResponseCode::NXDomain);
        let known = |resolver: &mut Resolver, now| {
            matches!(resolver.ask(&bytes(text, RecordType::A), false, now), Step::Answer(_))
        };
        (0..10_000).find(|s| !known(&mut resolver, later(*s))).unwrap()
    };
    assert_eq!(nothing("a.example.org.", Some((900, 30))), 30);
    assert_eq!(nothing("b.example.org.", Some((20, 900))), 20);
    assert_eq!(nothing("c.example.org.", Some((9999, 9999))), 3600);
    assert_eq!(nothing("d.example.org.", None), 0);
}

#[test]
fn what_ends_first_makes_room() {
    let mut resolver = resolver();
    let mut learn = |text: &str, ttl| {
        let question = forwarded(&mut resolver, text, RecordType::A, NOW);
        let answer = upstream(&question, 9, vec![(ttl, a(1))]).to_vec().unwrap();
        resolver.hear(&question, 9, &answer, false, NOW);
    };
    learn("a.example.org.", 500);
    learn("b.example.org.", 50);
    learn("c.example.org.", 100);
    assert_eq!(resolver.cache.len(), 2);
    assert_eq!(ask(&mut resolver, "a.example.org.", RecordType::A).1, ["192.0.2.1"]);
    forwarded(&mut resolver, "b.example.org.", RecordType::A, NOW);
}

#[test]
fn an_answer_to_something_else_is_passed_over() {
    let mut resolver = resolver();
    let question = forwarded(&mut resolver, "example.org.", RecordType::A, NOW);
    let good = upstream(&question, 9, vec![(60, a(1))]);
    let bytes_of = good.to_vec().unwrap();
    assert_eq!(resolver.hear(&question, 10, &bytes_of, false, NOW), Upshot::Stray);
    let mut other = good.clone();
    other.queries[0] = Query::query(name("example.com."), RecordType::A);
    let other = other.to_vec().unwrap();
    assert_eq!(resolver.hear(&question, 9, &other, false, NOW), Upshot::Stray);
    let mut cut = good.clone();
    cut.metadata.truncation = true;
    let cut = cut.to_vec().unwrap();
    assert_eq!(resolver.hear(&question, 9, &cut, false, NOW), Upshot::Cut);
    let mut failed = good;
    failed.metadata.response_code = ResponseCode::ServFail;
    let failed = failed.to_vec().unwrap();
    assert_eq!(resolver.hear(&question, 9, &failed, false, NOW), Upshot::Useless);
    assert_eq!(resolver.hear(&question, 9, &bytes_of[..20], false, NOW), Upshot::Useless);
}

#[test]
fn a_long_answer_is_cut_by_udp_and_whole_by_tcp() {
    let mut resolver = resolver();
    let question = forwarded(&mut resolver, "example.org.", RecordType::TXT, NOW);
    let text = || RData::TXT(TXT::new(vec!["x".repeat(200)]));
    let answer = upstream(&question, 9, vec![(60, text()), (60, text()), (60, text())]);
    resolver.hear(&question, 9, &answer.to_vec().unwrap(), true, NOW);
    let plain = bytes("example.org.", RecordType::TXT);
    let cut = answered(resolver.ask(&plain, false, NOW));
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = answered(resolver.ask(&plain, true, NOW));
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 3);
    // By EDNS the client says that more fits.
    let mut wide = query("example.org.", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    wide.set_edns(edns);
    // DNSSEC OK is not set: the same question.
    let whole = answered(resolver.ask(&wide.to_vec().unwrap(), false, NOW));
    assert_eq!(whole.answers.len(), 3);
    assert!(whole.edns.is_some());
}

#[test]
fn the_same_query_gets_the_same_bytes_within_a_second() {
    let mut resolver = resolver();
    let mut asked = bytes("h1.lan.test.", RecordType::A);
    assert_eq!(resolver.repeat(&asked, NOW), None);
    let Step::Answer(first) = resolver.ask(&asked, false, NOW) else { panic!() };
    assert_eq!(resolver.repeat(&asked, NOW), Some(first.clone()));
    asked[..2].copy_from_slice(&[1, 2]);
    let again = resolver.repeat(&asked, NOW).unwrap();
    assert_eq!((&again[..2], &again[2..]), (&[1, 2][..], &first[2..]));
    assert_eq!(resolver.repeat(&asked, later(1)), None);
    resolver.ask(&asked, false, later(1));
    resolver.forget();
    assert_eq!(resolver.repeat(&asked, later(1)), None);
}

#[test]
fn what_is_no_question_is_refused_or_dropped() {
    let mut resolver = resolver();
    let code = |resolver: &mut Resolver, message: &Message| {
        let answer = answered(resolver.ask(&message.to_vec().unwrap(), false, NOW));
        assert_eq!(answer.metadata.id, 77);
        answer.metadata.response_code
    };
    let mut notify = query("h1.", RecordType::A);
    notify.metadata.op_code = OpCode::Notify;
    assert_eq!(code(&mut resolver, &notify), ResponseCode::NotImp);
    let transfer = query("lan.test.", RecordType::AXFR);
    assert_eq!(code(&mut resolver, &transfer), ResponseCode::Refused);
    let mut twice = query("h1.", RecordType::A);
    twice.add_query(Query::query(name("h2."), RecordType::A));
    assert_eq!(code(&mut resolver, &twice), ResponseCode::FormErr);
    let mut newer = query("h1.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1);
    newer.set_edns(edns);
    // 16 is BADVERS here and BADSIG elsewhere (RFC 6895, 2.3).
    assert_eq!(u16::from(code(&mut resolver, &newer)), 16);
    let mut known_only = query("example.org.", RecordType::A);
    known_only.metadata.recursion_desired = false;
    assert_eq!(code(&mut resolver, &known_only), ResponseCode::Refused);
    let whole = bytes("h1.lan.test.", RecordType::A);
    for length in 0..whole.len() {
        match resolver.ask(&whole[..length], false, NOW) {
            Step::Drop => assert!(length < 12),
            Step::Answer(answer) => {
                let code = Message::from_vec(&answer).unwrap().metadata.response_code;
                assert_eq!(code, ResponseCode::FormErr);
            }
            Step::Forward(_) => panic!("cut at {length}"),
        }
    }
    let mut answer = whole;
    answer[2] |= 0x80;
    assert!(matches!(resolver.ask(&answer, false, NOW), Step::Drop));
}

#[test]
fn with_nobody_to_ask_what_is_others_is_refused() {
    let mut resolver = Resolver::new(zone(), 10, false);
    let refused = (ResponseCode::Refused, vec![]);
    assert_eq!(ask(&mut resolver, "example.org.", RecordType::A), refused);
}
