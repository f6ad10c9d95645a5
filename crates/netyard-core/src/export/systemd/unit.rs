//! Units: who runs the scripts, processes in their namespaces, containers.

use std::fmt::Write as _;

use crate::boot::device;
use crate::state::{
    Berth, Bind, Container, NETWORKD_CONF, Object, Place, Process, Profile, Program, Ready,
    Restart, Root,
};

use super::super::{Papers, Subject};
use super::TARGET;
use super::word::{command, line, plain, word};

/// Where units are.
const UNITS: &str = "etc/systemd/system";

/// Where the files of a yard are that units name.
pub(super) fn library(subject: &Subject<'_>) -> String {
    format!("usr/local/lib/{}", plain(subject.yard.name.as_str()))
}

/// The unit that runs the scripts.
pub(super) fn network_unit(subject: &Subject<'_>) -> String {
    format!("{}-network.service", plain(subject.yard.name.as_str()))
}

/// What every unit after the network says.
fn after_network(subject: &Subject<'_>, scripted: bool) -> String {
    match scripted {
        true => format!("Requires={0}\nAfter={0}\n", network_unit(subject)),
        false => "After=systemd-networkd.service\n".to_owned(),
    }
}

/// Writes the unit that runs the scripts.
pub(super) fn network(subject: &Subject<'_>, devices: &[String], papers: &mut Papers) {
    let head =
        subject.head(&TARGET, "Namespaces, cables and what else networkd does not make of", &[]);
    let library = library(subject);
    let mut text = format!(
        "{head}[Unit]\nDescription=Network of {}\n",
        line(&format!("yard {}", subject.yard.name))
    );
    text.push_str(
        "After=network-pre.target systemd-sysctl.service systemd-networkd.service nftables.service\n\
         Before=network-online.target\n",
    );
    for name in devices {
        let unit = device(name);
        let _ = writeln!(text, "Wants={unit}\nAfter={unit}");
    }
    let _ = write!(
        text,
        "\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh /{library}/up.sh\nExecStop=/bin/sh /{library}/down.sh\nTasksMax=infinity\n\
         \n[Install]\nWantedBy=multi-user.target\n"
    );
    papers.file(format!("{UNITS}/{}", network_unit(subject)), text, 0o644);
}

/// What a process is called among all units and directories.
fn base(subject: &Subject<'_>, place: &Place, name: &str) -> String {
    let place = match place {
        Place::Host => "host".to_owned(),
        Place::Fabric => "fabric".to_owned(),
        Place::Node(node) => node.to_string(),
    };
    plain(&format!("{}-{place}-{name}", subject.yard.name))
}

/// The name of a place's namespace; none for the host.
fn netns(subject: &Subject<'_>, place: &Place) -> Option<String> {
    subject.desired.objects().find_map(|object| match object {
        Object::Namespace(o) if o.place == *place => Some(o.netns.clone()),
        _ => None,
    })
}

/// The files of a node that stand for those below `/etc`.
fn etc(subject: &Subject<'_>, place: &Place) -> Vec<Bind> {
    let files = subject.desired.objects().filter_map(|object| match object {
        Object::File(o) if Place::Node(o.node.clone()) == *place => Some(Bind {
            from: format!("/etc/netns/{}/{}", o.netns, o.name),
            to: format!("/etc/{}", o.name),
            read_only: true,
        }),
        _ => None,
    });
    files.collect()
}

/// Writes a process as a unit; says why where it cannot.
pub(super) fn process(
    subject: &Subject<'_>,
    o: &Process,
    scripted: bool,
    papers: &mut Papers,
) -> Result<String, &'static str> {
    let argv = match &o.program {
        Program::Argv(argv) => argv,
        Program::Machine(_) => {
            return Err("a virtual machine is powered off by who watches over it");
        }
        Program::Netyard(_) | Program::Container(_) => return Err("it is netyard itself"),
    };
    if o.files.iter().any(|file| file.content.contains("{file:")) {
        return Err("its configuration has a passphrase, which netyard puts in when it starts");
    }
    let base = base(subject, &o.place, &o.name);
    let library = format!("{}/{base}", library(subject));
    let placed = |text: &str| {
        text.replace("{dir}", &format!("/run/{base}"))
            .replace("{data}", &format!("/var/lib/{base}"))
            .replace("{secrets}", &subject.secrets())
    };
    let what = format!("Process {} in {} of", o.name, o.place);
    let head = subject.head(&TARGET, &what, &[]);
    let title = line(&format!("{} in {} of yard {}", o.name, o.place, subject.yard.name));
    let mut text =
        format!("{head}[Unit]\nDescription={title}\n{}", after_network(subject, scripted));
    let kind = match o.ready {
        Ready::Notify => "notify\nNotifyAccess=all",
        Ready::Exit => "oneshot\nRemainAfterExit=yes",
        _ => "exec",
    };
    let _ = write!(text, "\n[Service]\nType={kind}\n");
    if let Some(netns) = netns(subject, &o.place) {
        let _ = writeln!(text, "NetworkNamespacePath={}", line(&format!("/run/netns/{netns}")));
    }
    for bind in etc(subject, &o.place) {
        let both = format!("{}:{}", bind.from, bind.to);
        let _ = writeln!(text, "BindReadOnlyPaths={}", word(&both));
    }
    if let Some(user) = &o.user {
        let _ = writeln!(text, "User={}", line(user));
    }
    for (name, value) in &o.environment {
        let pair = format!("{name}={}", placed(value));
        // In this list a dollar is one.
        let _ = writeln!(text, "Environment={}", word(&pair).replace("$$", "$"));
    }
    let _ = writeln!(text, "RuntimeDirectory={base}");
    if o.keep {
        let _ = writeln!(text, "StateDirectory={base}");
    }
    for file in &o.files {
        papers.file(format!("{library}/{}", file.name), placed(&file.content), 0o644);
        let (mode, name) = (file.mode, &file.name);
        let from = format!("/{library}/{name}");
        let to = format!("/run/{base}/{name}");
        let install = ["/usr/bin/install", "-m", &format!("{mode:o}"), from.as_str(), to.as_str()]
            .map(str::to_owned);
        let _ = writeln!(text, "ExecStartPre={}", command(install.iter().map(String::as_str)));
    }
    let argv: Vec<String> = argv.iter().map(|text| placed(text)).collect();
    let _ = writeln!(text, "ExecStart={}", command(argv.iter().map(String::as_str)));
    let restart = match (o.restart, &o.ready) {
        (Restart::Never, _) => "no",
        (Restart::Always, Ready::Exit) | (Restart::OnFailure, _) => "on-failure",
        (Restart::Always, _) => "always",
    };
    let _ =
        write!(text, "Restart={restart}\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n");
    let unit = format!("{base}.service");
    papers.file(format!("{UNITS}/{unit}"), text, 0o644);
    Ok(unit)
}

/// Writes a container: its settings for nspawn, and what its unit is told beside the
/// packaged template. `before` is the container that is started first: several at once are
/// refused ("Device or resource busy").
pub(super) fn container(
    subject: &Subject<'_>,
    o: &Process,
    container: &Container,
    before: Option<&str>,
    papers: &mut Papers,
) -> Result<String, &'static str> {
    let machine = container.machine.as_str();
    let plain_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !machine.chars().all(plain_name) {
        return Err("its name is none for a machine");
    }
    let Some(netns) = netns(subject, &o.place) else { return Err("it has no namespace") };
    let library = format!("{}/{machine}", library(subject));
    let root = match &container.root {
        Root::Directory(path) => path.clone(),
        Root::Image(image) => {
            let at = format!("/var/lib/machines/{machine}");
            papers.left_out.push(format!(
                "the files of container {machine}: `{image}` is to be unpacked to `{at}` by hand"
            ));
            at
        }
    };
    let mut binds = container.networkd_binds(&format!("/{library}/networkd.conf"));
    if !binds.is_empty() {
        let head = subject.head(&TARGET, &format!("What networkd in {} is told by", o.place), &[]);
        papers.file(format!("{library}/networkd.conf"), head + NETWORKD_CONF, 0o644);
    }
    if container.profile == Profile::Systemd {
        let head = subject.head(&TARGET, &format!("The name of {} in", o.place), &[]);
        let text = format!("{head}{}\n", container.hostname);
        papers.file(format!("{library}/hostname"), text, 0o444);
        let (from, to) = (format!("/{library}/hostname"), "/etc/hostname".to_owned());
        binds.push(Bind { from, to, read_only: true });
    }
    binds.extend(etc(subject, &o.place));
    let berth = Berth {
        netns: format!("/run/netns/{netns}"),
        root,
        machine_id: None,
        registered: true,
        binds,
        directory: None,
    };
    let head = subject.head(&TARGET, &format!("Container {} of", o.place), &[]);
    let settings = settings(o, container, &berth)?;
    papers.file(format!("etc/systemd/nspawn/{machine}.nspawn"), format!("{head}{settings}"), 0o644);
    let unit = format!("systemd-nspawn@{machine}.service");
    let text = head + &drop_in(subject, container, &berth, before);
    papers.file(format!("{UNITS}/{unit}.d/50-network.conf"), text, 0o644);
    Ok(unit)
}

/// systemd.nspawn(5).
fn settings(o: &Process, container: &Container, berth: &Berth) -> Result<String, &'static str> {
    let mut text = "[Exec]\n".to_owned();
    match &container.command {
        None => say(&mut text, "Boot", "yes")?,
        Some(argv) => {
            say(&mut text, "ProcessTwo", "yes")?;
            let words: Vec<String> = argv.iter().map(|text| word(text)).collect();
            // Neither specifiers nor variables are known there.
            say(&mut text, "Parameters", &words.join(" ").replace("%%", "%").replace("$$", "$"))?;
        }
    }
    say(&mut text, "Hostname", &container.hostname)?;
    if !container.capabilities.is_empty() {
        // A namespace that is handed over comes without CAP_NET_ADMIN.
        say(&mut text, "Capability", &container.capabilities.join(" "))?;
    }
    say(&mut text, "PrivateUsers", if container.private_users { "pick" } else { "no" })?;
    if container.private_users {
        say(&mut text, "PrivateUsersOwnership", container.ownership())?;
    }
    for (key, value) in [("ResolvConf", "off"), ("Timezone", "off"), ("LinkJournal", "no")] {
        say(&mut text, key, value)?;
    }
    say(&mut text, "KillSignal", &container.stop)?;
    if o.ready == Ready::Notify {
        say(&mut text, "NotifyReady", "yes")?;
    }
    if let Some(id) = &container.machine_id {
        say(&mut text, "MachineID", id)?;
    }
    if let Some(user) = &container.user {
        say(&mut text, "User", user)?;
    }
    for (name, value) in &o.environment {
        let pair = word(&format!("{name}={value}")).replace("%%", "%").replace("$$", "$");
        say(&mut text, "Environment", &pair)?;
    }
    let binds: Vec<&Bind> = berth.binds.iter().chain(&container.binds).collect();
    if !binds.is_empty() {
        text.push_str("\n[Files]\n");
    }
    for bind in binds {
        let escaped = |path: &str| path.replace('\\', "\\\\").replace(':', "\\:");
        let key = if bind.read_only { "BindReadOnly" } else { "Bind" };
        say(&mut text, key, &format!("{}:{}", escaped(&bind.from), escaped(&bind.to)))?;
    }
    Ok(text)
}

/// A line of the settings.
fn say(text: &mut String, key: &str, value: &str) -> Result<(), &'static str> {
    if value.contains(|c: char| c.is_control()) {
        return Err("a line of its settings would not end where it should");
    }
    let _ = writeln!(text, "{key}={value}");
    Ok(())
}

/// What its unit says beyond the template: where its namespace is, what it may use.
fn drop_in(
    subject: &Subject<'_>,
    container: &Container,
    berth: &Berth,
    before: Option<&str>,
) -> String {
    let mut text = format!("[Unit]\n{}", after_network(subject, true));
    if let Some(unit) = before {
        let _ = writeln!(text, "After={unit}");
    }
    text.push_str("\n[Service]\n");
    for (name, value) in container.surroundings() {
        let _ = writeln!(text, "Environment={name}={value}");
    }
    for limit in container.limits.properties() {
        let _ = writeln!(text, "{}", line(&limit));
    }
    let network = format!("--network-namespace-path={}", berth.netns);
    let directory = format!("--directory={}", berth.root);
    let machine = format!("--machine={}", container.machine);
    let mut argv = vec!["systemd-nspawn", "--quiet", "--keep-unit", "--settings=override"];
    argv.extend([machine.as_str(), directory.as_str()]);
    match container.private_users {
        // Its users may not enter it: it begins there.
        true => {
            let _ = writeln!(text, "NetworkNamespacePath={}", line(&berth.netns));
        }
        false => argv.push(&network),
    }
    if container.boots() && container.profile == Profile::Systemd {
        argv.push("systemd.firstboot=off");
    }
    let _ = writeln!(text, "ExecStart=\nExecStart={}", command(argv));
    text
}
