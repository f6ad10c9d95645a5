//! A property: whatever rulesets follow each other under a running connection
//! that each of them allows, nothing of it is lost.
//!
//! The rulesets are drawn: how many chains at which priorities, with which
//! policies, what is before and after the rule that lets the connection through,
//! by which words that rule knows it, what is in the sets. What is drawn may be
//! the same as before in part, so that each change moves, replaces, keeps.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use netyard_core::nft::*;
use netyard_core::state::State;

use super::{base, plain, port_range, rule, table, tcp, with_table};
use crate::bed::{isolated, node};
use crate::kinds::two_nodes;
use crate::yard::{steps_left, up};

/// The connection's port at `b`.
const PORT: u16 = 5000;
/// How long rulesets change.
const TIME: Duration = Duration::from_secs(6);

/// Numbers that look drawn, the same in each run (xorshift).
struct Dice(u64);

impl Dice {
    fn upto(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % (most + 1)
    }

    fn coin(&mut self) -> bool {
        self.upto(1) == 1
    }
}

/// A rule that is not about the connection, of any verdict.
fn stranger(dice: &mut Dice) -> Rule {
    let end = match dice.upto(3) {
        0 => Some(Statement::Drop),
        1 => None,
        _ => Some(Statement::Accept),
    };
    let first = 6000 + dice.upto(20) as u16;
    let matched = match dice.upto(3) {
        0 => Statement::is(Matcher::Saddr(vec!["10.9.0.0/16".parse().unwrap()])),
        1 => Statement::is(Matcher::SaddrSet { set: "strangers".into(), ipv6: false }),
        2 => Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(PORT, PORT)])),
        _ => Statement::is(Matcher::Dport(Protocol::Tcp, vec![port_range(first, first + 5)])),
    };
    let words: Vec<Statement> = [matched, Statement::Counter].into_iter().chain(end).collect();
    rule(&words)
}

/// A rule that lets the connection through, in one way or another.
fn passes(dice: &mut Dice) -> Rule {
    let known = match dice.upto(4) {
        0 => tcp(PORT),
        1 => Statement::is(Matcher::SaddrSet { set: "friends".into(), ipv6: false }),
        // It is new to connection tracking that begins with this rule.
        2 => Statement::is(Matcher::CtState(vec![Ct::New, Ct::Established, Ct::Related])),
        3 => Statement::is(Matcher::Dport(Protocol::Tcp, vec![port_range(4000, 5999)])),
        _ => return rule(&[Statement::Jump("deeper".into())]),
    };
    rule(&[known, Statement::Counter, Statement::Accept])
}

fn strangers(dice: &mut Dice, most: u64) -> Vec<Rule> {
    (0..dice.upto(most)).map(|_| stranger(dice)).collect()
}

/// A ruleset of `b` that allows the connection.
fn drawn(dice: &mut Dice) -> State {
    let mut chains = Vec::new();
    for number in 0..=dice.upto(2) {
        let mut rules = strangers(dice, 12);
        // Without a rule for it, the end must let it pass. As in netyard's own rulesets a rule
        // drops there, not the policy: the kernel sets policies, and takes chains away, one
        // after the other when the rules have changed already.
        let shut = dice.coin();
        if shut || dice.coin() {
            rules.push(passes(dice));
        }
        rules.extend(strangers(dice, 12));
        rules.extend(shut.then(|| rule(&[Statement::Counter, Statement::Drop])));
        let policy = Policy::Accept;
        let priority = dice.upto(40) as i32 - 20;
        let name = format!("input{number}");
        chains.push(base(&name, ChainKind::Filter, Hook::Input, priority, policy, rules));
    }
    let mut deeper = strangers(dice, 5);
    deeper.push(rule(&[tcp(PORT), Statement::Counter, Statement::Accept]));
    deeper.extend(strangers(dice, 5));
    chains.push(plain("deeper", deeper));
    let mut own = table(&node("b"), chains);
    // Some side by side.
    let others = (0..dice.upto(6)).map(|n| format!("10.8.{}.0/24", n * 3 + dice.upto(2)));
    let friends = others.chain(["10.0.0.1".to_owned()]).collect();
    let strangers = (0..dice.upto(6)).map(|n| format!("10.7.{n}.{}", dice.upto(9))).collect();
    let set = |name: &str, elements| Set { name: name.into(), kind: SetKind::Ipv4, elements };
    own.sets = vec![set("friends", friends), set("strangers", strangers)];
    with_table(&two_nodes(), own)
}

/// One that does not.
fn shut() -> State {
    let chain = base("input0", ChainKind::Filter, Hook::Input, 0, Policy::Drop, vec![]);
    with_table(&two_nodes(), table(&node("b"), vec![chain]))
}

#[test]
fn any_rulesets_that_allow_a_connection_follow_each_other_without_losing_of_it() {
    isolated(|bed| {
        let mut dice = Dice(0x5eed_1234_abcd_0001);
        bed.become_state(&drawn(&mut dice));
        let listener = bed.inside(&node("b"), || TcpListener::bind(("10.0.0.2", PORT))).unwrap();
        let client = bed.inside(&node("a"), || TcpStream::connect(("10.0.0.2", PORT))).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (end, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        let again = |bed: &mut crate::bed::Bed<'_>| -> u64 {
            let count = "nstat -asz TcpRetransSegs | awk '/^Tcp/ {print $2}'";
            let of =
                ["a", "b"].map(|n| bed.command(&node(n), count).trim().parse::<u64>().unwrap());
            of.iter().sum()
        };
        assert_eq!(again(bed), 0);
        std::thread::scope(|scope| {
            let flow = scope.spawn(|| flow(client, server, &end, &rounds));
            let ends = Ends(&end);
            let (begin, mut reloads) = (Instant::now(), 0);
            while begin.elapsed() < TIME {
                let state = drawn(&mut dice);
                up(&state).unwrap_or_else(|error| panic!("ruleset {reloads}: {error}\n{error:?}"));
                reloads += 1;
                // Who waits for an answer that was lost gets it by sending again.
                if reloads % 8 == 0 {
                    assert_eq!(steps_left(&state), [] as [String; 0]);
                    assert_eq!(again(bed), 0, "something was lost before ruleset {reloads}");
                }
            }
            assert!(reloads > 10, "{reloads}");
            assert_eq!(again(bed), 0, "{reloads} rulesets");
            assert!(rounds.load(Ordering::Relaxed) > 500, "{rounds:?} rounds");
            // That a loss would have been seen: one that shuts it out is.
            up(&shut()).unwrap();
            let begin = Instant::now();
            while again(bed) == 0 {
                assert!(begin.elapsed() < Duration::from_secs(10), "nothing was sent again");
            }
            drop(ends);
            up(&drawn(&mut dice)).unwrap();
            flow.join().unwrap();
        });
        bed.clear();
    });
}

/// Ends the connection whatever becomes of the test, which waits for that.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends to and fro until told to end, and counts.
fn flow(mut client: TcpStream, mut server: TcpStream, end: &AtomicBool, rounds: &AtomicUsize) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    let mut buffer = [0; 64];
    while !end.load(Ordering::Relaxed) {
        client.write_all(&[7; 64]).unwrap();
        server.read_exact(&mut buffer).unwrap();
        server.write_all(&buffer).unwrap();
        client.read_exact(&mut buffer).unwrap();
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}
