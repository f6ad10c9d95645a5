use netyard_core::plan::plan;
use netyard_core::state::{Object, Place, State};

use crate::cli::YardOptions;
use crate::command::logs::place;
use crate::error::{Error, Result};
use crate::{live, ui};

/// Stop a node, as if its power failed: its services end, its interfaces go down
///
/// The node itself stays, with its names and keys, and programs that were started
/// in it by `exec`. `netyard start` brings it back, and so does `netyard up`.
#[derive(Debug, clap::Args)]
pub struct Stop {
    #[command(flatten)]
    yard: YardOptions,
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
}

impl Stop {
    /// Does it.
    pub fn run(self) -> Result {
        let place = node(&self.node)?;
        let (mut session, seen) = live::running(&self.yard)?;
        if !seen.objects().any(|object| object.place() == place) {
            return Err(unknown(&place));
        }
        let desired = without_power(&seen, &place);
        let plan = plan(&seen, &desired);
        if plan.is_empty() {
            return ui::print(&format!("stop: {place} is stopped already\n"));
        }
        live::apply(&mut session, &plan, &desired)?;
        ui::print(&format!("stop: {place}\n"))?;
        ui::hint(&format!("`netyard start {place}` brings it back"));
        Ok(())
    }
}

/// A node of the yard; this machine is none that could be stopped.
pub fn node(name: &str) -> Result<Place> {
    match place(name)? {
        Place::Host => Err(Error::command_line("this machine is no node that can be stopped")),
        place => Ok(place),
    }
}

/// A node that is not there.
pub fn unknown(place: &Place) -> Error {
    Error::failed(format!("there is no node `{place}` in this yard"))
        .hint("`netyard status` shows those there are")
}

/// What is left in the kernel of what there is when a node's services have ended and
/// its interfaces are down: with an interface, the kernel lets go of its routes, its
/// neighbours and its IPv6 addresses.
fn without_power(seen: &State, place: &Place) -> State {
    let stays = |object: &Object| match object {
        _ if object.place() != *place => true,
        Object::Process(_) | Object::Route(_) | Object::Neighbour(_) => false,
        Object::Address(address) => address.net.addr().is_ipv4() || is_loopback(&address.interface),
        _ => true,
    };
    let down = |object: &Object| match object {
        Object::Interface(interface)
            if interface.id.place == *place && !is_loopback(&interface.id) =>
        {
            let mut interface = interface.clone();
            interface.up = false;
            Object::Interface(interface)
        }
        object => object.clone(),
    };
    seen.objects().filter(|object| stays(object)).map(down).collect()
}

fn is_loopback(id: &netyard_core::state::InterfaceId) -> bool {
    id.name.as_str() == "lo"
}
