//! Expectations of a running yard, proved: names are looked up, netyard listens
//! where it may, everything is sent at once, and lines are measured when that
//! is over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use netyard_core::expect::{Expectation, Family, Host, Probe, Seen, Sighting, Want};
use netyard_core::state::Place;

use super::listen::{Listening, Port, during};
use super::name::{Book, Found, look_up, of_family};
use super::{Shot, Spaces, What, http, run, stream};
use crate::error::Error;

/// Sends what is expected and gives what was seen of each, in their order.
/// `landed` is called when one is done.
pub fn prove(
    spaces: &Spaces,
    book: &Book,
    expectations: &[&Expectation],
    landed: &(dyn Fn() + Sync),
) -> Result<Vec<Sighting>, Error> {
    let names = names(spaces, book, expectations)?;
    let mut done: Vec<Option<Sighting>> = vec![None; expectations.len()];
    let (mut shots, mut of) = (Vec::new(), Vec::new());
    let mut ports = BTreeMap::new();
    for (index, expectation) in expectations.iter().enumerate() {
        if matches!(expectation.probe, Probe::Measure(_)) {
            continue;
        }
        match address(expectation, book, &names) {
            Ok(to) => {
                if let Some(port) = port(expectation, to) {
                    ports.insert(index, port);
                }
                shots.push(shot(expectation, to));
                of.push(index);
            }
            Err(seen) => {
                done[index] = Some(Sighting { seen, ..Sighting::unsent("") });
                landed();
            }
        }
    }
    let all: BTreeSet<Port> = ports.values().cloned().collect();
    // What needs a service of the yard must not be served by netyard: first.
    let (alone, rest): (Vec<usize>, Vec<usize>) = (0..of.len()).partition(|at| {
        let expectation = expectations[of[*at]];
        let port = port_of(expectation, shots[*at].to);
        !ports.contains_key(&of[*at]) && port.is_some_and(|port| all.contains(&port))
    });
    let first: Vec<Shot> = alone.iter().map(|at| shots[*at].clone()).collect();
    for (at, sighting) in alone.iter().zip(run(spaces, &first, landed)?) {
        done[of[*at]] = Some(sighting);
    }
    for batch in batches(&rest, &of, &ports) {
        let shots: Vec<Shot> = batch.iter().map(|at| shots[*at].clone()).collect();
        let of: Vec<usize> = batch.iter().map(|at| of[*at]).collect();
        let here: BTreeSet<Port> =
            of.iter().filter_map(|index| ports.get(index)).cloned().collect();
        let sightings = during(spaces, here.into_iter().collect(), |went| {
            let of_port = |index: &usize| ports.get(index).and_then(|port| went.get(port)).cloned();
            let sightings = run(spaces, &shots, landed)?;
            let with = of.iter().map(of_port);
            Ok::<_, Error>(sightings.into_iter().zip(with).collect::<Vec<_>>())
        });
        let sightings =
            sightings.map_err(|e| Error::system("could not listen at the targets", e))??;
        for ((sighting, listening), index) in sightings.into_iter().zip(of) {
            done[index] = Some(with_listening(sighting, listening, expectations[index]));
        }
    }
    stream::measure(spaces, expectations, &mut done, landed)?;
    let unsent = || Sighting::unsent("nothing was sent");
    Ok(done.into_iter().map(|sighting| sighting.unwrap_or_else(unsent)).collect())
}

/// What is sent at once: as much as there are descriptors to listen with, half of
/// them, so that the senders have some, too.
fn batches(rest: &[usize], of: &[usize], ports: &BTreeMap<usize, Port>) -> Vec<Vec<usize>> {
    let room = super::room() / 2;
    let (mut batches, mut open) = (vec![Vec::new()], BTreeSet::new());
    for at in rest {
        if let Some(port) = ports.get(&of[*at])
            && !open.contains(port)
        {
            if open.len() == room {
                open.clear();
                batches.push(Vec::new());
            }
            open.insert(port);
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(*at);
        }
    }
    batches
}

/// The names that must be looked up, by sender.
fn names(
    spaces: &Spaces,
    book: &Book,
    expectations: &[&Expectation],
) -> Result<BTreeMap<(Place, String), Found>, Error> {
    let mut names = BTreeSet::new();
    let mut within = 0;
    for expectation in expectations {
        if let Host::Name(name) = &expectation.to.host {
            names.insert((expectation.from.place.clone(), name.clone()));
            within = within.max(expectation.within);
        }
    }
    look_up(spaces, book, &names, Duration::from_nanos(within))
}

/// Where an expectation's probe goes.
fn address(
    expectation: &Expectation,
    book: &Book,
    names: &BTreeMap<(Place, String), Found>,
) -> Result<IpAddr, Seen> {
    let place = &expectation.from.place;
    match &expectation.to.host {
        Host::Address(address) => Ok(*address),
        Host::Name(name) => match names.get(&(place.clone(), name.clone())) {
            Some(Ok(addresses)) => of_family(addresses, expectation.family).ok_or(Seen::NoAddress),
            Some(Err(why)) => Err(Seen::Unsent(why.clone())),
            None => Err(Seen::Unsent("nobody looked the name up".to_owned())),
        },
        Host::Resolver => {
            let servers = book.resolver(place).servers;
            if servers.is_empty() {
                return Err(Seen::Unsent(format!("`{place}` has no name server")));
            }
            of_family(&servers, expectation.family).ok_or(Seen::NoAddress)
        }
    }
}

fn shot(expectation: &Expectation, to: IpAddr) -> Shot {
    let what = match &expectation.probe {
        Probe::Tcp(port) => What::Tcp(*port),
        Probe::Udp(port) => What::Udp(*port),
        Probe::Http(get) => {
            let host = get.host.clone().unwrap_or_else(|| match &expectation.to.host {
                Host::Name(name) => name.clone(),
                _ => to.to_string(),
            });
            What::Http { port: get.port, request: http::request(&host, get.port, &get.path) }
        }
        Probe::Dns(question) => {
            let (name, record) = (question.name.clone(), question.record.clone());
            What::Dns { port: question.port, name, record }
        }
        Probe::PathMtu(bytes) => What::PathMtu(*bytes),
        Probe::Ping | Probe::Measure(_) => What::Ping,
    };
    Shot {
        device: expectation.from.device.clone(),
        source: expectation.from.address.filter(|a| Family::of(*a) == Family::of(to)),
        to_work: expectation.want == Want::Ok,
        within: Duration::from_nanos(expectation.within),
        proof: Duration::from_nanos(expectation.proof),
        ..Shot::new(expectation.from.place.clone(), to, what)
    }
}

/// The port at which netyard may listen for it.
fn port(expectation: &Expectation, address: IpAddr) -> Option<Port> {
    port_of(expectation, address).filter(|_| expectation.may_listen())
}

/// The port of the yard that it is about.
fn port_of(expectation: &Expectation, address: IpAddr) -> Option<Port> {
    let (port, udp) = match &expectation.probe {
        Probe::Tcp(port) => (*port, false),
        Probe::Udp(port) => (*port, true),
        Probe::Http(get) => (get.port, false),
        Probe::Dns(question) => (question.port, true),
        _ => return None,
    };
    if let Some(there) = &expectation.forwarded {
        let place = there.place.clone()?;
        return Some(Port { place, address: there.address, port: there.port, udp });
    }
    let place = expectation.to.place.clone()?;
    Some(Port { place, address, port, udp })
}

/// What listening means for what was seen.
fn with_listening(
    mut sighting: Sighting,
    listening: Option<Listening>,
    expectation: &Expectation,
) -> Sighting {
    sighting.listened = listening == Some(Listening::Ours);
    let is_udp = matches!(expectation.probe, Probe::Udp(_));
    if is_udp && listening == Some(Listening::Taken) && sighting.seen == Seen::Silence {
        let what = "a program has that port, and its silence proves nothing";
        sighting.seen = Seen::Unsent(what.to_owned());
    }
    if let Some(Listening::Failed(why)) = listening
        && !matches!(sighting.seen, Seen::Reply(_))
    {
        sighting.seen = Seen::Unsent(format!("netyard could not listen at the target: {why}"));
    }
    sighting
}
