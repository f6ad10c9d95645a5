//! `babeld`, `bird`, `dnsmasq`, `hostapd`: the configurations that netyard renders for programs, as
//! files of their own.

use super::{Papers, Subject, Target, one_line};
use crate::plan::quoted;
use crate::service::dnsmasq;
use crate::state::{Object, Place, Process};

pub(super) static BABELD: Target = Target {
    word: "babeld",
    doc: "babeld's configuration, a file for each node that speaks Babel",
    write: |subject, papers| daemons(&BABELD, subject, papers),
};

pub(super) static BIRD: Target = Target {
    word: "bird",
    doc: "BIRD's configuration, a file for each node that runs it",
    write: |subject, papers| daemons(&BIRD, subject, papers),
};

pub(super) static DNSMASQ: Target = Target {
    word: "dnsmasq",
    doc: "dnsmasq's configuration, a file for each network on which something is served",
    write: served,
};

pub(super) static HOSTAPD: Target = Target {
    word: "hostapd",
    doc: "hostapd's configuration, a file for each access point; passphrases stay where they are",
    write: access_points,
};

/// Access points. No passphrase is written: the head says how hostapd gets it.
fn access_points(subject: &Subject<'_>, papers: &mut Papers) {
    for object in subject.desired.objects() {
        let Object::Process(process) = object else { continue };
        let Some(file) = process.files.iter().find(|file| file.name == "hostapd.conf") else {
            continue;
        };
        let name = super::systemd::word::plain(&process.name);
        let path = path_of(&process.place, &format!("{name}.conf"));
        let (mut secret, mut text) = (None, String::new());
        for line in file.content.lines() {
            let hidden = line.strip_prefix("wpa_passphrase={file:");
            match hidden.and_then(|rest| rest.strip_suffix('}')) {
                Some(file) => secret = Some(file.to_owned()),
                None => text.push_str(&format!("{line}\n")),
            }
        }
        let inside = subject.inside(&process.place);
        let made = directories(&text, &HOSTAPD, &process.place).unwrap_or_default();
        let notes = match secret {
            None => vec![format!("Run as: {made}{inside}hostapd {path}")],
            Some(file) => vec![
                format!("Its passphrase is the first line of {file}, and not in here. Run as:"),
                format!(
                    "umask 077; {made}{{ cat {path}; printf 'wpa_passphrase=%s\\n' \"$(head -n 1 {})\"; }} >/run/{name}.conf",
                    quoted(&file)
                ),
                format!("{inside}hostapd /run/{name}.conf"),
            ],
        };
        let head =
            subject.head(&HOSTAPD, &format!("{} in {} of", process.name, process.place), &notes);
        papers.file(path, format!("{head}{}", placed(&text, &HOSTAPD, &process.place)), 0o600);
        papers.take(object);
    }
}

/// The processes that run the target's program.
fn daemons(target: &Target, subject: &Subject<'_>, papers: &mut Papers) {
    let name = format!("{}.conf", target.word);
    for object in subject.desired.objects() {
        let Object::Process(process) = object else { continue };
        let Some(file) = process.files.iter().find(|file| file.name == name) else { continue };
        let path = path_of(&process.place, &name);
        let head = head(target, subject, process, &path, &file.content);
        let text = placed(&file.content, target, &process.place);
        papers.file(path, format!("{head}{text}"), 0o644);
        papers.take(object);
    }
}

/// Where a process runs, and how it is started there.
fn head(
    target: &Target,
    subject: &Subject<'_>,
    process: &Process,
    path: &str,
    content: &str,
) -> String {
    let words: Vec<String> = process.program.words().into_iter().map(quoted).collect();
    let words = words.join(" ").replace(&format!("{{dir}}/{}.conf", target.word), path);
    let made = directories(&format!("{words}{content}"), target, &process.place);
    let made = made.unwrap_or_default();
    let command = placed(&words, target, &process.place);
    let what = format!("{} of {} in", target.word, process.place);
    subject.head(
        target,
        &what,
        &[format!("Run as: {made}{}{command}", subject.inside(&process.place))],
    )
}

/// A file's path: in a directory of its node, the host's at the top.
fn path_of(place: &Place, name: &str) -> String {
    match place {
        Place::Host => name.to_owned(),
        Place::Fabric => format!("fabric/{name}"),
        Place::Node(node) => format!("{node}/{name}"),
    }
}

/// A text with the directories that a daemon has on a host of its own.
fn placed(text: &str, target: &Target, place: &Place) -> String {
    let [dir, data] = own(target, place);
    text.replace("{dir}", &dir).replace("{data}", &data)
}

/// What is gone after a boot, and what is not.
fn own(target: &Target, place: &Place) -> [String; 2] {
    let own = format!("{}-{}", target.word, one_line(&place.to_string()));
    [format!("/run/{own}"), format!("/var/lib/{own}")]
}

/// The command that makes those of them that a text names, which no daemon does.
fn directories(text: &str, target: &Target, place: &Place) -> Option<String> {
    let both = ["{dir}", "{data}"].into_iter().zip(own(target, place));
    let named = both.filter(|(word, _)| text.contains(word)).map(|(_, path)| quoted(&path));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("mkdir -p {} && ", named.join(" ")))
}

/// What netyard itself serves can be said to dnsmasq, too.
fn served(subject: &Subject<'_>, papers: &mut Papers) {
    for serving in &subject.yard.servings {
        for network in &serving.served.networks {
            let path = path_of(&serving.place, &format!("{}.conf", network.network));
            let what = format!("What is served on network {} of", network.network);
            let text = dnsmasq::configuration(network);
            let made = directories(&text, &DNSMASQ, &serving.place).unwrap_or_default();
            let command = format!("dnsmasq --keep-in-foreground --conf-file={path}");
            let command = format!("Run as: {made}{}{command}", subject.inside(&serving.place));
            let head = subject.head(&DNSMASQ, &what, &[command]);
            let text = placed(&text, &DNSMASQ, &serving.place);
            papers.file(path, format!("{head}{text}"), 0o644);
        }
        let process = serving.process();
        let object = Object::from(process);
        papers.take(&object);
    }
}
