use netyard_core::name::{FullName, NodeName};
use netyard_core::plan::plan;
use netyard_core::state::{InterfaceId, Key, Object, Place, Qdisc, State};
use netyard_core::yard::Yard;
use netyard_linux::{Access, Session};

use crate::cli::YardOptions;
use crate::error::{Error, Result};
use crate::impairment::Change;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::ui;

/// Change delay, loss or rate of a running link
///
/// Until the next `netyard up`, which sets it back to what the file says. What
/// is not named stays as it is; 0 takes one away. Settings: delay, jitter (20ms),
/// loss, duplicate, reorder, corrupt (1%), rate (100mbit), limit (packets).
#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    yard: YardOptions,
    /// A link by its name, or one end as node:interface
    #[arg(value_name = "LINK|NODE:IF")]
    link: String,
    /// What to change, as in delay=20ms loss=1%
    #[arg(value_name = "SETTING=VALUE", required = true)]
    settings: Vec<String>,
    /// Only what the first end sends
    #[arg(long)]
    forward: bool,
    /// Only what the second end sends
    #[arg(long, conflicts_with = "forward")]
    backward: bool,
}

impl Set {
    /// Does it.
    pub fn run(self) -> Result {
        let change = Change::parse(&self.settings)?;
        let (mut session, seen, senders) = self.meet()?;
        let mut desired = seen.clone();
        for sender in &senders {
            if desired.interface(sender).is_none() {
                let error = Error::failed(format!("interface `{sender}` is not up"));
                return Err(error.hint("`netyard up` brings it up"));
            }
            impair(&mut desired, sender, &change);
        }
        let plan = plan(&seen, &desired);
        if plan.is_empty() {
            return ui::print(&format!("set: {} is so already\n", self.link));
        }
        live::apply(&mut session, &plan, &desired)?;
        ui::print(&format!("set: {}: {}\n", self.link, self.settings.join(" ")))?;
        ui::hint(&format!("`netyard up{}` sets it back", self.yard.file.again()));
        Ok(())
    }

    /// What is up, and the interfaces whose sending changes.
    fn meet(&self) -> Result<(Session, State, Vec<InterfaceId>)> {
        if self.yard.yard.is_some() {
            let (session, seen) = live::running(&self.yard)?;
            let senders = self.senders_of(&seen)?;
            return Ok((session, seen, senders));
        }
        let file = File::read(&self.yard.file.origin())?;
        let name = &file.spec.yard.value;
        live::must_be_up(name)?;
        let met = Meeting::of(&file, Access::Write)?;
        let senders = self.senders(&met.yard)?;
        Ok((met.session, met.seen.state, senders))
    }

    /// The same without the file, which alone knows the names of links.
    fn senders_of(&self, seen: &State) -> Result<Vec<InterfaceId>> {
        let id = self.link.split_once(':').and_then(|(node, interface)| {
            let (node, name) = (NodeName::new(node).ok()?, FullName::new(interface).ok()?);
            Some(InterfaceId { place: Place::Node(node), name })
        });
        match id.filter(|id| seen.interface(id).is_some()) {
            Some(id) if !self.forward && !self.backward => Ok(vec![id]),
            Some(_) => Err(self.no_direction()),
            None => {
                let what = format!("there is no interface `{}` in this yard", self.link);
                Err(Error::failed(what).hint(
                    "links have names in the yard's file alone: `-f FILE`, or `node:interface`",
                ))
            }
        }
    }

    fn no_direction(&self) -> Error {
        Error::command_line(format!(
            "`{}` is one interface: it has no forward and backward",
            self.link
        ))
    }

    /// The interfaces whose sending changes.
    fn senders(&self, yard: &Yard) -> Result<Vec<InterfaceId>> {
        if let Some(link) = yard.links.iter().find(|link| link.name == self.link) {
            let [first, second] = link.ends.clone();
            return Ok(match (self.forward, self.backward) {
                (true, _) => vec![first],
                (_, true) => vec![second],
                _ => vec![first, second],
            });
        }
        let interface = self.link.split_once(':').and_then(|(node, interface)| {
            let node = yard.node(node)?;
            node.interface(interface)?;
            Some(InterfaceId { place: node.place.clone(), name: FullName::new(interface).ok()? })
        });
        match interface {
            Some(_) if self.forward || self.backward => Err(self.no_direction()),
            Some(id) => Ok(vec![id]),
            None => Err(self.unknown(yard)),
        }
    }

    fn unknown(&self, yard: &Yard) -> Error {
        let error =
            Error::failed(format!("there is no link or interface `{}` in this yard", self.link));
        let names: Vec<String> =
            yard.links.iter().take(5).map(|link| format!("`{}`", link.name)).collect();
        match names.is_empty() {
            true => error.hint("name an interface: `node:interface`"),
            false => error.hint(format!("its links: {}", names.join(", "))),
        }
    }
}

/// Changes what an interface does to what it sends.
fn impair(state: &mut State, sender: &InterfaceId, change: &Change) {
    debug_assert!(sender.place != Place::Fabric);
    let key = Key::Qdisc(sender.clone());
    let before = match state.remove(&key) {
        Some(Object::Qdisc(qdisc)) => Some(qdisc.impairment),
        _ => None,
    };
    let impairment = change.apply(before);
    if impairment != Default::default() {
        state.insert(Object::Qdisc(Qdisc { interface: sender.clone(), impairment }));
    }
}
