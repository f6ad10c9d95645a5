use netyard_core::plan::plan;
use netyard_core::state::{Object, Place, State};
use netyard_linux::Access;

use crate::cli::FileOption;
use crate::error::{Error, Result};
use crate::live::{self, Meeting};
use crate::load::File;
use crate::ui;

/// Give nodes a name under /run/netns, for `ip netns`
///
/// Small yards have them always; a large yard's nodes only where they are
/// asked for, because each is a mount that every process on the host pays for.
/// `netyard up` sets it back to what is usual.
#[derive(Debug, clap::Args)]
pub struct Publish {
    #[command(flatten)]
    file: FileOption,
    /// The nodes; all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Publish {
    /// Does it.
    pub fn run(self) -> Result {
        run(&self.file, &self.nodes, true)
    }
}

/// Makes these nodes' names visible, or no longer.
pub fn run(file: &FileOption, nodes: &[String], visible: bool) -> Result {
    let file = File::read(&file.origin())?;
    let name = &file.spec.yard.value;
    if !live::is_known(name)? {
        return Err(live::not_up(name));
    }
    let mut met = Meeting::of(&file, Access::Write)?;
    for node in nodes {
        if !met.seen.state.objects().any(|object| is_of(object, node)) {
            return Err(Error::failed(format!("node `{node}` is not up")));
        }
    }
    let chosen = |object: &Object| nodes.is_empty() || nodes.iter().any(|n| is_of(object, n));
    let desired: State = met
        .seen
        .state
        .objects()
        .map(|object| match object {
            Object::Namespace(namespace) if chosen(object) => {
                let mut namespace = namespace.clone();
                namespace.published = visible;
                Object::Namespace(namespace)
            }
            other => other.clone(),
        })
        .collect();
    let plan = plan(&met.seen.state, &desired);
    let number = plan.steps().count();
    if number > 0 {
        live::apply(&mut met.session, &plan, &desired)?;
    }
    let done = if visible { "published" } else { "unpublished" };
    ui::print(&format!("{done}: {}\n", ui::count(number, "name")))
}

fn is_of(object: &Object, node: &str) -> bool {
    match object {
        Object::Namespace(namespace) => match &namespace.place {
            Place::Node(name) => name.as_str() == node,
            _ => false,
        },
        _ => false,
    }
}
