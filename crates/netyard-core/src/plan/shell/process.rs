//! Processes as commands. What supervises them has no command.

use super::ShellNames;
use super::unit::{heredoc, quoted};
use crate::state::{Berth, Container, Process, ProcessFile, Program, Ready, Root};

/// The directories of a process, as variables of a shell.
const PLACES: [(&str, &str); 4] =
    [("{dir}", "$dir"), ("{data}", "$data"), ("{secrets}", "$secrets"), ("{root}", "$root")];

/// Its files, and the command itself.
pub(super) fn start(names: &ShellNames, o: &Process) -> Vec<String> {
    if let Some(container) = o.container() {
        return start_container(container, o);
    }
    let mut lines = Vec::new();
    if !o.files.is_empty() || speaks_of(o, "{dir}") {
        lines.push("dir=$(mktemp -d)".to_owned());
    }
    lines.extend(o.files.iter().flat_map(file));
    lines.push(run(names, o));
    lines
}

/// Its end.
pub(super) fn end(names: &ShellNames, o: &Process) -> Vec<String> {
    if let Some(container) = o.container() {
        let (stop, machine) = (&container.stop, quoted(&container.machine));
        return vec![format!("machinectl kill --kill-whom=leader --signal={stop} {machine}")];
    }
    let program = o.program.words().first().map(|word| quoted(word)).unwrap_or_default();
    vec![format!("{}pkill -x {program}", names.exec(&o.place))]
}

/// New files and a signal, or its end and its beginning.
pub(super) fn change(names: &ShellNames, from: &Process, to: &Process) -> Vec<String> {
    let Some(signal) = from.reload_to(to) else {
        let mut lines = end(names, from);
        lines.extend(start(names, to));
        return lines;
    };
    let changed = to.files.iter().filter(|file| !from.files.contains(file));
    let mut lines: Vec<String> = changed.flat_map(file).collect();
    let program = to.program.words().first().map(|word| quoted(word)).unwrap_or_default();
    lines.push(format!("{}pkill -{signal} -x {program}", names.exec(&to.place)));
    lines
}

/// A container of a host with systemd; its namespace is there.
fn start_container(container: &Container, o: &Process) -> Vec<String> {
    let mut lines = Vec::new();
    let root = match &container.root {
        Root::Directory(path) => path.clone(),
        Root::Image(image) => {
            let partition = container.partition.map(|number| format!(", partition {number},"));
            let of = quoted(image) + &partition.unwrap_or_default();
            lines.push(format!("root=$(mktemp -d)  # the files of {of} are in it"));
            "{root}".to_owned()
        }
    };
    let berth = Berth {
        netns: format!("/run/netns/{}", container.machine),
        root,
        machine_id: None,
        registered: true,
        binds: Vec::new(),
        directory: None,
    };
    let argv = container.argv(&berth, &o.environment, o.ready == Ready::Notify);
    let surroundings = container.surroundings();
    let before = surroundings.iter().map(|(name, value)| format!("{name}={value} "));
    let words: Vec<String> = argv.iter().map(|text| word(text)).collect();
    lines.push(before.collect::<String>() + &words.join(" ") + " &");
    lines
}

fn speaks_of(o: &Process, what: &str) -> bool {
    let words = o.program.words();
    words.iter().any(|word| word.contains(what)) || o.environment.values().any(|v| v.contains(what))
}

fn file(file: &ProcessFile) -> Vec<String> {
    let path = word(&format!("{{dir}}/{}", file.name));
    heredoc(&format!("install -m {:o} /dev/stdin {path}", file.mode), &file.content)
}

fn run(names: &ShellNames, o: &Process) -> String {
    let mut line = names.exec(&o.place);
    if let Some(user) = &o.user {
        line += &format!("runuser -u {} -- ", quoted(user));
    }
    if !o.environment.is_empty() {
        let each = o.environment.iter().map(|(name, value)| format!("{name}={} ", word(value)));
        line += &format!("env {}", each.collect::<String>());
    }
    let words: Vec<String> = match &o.program {
        Program::Argv(argv) => argv.iter().map(|text| word(text)).collect(),
        netyard => netyard.words().into_iter().map(word).collect(),
    };
    line + &words.join(" ") + " &"
}

/// A word of the command line; directories are variables.
fn word(text: &str) -> String {
    if !PLACES.iter().any(|(place, _)| text.contains(place)) {
        return quoted(text);
    }
    let mut text: String = text
        .chars()
        .flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain(Some(c)))
        .collect();
    for (place, variable) in PLACES {
        text = text.replace(place, variable);
    }
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NodeName;
    use crate::state::{Place, Reload};

    fn process() -> Process {
        let argv = ["babeld", "-c", "{dir}/babeld.conf", "a b"].map(str::to_owned).to_vec();
        let place = Place::Node(NodeName::new("gw").unwrap());
        Process {
            user: Some("babel".into()),
            environment: [("A".to_owned(), "it's".to_owned())].into(),
            files: vec![ProcessFile::new("babeld.conf", "interface eth0\n".into())],
            reload: Reload::Signal("HUP".into()),
            ..Process::new(place, "babeld", Program::Argv(argv))
        }
    }

    #[test]
    fn a_process_is_its_files_and_a_command_in_the_background() {
        let lines = start(&ShellNames::default(), &process());
        assert_eq!(
            lines,
            [
                "dir=$(mktemp -d)",
                "install -m 600 /dev/stdin \"$dir/babeld.conf\" <<'EOF'",
                "interface eth0",
                "EOF",
                "ip netns exec gw runuser -u babel -- env A='it'\\''s' babeld -c \"$dir/babeld.conf\" 'a b' &",
            ]
        );
    }

    #[test]
    fn a_change_of_files_is_told_by_a_signal_and_any_other_by_a_new_process() {
        let names = ShellNames::default();
        let from = process();
        let files = vec![ProcessFile::new("babeld.conf", "interface eth1\n".into())];
        let lines = change(&names, &from, &Process { files, ..from.clone() });
        assert_eq!(lines.last().unwrap(), "ip netns exec gw pkill -HUP -x babeld");
        let lines = change(&names, &from, &Process { user: None, ..from.clone() });
        assert_eq!(lines.first().unwrap(), "ip netns exec gw pkill -x babeld");
    }
}
