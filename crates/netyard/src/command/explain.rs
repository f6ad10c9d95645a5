use std::collections::BTreeSet;
use std::net::IpAddr;

use clap::ValueEnum;
use netyard_core::diag::Sources;
use netyard_core::explain::{Culprit, Journey, Kind, Outcome, text};
use netyard_core::name::NodeName;
use netyard_core::state::{Place, State};
use netyard_core::yard::Yard;
use netyard_linux::{Access, ExplainQuestion, Session, netns};

use crate::cli::YardOptions;
use crate::error::{self, Error, Result};
use crate::live::{self, Meeting};
use crate::load::File;
use crate::ui;

/// Follow one packet through every namespace it crosses
///
/// Sends a ping, a TCP connection's beginning or a UDP datagram, and tells at
/// each hop what was seen of it: routes and rules, neighbours, bridges and
/// VLANs, what every nft chain said, translations, counters that rose; on its
/// way there and the answer's way back. The last line says that it arrives, or
/// where it ends and why. Where nothing listens at the destination, netyard does.
///
/// Ends with 0 when it arrives and is answered, with 3 when it does not.
#[derive(Debug, clap::Args)]
pub struct Explain {
    #[command(flatten)]
    yard: YardOptions,
    /// Where it begins: a node, node:interface, or host
    #[arg(value_name = "FROM")]
    from: String,
    /// Where it goes: a node, node:interface, host, or an address
    #[arg(value_name = "TO")]
    to: String,
    /// What is sent: ping, tcp or udp [default: ping]
    #[arg(value_name = "ping|tcp|udp", hide_possible_values = true, hide_default_value = true)]
    #[arg(default_value = "ping")]
    protocol: Protocol,
    /// To which port
    #[arg(value_name = "PORT", required_if_eq_any = [("protocol", "tcp"), ("protocol", "udp")])]
    port: Option<u16>,
    /// By IPv4
    #[arg(short = '4', long)]
    ipv4: bool,
    /// By IPv6
    #[arg(short = '6', long, conflicts_with = "ipv4")]
    ipv6: bool,
    /// From this port, as an existing connection is
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    source_port: Option<u16>,
    /// The size of the whole IP packet, which must not be cut on its way
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(48..=65535))]
    size: Option<u32>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Ping,
    Tcp,
    Udp,
}

/// A yard, as explanations need it.
struct Opened {
    session: Session,
    /// What the file means, where there is one.
    yard: Option<Yard>,
    /// The file, for places in it.
    sources: Sources,
    /// What there is.
    state: State,
    /// What should be.
    desired: State,
}

/// One end of the way.
struct End {
    place: Place,
    interface: Option<String>,
}

impl Explain {
    /// Does it.
    pub fn run(self) -> Result {
        self.check()?;
        let Opened { mut session, yard, sources, state, desired } = self.open()?;
        let from = self.end(&self.from, yard.as_ref(), &state)?.ok_or_else(|| {
            Error::command_line(format!(
                "`{}` is not a node: a packet begins in a node or at `host`",
                self.from
            ))
        })?;
        let ipv6 = match (self.ipv4, self.ipv6) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        };
        let to = match self.to.parse::<IpAddr>() {
            Ok(address) if is_link_local(address) => return Err(on_every_link(address)),
            Ok(address) => vec![address],
            Err(_) => {
                let end = self.end(&self.to, yard.as_ref(), &state)?;
                let end = end.ok_or_else(|| unknown(&self.to, yard.as_ref()))?;
                addresses(&end, yard.as_ref(), &state)
            }
        };
        let source = match &from.interface {
            None => None,
            Some(_) => {
                let own = addresses(&from, yard.as_ref(), &state);
                let v6 = ipv6.unwrap_or_else(|| to.iter().all(IpAddr::is_ipv6));
                let none =
                    || Error::failed(format!("`{}` has no address of that family", self.from));
                Some(own.into_iter().find(|a| a.is_ipv6() == v6).ok_or_else(none)?)
            }
        };
        let question = ExplainQuestion {
            from: from.place,
            from_words: self.from.clone(),
            source,
            to,
            to_words: self.to.clone(),
            kind: match self.protocol {
                Protocol::Ping => Kind::Ping,
                Protocol::Tcp => Kind::Tcp,
                Protocol::Udp => Kind::Udp,
            },
            port: self.port.unwrap_or(0),
            source_port: self.source_port.unwrap_or(0),
            size: self.size,
            ipv6,
        };
        let mut journey = session.explain(&question, &desired)?;
        if let (Outcome::Ends(culprit), Some(yard)) = (&mut journey.outcome, &yard) {
            culprit.file = place_in_file(culprit, yard, &sources);
        }
        self.show(&journey)
    }

    fn check(&self) -> Result {
        let refuse = |why: &str| Err(Error::command_line(why.to_owned()));
        match self.protocol {
            Protocol::Ping if self.port.is_some() => refuse("a ping has no port"),
            Protocol::Tcp if self.size.is_some() => refuse(
                "the beginning of a TCP connection has one size; `--size` is for ping and udp",
            ),
            _ if self.port == Some(0) => refuse("a port is 1 to 65535"),
            _ => Ok(()),
        }
    }

    /// Opens the yard.
    fn open(&self) -> Result<Opened> {
        if self.yard.yard.is_some() {
            let name = live::name(&self.yard)?;
            live::must_be_up(&name)?;
            let mut session = live::open(&name, Access::Read)?;
            let state = session.observe(&State::default())?.state;
            let (sources, desired) = (Sources::default(), State::default());
            return Ok(Opened { session, yard: None, sources, state, desired });
        }
        let file = File::read(&self.yard.file.origin())?;
        let name = &file.spec.yard.value;
        live::must_be_up(name)?;
        let Meeting { session, yard, desired, seen, .. } = Meeting::of(&file, Access::Read)?;
        let (yard, sources, state) = (Some(yard), file.sources, seen.state);
        Ok(Opened { session, yard, sources, state, desired })
    }

    /// A node or the host, if the words name one.
    fn end(&self, words: &str, yard: Option<&Yard>, state: &State) -> Result<Option<End>> {
        let (node, interface) = match words.split_once(':') {
            // An IPv6 address has several.
            Some((_, rest)) if rest.contains(':') => return Ok(None),
            Some((node, interface)) => (node, Some(interface.to_owned())),
            None => (words, None),
        };
        if node == "host"
            && yard.is_none_or(|yard| yard.node("host").is_none_or(|n| n.place == Place::Host))
        {
            if !netns::has_root() {
                let error = Error::failed("without root the yard has no host to send from or to");
                return Err(error.hint("run netyard as root, or name a node"));
            }
            return interfaces_end(words, End { place: Place::Host, interface }, yard, state);
        }
        let Ok(name) = NodeName::new(node) else { return Ok(None) };
        let place = Place::Node(name);
        let known = yard.is_some_and(|yard| yard.node(node).is_some())
            || state.objects().any(|object| matches!(object, netyard_core::state::Object::Namespace(o) if o.place == place));
        match known {
            true => interfaces_end(words, End { place, interface }, yard, state),
            false => Ok(None),
        }
    }

    fn show(&self, journey: &Journey) -> Result {
        if self.json {
            let value = serde_json::to_value(journey)
                .map_err(|e| Error::from(error::Kind::Bug(e.to_string())))?;
            ui::print_json(&value)?;
        } else {
            ui::print(&text(journey))?;
        }
        match &journey.outcome {
            Outcome::Arrives => Ok(()),
            Outcome::Ends(culprit) => {
                if !self.json {
                    culprit.fix.iter().for_each(|fix| ui::hint(fix));
                }
                Err(error::Kind::Differences.into())
            }
        }
    }
}

/// The end, if its interface is one that the file or the namespace has.
fn interfaces_end(
    words: &str,
    end: End,
    yard: Option<&Yard>,
    state: &State,
) -> Result<Option<End>> {
    use netyard_core::state::Object;
    let Some(wanted) = &end.interface else { return Ok(Some(end)) };
    let node = yard.and_then(|yard| yard.nodes.iter().find(|node| node.place == end.place));
    let in_file = node.into_iter().flat_map(|node| &node.interfaces);
    let mut names: BTreeSet<String> = in_file.map(|i| i.device.id.name.to_string()).collect();
    names.extend(state.objects().filter_map(|object| match object {
        Object::Interface(o) if o.id.place == end.place => Some(o.id.name.to_string()),
        _ => None,
    }));
    // What else the host has is nothing that a yard knows of.
    if names.contains(wanted) || end.place == Place::Host {
        return Ok(Some(end));
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let error = Error::failed(format!("there is no interface `{words}` in this yard"));
    Err(error.hint(format!("`{}` has {}", end.place, names.join(", "))))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn on_every_link(address: IpAddr) -> Error {
    Error::command_line(format!("`{address}` means something else on every link"))
        .hint("name the node that has it, `NODE` or `NODE:INTERFACE`")
}

/// Where the file says what ended a packet.
fn place_in_file(culprit: &Culprit, yard: &Yard, sources: &Sources) -> Option<String> {
    let firewall = yard.firewalls.iter().find(|firewall| firewall.place == culprit.place)?;
    ui::place(sources, firewall.place_of(culprit.comment.as_deref()?)?)
}

/// The addresses of an end, as the file has them, or as they are.
fn addresses(end: &End, yard: Option<&Yard>, state: &State) -> Vec<IpAddr> {
    use netyard_core::state::Object;
    let wanted = |name: &str| end.interface.as_deref().is_none_or(|wanted| wanted == name);
    let far = |address: &IpAddr| match address {
        IpAddr::V4(a) => !a.is_loopback(),
        IpAddr::V6(a) => !a.is_loopback() && !a.is_unicast_link_local(),
    };
    let node = yard.and_then(|yard| yard.nodes.iter().find(|node| node.place == end.place));
    let in_file = node.into_iter().flat_map(|node| &node.interfaces);
    let in_file = in_file.filter(|i| wanted(i.device.id.name.as_str()));
    let mut all: Vec<IpAddr> =
        in_file.flat_map(|i| &i.addresses).map(|address| address.net.addr()).filter(far).collect();
    if all.is_empty() {
        all.extend(state.objects().filter_map(|object| match object {
            Object::Address(o)
                if o.interface.place == end.place && wanted(o.interface.name.as_str()) =>
            {
                Some(o.net.addr()).filter(far)
            }
            _ => None,
        }));
    }
    all
}

fn unknown(words: &str, yard: Option<&Yard>) -> Error {
    let error = Error::failed(format!("there is no node `{words}` in this yard"));
    let Some(yard) = yard else { return error };
    let nodes: Vec<String> = yard.nodes.iter().map(|node| format!("`{}`", node.name)).collect();
    error.hint(format!("its nodes: {}", nodes.join(", ")))
}
