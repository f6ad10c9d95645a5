//! Random tables.

use netyard_core::nft::*;
use netyard_core::state::Place;

/// A table of a few rules, each chosen by a roll.
pub fn table(place: Place, mut roll: impl FnMut(usize) -> usize) -> Table {
    let words = [
        Statement::is(Matcher::CtState(vec![Ct::Established, Ct::Related])),
        Statement::is(Matcher::Iif(vec!["d0".into()])),
        Statement::is(Matcher::Dport(Protocol::Tcp, vec![PortRange { first: 22, last: 22 }])),
        Statement::is(Matcher::SaddrSet { set: "s".into(), ipv6: false }),
        Statement::Counter,
    ];
    let ends = [Statement::Accept, Statement::Drop, Statement::Jump("more".into())];
    let mut rules = Vec::new();
    for _ in 0..4 {
        let (word, end, there) = (roll(words.len()), roll(ends.len()), roll(3) > 0);
        let statements = vec![words[word].clone(), ends[end].clone()];
        if there {
            rules.push(Rule { statements, comment: None });
        }
    }
    let policy = [Policy::Accept, Policy::Drop][roll(2)];
    let priority = [0, 0, 10][roll(3)];
    let base = Base { kind: ChainKind::Filter, hook: Hook::Input, priority, policy };
    let elements = ["10.0.0.0/8", "192.168.1.1"][..roll(3)].iter().map(|e| e.to_string());
    let set = Set { name: "s".into(), kind: SetKind::Ipv4, elements: elements.collect() };
    let mut chains = vec![
        Chain { name: "input".into(), base: Some(base), rules },
        Chain { name: "more".into(), base: None, rules: vec![] },
    ];
    let flowtables = ["f", "g"][..roll(3)].iter().map(|name| Flowtable {
        name: name.to_string(),
        devices: vec![],
        priority: [0, 5][roll(2)],
    });
    let flowtables: Vec<Flowtable> = flowtables.collect();
    if roll(2) == 1 {
        chains.reverse();
    }
    let seen = ["a", "b"][..roll(3)].iter().map(|name| Learned {
        name: name.to_string(),
        key: vec![Field::Saddr(false)],
        data: vec![],
        timeout: 60 * roll(2) as u32,
        size: 100,
    });
    let learned: Vec<Learned> = seen.collect();
    let name = "netyard-yard".to_owned();
    Table {
        place,
        name,
        sets: vec![set],
        learned,
        others: vec![],
        flowtables,
        chains,
        raw: String::new(),
    }
    .settled()
}
