//! A container: a tree of files that systemd-nspawn runs in the namespace of a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::image::oci::Run;

/// What systemd-nspawn is told of a node's container. The namespace is made and
/// wired before, and handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// What machined calls it; the namespace's name, which no other on the host has.
    pub machine: String,
    /// The host name that it sees.
    pub hostname: String,
    /// Where its files are.
    pub root: Root,
    /// Of an image that is a disk: the partition of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// What it is known to need.
    pub profile: Profile,
    /// What is started in it: none where it boots.
    pub command: Option<Vec<String>>,
    /// An OCI image that says what is run in it is believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_image_says: bool,
    /// The user that the command runs as.
    pub user: Option<String>,
    /// Capabilities beyond those that nspawn leaves: `CAP_NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// What of the host it sees.
    pub binds: Vec<Bind>,
    /// Its users are others outside than they are inside.
    pub private_users: bool,
    /// What it may use at most.
    pub limits: Limits,
    /// Its machine-id(5); none: made of the host's and its name.
    pub machine_id: Option<String>,
    /// What of `/proc/sys` it may write.
    pub proc_sys: ProcSys,
    /// The signal that tells its init to power off: `SIGPWR`.
    pub stop: String,
    /// Addresses are netyard's: networkd inside leaves them alone.
    pub addressed: bool,
}

/// Where a container's files are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// In this directory, as they are.
    Directory(String),
    /// In a copy of this image of the yard's own, made by the first start.
    Image(String),
}

impl Root {
    /// The path that the user wrote.
    pub fn path(&self) -> &str {
        match self {
            Self::Directory(path) | Self::Image(path) => path,
        }
    }
}

/// What a container is known to need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// What is said, nothing more.
    None,
    /// OpenWrt: its init writes settings before all else, and configures its own network.
    Openwrt,
    /// A system with systemd in it.
    Systemd,
}

/// What of `/proc/sys` a container may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcSys {
    /// Nothing.
    ReadOnly,
    /// `/proc/sys/net`, which is its namespace's own.
    Net,
    /// All, and `/sys`: settings of the host among it.
    All,
}

/// What a container sees of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bind {
    /// On the host.
    pub from: String,
    /// In it.
    pub to: String,
    /// It may not be written to.
    pub read_only: bool,
}

/// What a container may use at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of memory, in bytes.
    pub memory: Option<u64>,
    /// Of processors, in percent of one.
    pub cpus: Option<u32>,
    /// Processes and threads.
    pub tasks: Option<u32>,
}

impl Limits {
    /// As properties of a systemd unit.
    pub fn properties(&self) -> Vec<String> {
        let memory = self.memory.map(|bytes| format!("MemoryMax={bytes}"));
        let cpus = self.cpus.map(|percent| format!("CPUQuota={percent}%"));
        let tasks = self.tasks.map(|count| format!("TasksMax={count}"));
        [memory, cpus, tasks].into_iter().flatten().collect()
    }
}

/// Where a container is started.
#[derive(Clone, Debug)]
pub struct Berth {
    /// The path of its network namespace. One with users of its own is started in it
    /// instead: they have no right to enter it (setns(2)), and before version 261
    /// nspawn enters it as one of them.
    pub netns: String,
    /// The directory of its files.
    pub root: String,
    /// Its machine-id; none where only the host can tell.
    pub machine_id: Option<String>,
    /// systemd runs the host: machined is told of it, and it has a scope of its own.
    pub registered: bool,
    /// What it sees of the host beside what the user said.
    pub binds: Vec<Bind>,
    /// The directory in it where its command begins.
    pub directory: Option<String>,
}

impl Container {
    /// True where its own init is started.
    pub fn boots(&self) -> bool {
        self.command.is_none()
    }

    /// The command that starts it. `waits`: it says itself when it is ready.
    pub fn argv(
        &self,
        berth: &Berth,
        environment: &BTreeMap<String, String>,
        waits: bool,
    ) -> Vec<String> {
        let mut argv = vec!["systemd-nspawn".to_owned(), "--quiet".to_owned()];
        let mut add = |text: String| argv.push(text);
        if !berth.registered {
            add("--register=no".into());
            add("--keep-unit".into());
        }
        add(format!("--machine={}", self.machine));
        add(format!("--hostname={}", self.hostname));
        add(format!("--directory={}", berth.root));
        if !self.private_users {
            add(format!("--network-namespace-path={}", berth.netns));
        }
        if !self.capabilities.is_empty() {
            // A namespace that is handed over comes without CAP_NET_ADMIN.
            add(format!("--capability={}", self.capabilities.join(",")));
        }
        add(format!("--private-users={}", if self.private_users { "pick" } else { "no" }));
        if self.private_users {
            add(format!("--private-users-ownership={}", self.ownership()));
        }
        add("--resolv-conf=off".into());
        add("--timezone=off".into());
        add("--link-journal=no".into());
        if waits {
            add("--notify-ready=yes".into());
        }
        add(format!("--kill-signal={}", self.stop));
        if let Some(id) = berth.machine_id.as_ref().or(self.machine_id.as_ref()) {
            add(format!("--uuid={id}"));
        }
        if let Some(directory) = &berth.directory {
            add(format!("--chdir={directory}"));
        }
        if let Some(user) = &self.user {
            add(format!("--user={user}"));
        }
        self.limits.properties().iter().for_each(|limit| add(format!("--property={limit}")));
        for bind in berth.binds.iter().chain(&self.binds) {
            let word = if bind.read_only { "--bind-ro" } else { "--bind" };
            add(format!("{word}={}:{}", escaped(&bind.from), escaped(&bind.to)));
        }
        environment.iter().for_each(|(name, value)| add(format!("--setenv={name}={value}")));
        match &self.command {
            None => {
                add("--console=read-only".into());
                add("--boot".into());
                if self.profile == Profile::Systemd {
                    // Nobody is there to answer its questions.
                    add("systemd.firstboot=off".into());
                }
            }
            Some(command) => {
                add("--console=pipe".into());
                add("--as-pid2".into());
                add("--".into());
                command.iter().for_each(|word| add(word.clone()));
            }
        }
        argv
    }

    /// How its files come to be its users': a directory of the user's is never changed,
    /// its owners are others for the container alone; a copy of the yard's own may be.
    pub fn ownership(&self) -> &'static str {
        match self.root {
            Root::Directory(_) => "map",
            Root::Image(_) => "auto",
        }
    }

    /// The container with what its image says of how it is run, and the environment
    /// with what that adds; as it is where the file says what is run.
    pub fn run_as(&self, run: &Run, environment: &mut BTreeMap<String, String>) -> Self {
        let argv = run.argv();
        if !self.as_image_says || argv.is_empty() {
            return self.clone();
        }
        for (name, value) in run.environment() {
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Self { command: Some(argv), user: run.user().map(str::to_owned), ..self.clone() }
    }

    /// What nspawn itself finds in its environment.
    pub fn surroundings(&self) -> Vec<(&'static str, &'static str)> {
        match self.proc_sys {
            ProcSys::ReadOnly => Vec::new(),
            ProcSys::Net => vec![("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")],
            ProcSys::All => vec![("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")],
        }
    }

    /// Where networkd inside is told to leave to the yard what is the yard's. What is
    /// below `/run` goes with the container: nothing is left in its files.
    pub fn networkd_binds(&self, settings: &str) -> Vec<Bind> {
        if self.profile != Profile::Systemd || !self.boots() || !self.addressed {
            return Vec::new();
        }
        let bind =
            |from: &str, to: &str| Bind { from: from.into(), to: to.into(), read_only: true };
        vec![
            // The packaged file asks for a lease on whatever is called `host0`.
            bind("/dev/null", "/run/systemd/network/80-container-host0.network"),
            bind(settings, "/run/systemd/networkd.conf.d/90-netyard.conf"),
        ]
    }
}

/// What networkd inside is told: it empties no table that it did not fill.
pub const NETWORKD_CONF: &str = "\
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
";

/// A path for `--bind`, where colons part and a backslash takes that from them.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container {
            machine: "y-gw".into(),
            hostname: "gw".into(),
            partition: None,
            root: Root::Directory("/srv/gw".into()),
            profile: Profile::Openwrt,
            command: None,
            as_image_says: false,
            user: None,
            capabilities: vec!["CAP_NET_ADMIN".into()],
            binds: vec![Bind { from: "/srv/a:b".into(), to: "/mnt".into(), read_only: true }],
            private_users: false,
            limits: Limits { memory: Some(64 << 20), cpus: Some(150), tasks: None },
            machine_id: None,
            proc_sys: ProcSys::Net,
            stop: "SIGPWR".into(),
            addressed: false,
        }
    }

    fn berth(registered: bool) -> Berth {
        let (netns, root) = ("/run/netns/y-gw".into(), "/srv/gw".into());
        Berth { netns, root, machine_id: None, registered, binds: Vec::new(), directory: None }
    }

    #[test]
    fn a_container_keeps_what_a_handed_over_namespace_takes_from_it() {
        let argv = container().argv(&berth(true), &BTreeMap::new(), false);
        let has = |word: &str| argv.iter().any(|found| found == word);
        assert!(has("--capability=CAP_NET_ADMIN") && has("--kill-signal=SIGPWR"), "{argv:?}");
        assert!(has("--bind-ro=/srv/a\\:b:/mnt"), "{argv:?}");
        assert!(has("--property=MemoryMax=67108864") && has("--property=CPUQuota=150%"));
        assert!(!has("--keep-unit") && argv.last().unwrap() == "--boot", "{argv:?}");
    }

    #[test]
    fn one_with_users_of_its_own_is_not_told_of_a_namespace_and_changes_no_file_of_the_users() {
        let own = Container { private_users: true, ..container() };
        let argv = own.argv(&berth(true), &BTreeMap::new(), false);
        assert!(!argv.iter().any(|word| word.contains("network-namespace")), "{argv:?}");
        assert!(argv.contains(&"--private-users-ownership=map".into()), "{argv:?}");
        let own = Container { root: Root::Image("/srv/gw.tar".into()), ..own };
        assert_eq!(own.ownership(), "auto");
    }

    #[test]
    fn where_systemd_is_not_the_first_process_nobody_is_told() {
        let argv = container().argv(&berth(false), &BTreeMap::new(), false);
        assert!(argv.contains(&"--register=no".into()) && argv.contains(&"--keep-unit".into()));
    }

    #[test]
    fn only_what_is_the_yards_is_kept_from_networkd() {
        let guest = Container { profile: Profile::Systemd, ..container() };
        assert!(guest.networkd_binds("/x").is_empty());
        let guest = Container { addressed: true, ..guest };
        assert_eq!(guest.networkd_binds("/x").len(), 2);
    }
}
