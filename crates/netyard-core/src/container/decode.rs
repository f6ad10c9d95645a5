//! `container:` of a node, read.

use super::text;
use super::{ContainerSpec, PATIENCE};
use crate::diag::{Report, Span, Spanned, container as say};
use crate::service::{self, Care};
use crate::shape::{Record, Value};
use crate::state::{Bind, Limits, ProcSys, Profile, Ready, Root};

/// Reads the keys.
pub fn parse(record: &Record, report: &mut Report) -> Option<ContainerSpec> {
    let profile = match record.text("profile").as_ref().map(|word| word.value.as_str()) {
        Some("openwrt") => Profile::Openwrt,
        Some("systemd") => Profile::Systemd,
        _ => Profile::None,
    };
    let command = command(record, report);
    let care = Care::from_record(record, report);
    if let Some(span) = record.place("user").filter(|_| command.is_none()) {
        report.push(say::boots_as(span));
    }
    let (ready, patience) = ready(record, profile, command.is_some(), report);
    let root = root(record, report)?;
    let partition = record.number("partition");
    if let (Some(span), Root::Directory(_)) = (record.place("partition"), &root.value) {
        report.push(say::no_partition(span));
    }
    let private_users = record.bool("private-users").filter(|on| on.value).map(|on| on.span);
    if let Some(users) = private_users {
        own_network(record, profile, users, report);
    }
    let nothing_said = command.is_none() && !record.has("boot") && profile == Profile::None;
    Some(ContainerSpec {
        span: record.span,
        as_image_says: nothing_said && matches!(root.value, Root::Image(_)),
        root,
        partition,
        profile,
        capabilities: capabilities(record, profile, private_users.is_some(), report),
        binds: record.list("binds").iter().filter_map(|value| bind(value, report)).collect(),
        private_users,
        limits: limits(record, report),
        machine_id: word(record, "machine-id", text::machine_id, say::machine_id, report),
        proc_sys: proc_sys(record, profile, report),
        stop: word(record, "stop", text::signal, say::signal, report)
            .unwrap_or_else(|| default_stop(profile, command.is_some()).to_owned()),
        command,
        ready,
        patience,
        care,
    })
}

fn root(record: &Record, report: &mut Report) -> Option<Spanned<Root>> {
    let (root, image) = (record.text("root"), record.text("image"));
    if let (Some(root), Some(image)) = (&root, &image) {
        let keys = (("root", root.span), ("image", image.span));
        report.push(crate::diag::shape::exclude_each_other("container", keys.0, keys.1));
        return None;
    }
    let (key, found) = match (root, image) {
        (Some(root), _) => ("root", root.map(Root::Directory)),
        (None, Some(image)) => ("image", image.map(Root::Image)),
        (None, None) => {
            if !record.has("root") && !record.has("image") {
                report.push(say::no_root(record.span));
            }
            return None;
        }
    };
    let path = found.value.path();
    if !text::is_whole(path) || path == "/" {
        report.push(say::relative(key, path, found.span));
        return None;
    }
    Some(found)
}

/// A text that `read` understands; what it does not is said.
fn word<T>(
    record: &Record,
    key: &str,
    read: impl Fn(&str) -> Option<T>,
    bad: impl Fn(&str, crate::diag::Span) -> crate::diag::Diagnostic,
    report: &mut Report,
) -> Option<T> {
    let text = record.text(key)?;
    let value = read(&text.value);
    if value.is_none() {
        report.push(bad(&text.value, text.span));
    }
    value
}

/// The signal after which an init powers off: procd and busybox, systemd, nspawn's
/// own that stands in where a command runs.
fn default_stop(profile: Profile, command: bool) -> &'static str {
    match profile {
        Profile::Openwrt if !command => "SIGPWR",
        _ => "SIGRTMIN+4",
    }
}

fn command(record: &Record, report: &mut Report) -> Option<Vec<String>> {
    let boots = record.bool("boot");
    let Some(value) = record.values.get("command") else {
        if let Some(boots) = boots.filter(|boots| !boots.value && !record.has("command")) {
            report.push(say::nothing_to_start(boots.span));
        }
        return None;
    };
    if let Some(boots) = boots.filter(|boots| boots.value) {
        report.push(say::boot_and_command(boots.span));
    }
    let argv = match &value.value {
        Value::Text(text) if text.trim().is_empty() => Vec::new(),
        Value::Text(text) => vec!["sh".into(), "-c".into(), text.clone()],
        Value::List(list) => list.iter().filter_map(as_text).collect(),
        _ => return None,
    };
    if argv.first().is_none_or(String::is_empty) {
        report.push(crate::diag::shape::empty_command(value.span));
    }
    Some(argv)
}

fn as_text(value: &Spanned<Value>) -> Option<String> {
    match &value.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn ready(record: &Record, profile: Profile, command: bool, report: &mut Report) -> (Ready, u32) {
    let (ready, patience) = service::ready(record, PATIENCE, report);
    match ready {
        Ready::Started if !record.has("ready") && profile == Profile::Systemd && !command => {
            (Ready::Notify, patience)
        }
        ready => (ready, patience),
    }
}

/// The namespace belongs to the host's root: whoever is somebody else cannot change what
/// is in it, whatever else he may.
fn own_network(record: &Record, profile: Profile, users: Span, report: &mut Report) {
    if let Some(span) = record.place("profile").filter(|_| profile == Profile::Openwrt) {
        report.push(say::no_right_to_the_network("`openwrt` sets up its own network", span, users));
    }
    let word = record.text("proc-sys").filter(|word| word.value != "read-only");
    if let Some(word) = word {
        report.push(say::no_right_to_the_network("these settings are others'", word.span, users));
    }
    for value in record.list("capabilities") {
        let Value::Text(name) = &value.value else { continue };
        if text::capability(name).is_some_and(|name| name == "CAP_NET_ADMIN") {
            let why = "it has no power over this network";
            report.push(say::no_right_to_the_network(why, value.span, users));
        }
    }
}

fn capabilities(
    record: &Record,
    profile: Profile,
    private_users: bool,
    report: &mut Report,
) -> Vec<String> {
    let mut all = Vec::new();
    if profile != Profile::None && !private_users {
        all.push("CAP_NET_ADMIN".to_owned());
    }
    for value in record.list("capabilities") {
        let Value::Text(name) = &value.value else { continue };
        match text::capability(name) {
            Some(capability) => all.push(capability),
            None => report.push(say::capability(name, value.span)),
        }
    }
    all.sort();
    all.dedup();
    all
}

fn bind(value: &Spanned<Value>, report: &mut Report) -> Option<Bind> {
    let bind = match &value.value {
        Value::Text(text) => {
            let (from, to) = text.split_once(':').unwrap_or((text, text));
            Bind { from: from.to_owned(), to: to.to_owned(), read_only: false }
        }
        Value::Record(record) => {
            let from = record.text("from")?.value;
            let to = record.text("to").map_or_else(|| from.clone(), |to| to.value);
            let read_only = record.bool("read-only").is_some_and(|on| on.value);
            Bind { from, to, read_only }
        }
        _ => return None,
    };
    if !text::is_whole(&bind.from) || !text::is_whole(&bind.to) {
        report.push(say::bind(&format!("{}:{}", bind.from, bind.to), value.span));
        return None;
    }
    Some(bind)
}

fn limits(record: &Record, report: &mut Report) -> Limits {
    let Some(limits) = record.record("limits") else { return Limits::default() };
    let limits = limits.value;
    Limits {
        memory: word(&limits, "memory", text::size, say::size, report),
        cpus: word(&limits, "cpus", text::cpus, say::cpus, report),
        tasks: limits.number("tasks"),
    }
}

fn proc_sys(record: &Record, profile: Profile, report: &mut Report) -> ProcSys {
    let word = record.text("proc-sys");
    match word.as_ref().map(|word| (word.value.as_str(), word.span)) {
        Some(("read-only", _)) => ProcSys::ReadOnly,
        Some(("net", _)) => ProcSys::Net,
        Some((_, span)) => {
            report.push(say::whole_proc_sys(span));
            ProcSys::All
        }
        None if profile == Profile::Openwrt => ProcSys::Net,
        None => ProcSys::ReadOnly,
    }
}
