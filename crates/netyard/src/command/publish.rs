use netyard_core::plan::plan;
use netyard_core::state::{Object, Place, State};

use crate::cli::YardOptions;
use crate::error::{Error, Result};
use crate::live;
use crate::ui;

/// Give nodes a name under /run/netns, for `ip netns`
///
/// Small yards have them always; a large yard's nodes only where they are
/// asked for, because each is a mount that every process on the host pays for.
/// `netyard up` sets it back to what is usual.
#[derive(Debug, clap::Args)]
pub struct Publish {
    #[command(flatten)]
    yard: YardOptions,
    /// The nodes; all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

impl Publish {
    /// Does it.
    pub fn run(self) -> Result {
        run(&self.yard, &self.nodes, true)
    }
}

/// Makes these nodes' names visible, or no longer.
pub fn run(options: &YardOptions, nodes: &[String], visible: bool) -> Result {
    let (mut session, seen) = live::running(options)?;
    for node in nodes {
        if !seen.objects().any(|object| is_of(object, node)) {
            return Err(Error::failed(format!("node `{node}` is not up")));
        }
    }
    let chosen = |object: &Object| nodes.is_empty() || nodes.iter().any(|n| is_of(object, n));
    let desired: State = seen
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
    let plan = plan(&seen, &desired);
    let number = plan.steps().count();
    if number > 0 {
        live::apply(&mut session, &plan, &desired)?;
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
