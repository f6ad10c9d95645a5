//! Names as a node sees them: its `hosts`, then its name servers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use netyard_core::expect::{Family, Seen};
use netyard_core::state::Place;

use super::{Shot, Spaces, What, run};
use crate::error::Error;

/// `MAXNS` of resolv.h.
const SERVERS: usize = 3;

/// What each place knows of names: the text of its `hosts` and `resolv.conf`.
#[derive(Clone, Debug, Default)]
pub struct Book {
    hosts: BTreeMap<Place, String>,
    resolv: BTreeMap<Place, String>,
}

impl Book {
    /// Notes a place's own file, `hosts` or `resolv.conf`; without one it has
    /// that of the machine.
    pub fn insert(&mut self, place: &Place, file: &str, text: &str) {
        let files = match file {
            "hosts" => &mut self.hosts,
            "resolv.conf" => &mut self.resolv,
            _ => return,
        };
        files.insert(place.clone(), text.to_owned());
    }

    fn text(own: &BTreeMap<Place, String>, place: &Place, path: &str) -> String {
        let own = own.get(place).cloned();
        // A machine without the file has no names to give.
        own.unwrap_or_else(|| std::fs::read_to_string(path).unwrap_or_default())
    }

    /// How a place asks name servers.
    pub(super) fn resolver(&self, place: &Place) -> Resolver {
        Resolver::read(&Self::text(&self.resolv, place, "/etc/resolv.conf"))
    }

    fn in_hosts(&self, place: &Place, name: &str) -> Vec<IpAddr> {
        let found = in_hosts(&Self::text(&self.hosts, place, "/etc/hosts"), name);
        match name {
            "localhost" if found.is_empty() => {
                ["127.0.0.1", "::1"].iter().flat_map(|a| a.parse()).collect()
            }
            _ => found,
        }
    }
}

/// The addresses of a name in hosts(5).
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let found = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    found.collect()
}

/// resolv.conf(5), as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolver {
    pub servers: Vec<IpAddr>,
    search: Vec<String>,
    dots: usize,
}

impl Resolver {
    fn read(text: &str) -> Self {
        let mut resolver = Self { dots: 1, ..Self::default() };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address: Option<IpAddr> =
                        words.next().and_then(|w| w.split('%').next()?.parse().ok());
                    resolver.servers.extend(address);
                }
                Some("search" | "domain") => {
                    resolver.search = words.map(str::to_owned).collect();
                }
                Some("options") => {
                    let mut dots = words.filter_map(|w| w.strip_prefix("ndots:")?.parse().ok());
                    resolver.dots = dots.next_back().unwrap_or(resolver.dots);
                }
                _ => {}
            }
        }
        resolver.servers.truncate(SERVERS);
        resolver
    }

    /// The whole names that a name may stand for, in order.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let found = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let mut names: Vec<String> = found.collect();
        let at = if name.matches('.').count() >= self.dots { 0 } else { names.len() };
        names.insert(at, name.to_owned());
        names
    }
}

/// What became of looking a name up: its addresses, or why there are none.
pub(super) type Found = Result<Vec<IpAddr>, String>;

/// Looks all names up, each as its place does, all at once.
pub(super) fn look_up(
    spaces: &Spaces,
    book: &Book,
    names: &BTreeSet<(Place, String)>,
    within: Duration,
) -> Result<BTreeMap<(Place, String), Found>, Error> {
    let mut found = BTreeMap::new();
    let (mut shots, mut of) = (Vec::new(), Vec::new());
    for (place, name) in names {
        let key = (place.clone(), name.clone());
        let local = book.in_hosts(place, name);
        if !local.is_empty() {
            found.insert(key, Ok(local));
            continue;
        }
        let resolver = book.resolver(place);
        if resolver.servers.is_empty() {
            found.insert(key, Err(format!("`{place}` has no name server for `{name}`")));
            continue;
        }
        for candidate in resolver.candidates(name) {
            for server in &resolver.servers {
                for record in ["A", "AAAA"] {
                    let (name, record) = (candidate.clone(), record.to_owned());
                    let what = What::Dns { port: 53, name, record };
                    shots.push(Shot { within, ..Shot::new(place.clone(), *server, what) });
                    of.push((key.clone(), candidate.clone()));
                }
            }
        }
    }
    let mut answers: BTreeMap<_, Vec<(String, Seen)>> = BTreeMap::new();
    for (sighting, (key, candidate)) in run(spaces, &shots, &|| {})?.into_iter().zip(of) {
        answers.entry(key).or_default().push((candidate, sighting.seen));
    }
    found.extend(answers.into_iter().map(|(key, answers)| {
        let addresses = first(&answers);
        (key, addresses)
    }));
    Ok(found)
}

/// The addresses of the first name that has some.
fn first(answers: &[(String, Seen)]) -> Found {
    let good = |seen: &Seen| matches!(seen, Seen::Records(Ok(records)) if !records.is_empty());
    let Some((name, _)) = answers.iter().find(|(_, seen)| good(seen)) else {
        return Err(match answers.iter().find_map(|(_, seen)| refused(seen)) {
            Some(word) => format!("the name server says: {word}"),
            None => "no name server answers".to_owned(),
        });
    };
    let records = answers.iter().filter(|(n, _)| n == name).filter_map(|(_, seen)| match seen {
        Seen::Records(Ok(records)) => Some(records),
        _ => None,
    });
    let addresses: BTreeSet<IpAddr> = records.flatten().filter_map(|r| r.parse().ok()).collect();
    Ok(addresses.into_iter().collect())
}

fn refused(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Records(Err(word)) => Some(word.clone()),
        Seen::Records(Ok(_)) => Some("no address".to_owned()),
        _ => None,
    }
}

/// The address of that family.
pub(super) fn of_family(addresses: &[IpAddr], family: Family) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| Family::of(*address) == family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_has_names_and_aliases_and_comments() {
        let text =
            "127.0.0.1 localhost\n10.0.0.1\tprinter Printer.lan # the old one\n::1 localhost";
        assert_eq!(in_hosts(text, "printer.LAN"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(in_hosts(text, "localhost").len(), 2);
        assert!(in_hosts(text, "old").is_empty());
    }

    #[test]
    fn a_short_name_is_searched_first_and_a_long_one_last() {
        let text = "nameserver 10.0.0.1\nnameserver fe80::1%eth0\nsearch a.test b.test\n";
        let resolver = Resolver::read(text);
        assert_eq!(resolver.servers.len(), 2);
        assert_eq!(resolver.candidates("x"), ["x.a.test", "x.b.test", "x"]);
        assert_eq!(resolver.candidates("x.y"), ["x.y", "x.y.a.test", "x.y.b.test"]);
        assert_eq!(resolver.candidates("x.y."), ["x.y."]);
    }
}
