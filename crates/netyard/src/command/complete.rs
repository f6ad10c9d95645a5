use netyard_core::spec::{LinkSpec, Spec};

use crate::cli::FileOption;
use crate::error::Result;
use crate::load::File;
use crate::ui;

/// Print names for a shell's completion
#[derive(Debug, clap::Args)]
pub struct Complete {
    #[command(flatten)]
    file: FileOption,
    /// Names of what
    what: What,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    Nodes,
    Links,
}

impl Complete {
    /// Does it; a file with errors has no names, and says nothing.
    pub fn run(self) -> Result {
        let Ok(file) = File::read(&self.file.origin()) else {
            return Ok(());
        };
        let names = match self.what {
            What::Nodes => nodes(&file.spec),
            What::Links => file.spec.links.iter().map(link).collect(),
        };
        ui::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
    }
}

fn nodes(spec: &Spec) -> Vec<String> {
    spec.nodes.iter().map(|node| node.name.value.to_string()).collect()
}

fn link(link: &LinkSpec) -> String {
    let [a, b] = &link.ends;
    match &link.name {
        Some(name) => name.value.to_string(),
        None => format!(
            "{}:{}--{}:{}",
            a.node.value, a.interface.value, b.node.value, b.interface.value
        ),
    }
}
