//! Containers of nodes, natively: systemd-nspawn works where systemd does not run the
//! host, but registers nothing. With systemd: `vm_container`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::alone::alone;
use crate::guest;
use crate::service::supervisors;
use crate::site::Site;

/// A firmware that boots, a web server, and a plain node that looks at both.
const BOXES: &str = "
yard: YARD
networks: { lan: { prefix: 10.4.0.0/24 } }
nodes:
  gw:
    container: { root: ROOT/gw, profile: openwrt, environment: { GREETING: hello } }
    interfaces: { eth0: { network: lan, address: 10.4.0.2/24 } }
  web:
    container:
      root: ROOT/web
      command: [httpd, -f, -p, \"80\", -h, /etc]
      ready: { tcp: 80 }
      binds: [{ from: ROOT/gw/etc/inittab, to: /etc/shared, read-only: true }]
      restart: always
    hosts: { gw: 10.4.0.2 }
    interfaces: { eth0: { network: lan, address: 10.4.0.3/24 } }
  c: { interfaces: { eth0: { network: lan, address: 10.4.0.4/24 } } }
";

/// A site with trees for `gw` and `web`, in a yard of that name, which no other test has:
/// cgroups and processes are the machine's.
fn boxes(yard: &str, text: &str) -> Site {
    let site = Site::new("");
    guest::firmware(&site.path().join("gw"), "echo $GREETING");
    guest::tree(&site.path().join("web"));
    site.file(&filled(&site, yard, text));
    site
}

fn filled(site: &Site, yard: &str, text: &str) -> String {
    text.replace("ROOT", site.path().to_str().expect("text")).replace("YARD", yard)
}

/// What containers may leave behind: mounts, cgroups, what is below `/run` and beside
/// the trees.
fn world(site: &Site, yard: &str) -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mut all: BTreeSet<String> =
        mounts.lines().filter_map(|l| l.split(' ').nth(4)).map(str::to_owned).collect();
    let own = site.path().to_str().expect("text");
    for (place, depth) in [("/sys/fs/cgroup", "4"), ("/run", "4"), (own, "1")] {
        let found = Command::new("find").args([place, "-maxdepth", depth]).output();
        let found = String::from_utf8(found.expect("find").stdout).expect("text");
        all.extend(found.lines().map(str::to_owned));
    }
    // nspawn's own, once for all containers; and cgroups of others come and go.
    let own = [
        "/run/systemd",
        "/run/systemd/nspawn",
        "/run/systemd/nspawn/locks",
        "/run/systemd/nspawn-uid",
    ];
    all.retain(|path| {
        let cgroup =
            path.starts_with("/sys/fs/cgroup") && !path.contains(&format!("netyard-{yard}-"));
        !cgroup && !own.contains(&&**path) && path != "/run/systemd/nspawn/propagate"
    });
    all
}

#[track_caller]
fn unchanged(site: &Site, yard: &str, before: &BTreeSet<String>) {
    let after = world(site, yard);
    let differs: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(differs.is_empty(), "{differs:?}");
}

/// Asks again until it is so, at most 20 s.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 20, "{what} did not come");
        std::thread::yield_now();
    }
}

/// The nspawn of a machine, and the first process inside.
fn nspawn(machine: &str) -> Option<(i32, i32)> {
    let number = |text: &str| text.lines().next().and_then(|line| line.trim().parse().ok());
    let pgrep = |arguments: &[&str]| {
        let output = Command::new("pgrep").args(arguments).output().expect("pgrep");
        number(&String::from_utf8_lossy(&output.stdout))
    };
    let outside: i32 = pgrep(&["-f", &format!("^systemd-nspawn .*--machine={machine} ")])?;
    Some((outside, pgrep(&["-P", &outside.to_string()])?))
}

fn kill(pid: i32) {
    // SAFETY: a system call with two numbers; the process is this test's.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

fn service(site: &Site, node: &str) -> serde_json::Value {
    let status: serde_json::Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let services = status["services"].as_array().expect("services");
    services.iter().find(|s| s["node"] == node).expect("a container").clone()
}

alone! { Machine, fn a_container_is_reached_when_up_returns_and_leaves_nothing() {
    let site = boxes("reached", BOXES);
    let before = world(&site, "reached");
    site.ok("up");
    site.ok("plan --check");
    assert!(site.ok("exec c -- wget -qO- http://10.4.0.3/os-release").contains("ID=tiny"));
    site.ok("exec c -- ping -c1 -W3 10.4.0.2");
    // What is run in it has its files, its processes and its host name.
    let inside = site.netyard("exec gw -- sh -c").arg("ps; hostname; cat /etc/os-release; id -u; exit 7");
    let inside = inside.output().expect("exec");
    assert_eq!(inside.status.code(), Some(7));
    let text = String::from_utf8(inside.stdout).expect("text");
    for part in ["1 root     /bin/busybox init", "\ngw\n", "ID=tiny", "\n0\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(site.run("exec web -- no-such-program").status.code(), Some(127));
    assert_eq!(site.ok("exec web -- cat /etc/shared"), guest_inittab(&site));
    assert!(!site.run("exec web -- sh -c >/etc/shared").status.success());
    assert!(site.ok("exec web -- cat /etc/hosts").contains("10.4.0.2"));
    // A namespace that is handed over comes without CAP_NET_ADMIN.
    site.ok("exec gw -- ip link set eth0 up");
    let log = site.ok("logs gw container");
    assert!(log.contains("hello") && log.contains("booted"), "{log}");
    site.ok("down");
    unchanged(&site, "reached", &before);
    assert_eq!(nspawn("reached-gw"), None);
} }

fn guest_inittab(site: &Site) -> String {
    fs::read_to_string(site.path().join("gw/etc/inittab")).expect("a file")
}

alone! { Machine, fn what_is_killed_of_a_container_comes_back_wired() {
    let site = boxes("killed", BOXES);
    let before = world(&site, "killed");
    site.ok("up");
    let id = site.ok("exec gw -- cat /proc/sys/kernel/random/boot_id");
    for (node, kills_leader) in [("gw", false), ("gw", true), ("web", true), ("web", false)] {
        let machine = format!("killed-{node}");
        let old = nspawn(&machine).expect("it runs");
        kill(if kills_leader { old.1 } else { old.0 });
        until("another", || nspawn(&machine).is_some_and(|new| new.0 != old.0 && new.1 != old.1));
        until("it runs", || service(&site, node)["state"] == "up");
    }
    assert_eq!(service(&site, "gw")["restarts"], 2);
    site.ok("exec c -- ping -c1 -W3 10.4.0.2");
    assert!(site.ok("exec c -- wget -qO- http://10.4.0.3/os-release").contains("ID=tiny"));
    assert_ne!(id, site.ok("exec gw -- cat /proc/sys/kernel/random/boot_id"));
    site.ok("plan --check");
    // Killed, and netyard's own processes with it: nothing of it stays.
    kill(nspawn("killed-gw").expect("it runs").0);
    site.ok("down");
    unchanged(&site, "killed", &before);
} }

alone! { Machine, fn settings_are_writable_with_the_profile_alone() {
    let text = "
yard: YARD
nodes:
  gw: { container: { root: ROOT/gw, PROFILE command: \"echo 1 > /proc/sys/net/ipv4/ip_forward\", ready: exit } }
";
    let site = boxes("settings", &text.replace("PROFILE", "profile: openwrt,"));
    site.ok("up");
    site.ok("down");
    site.file(&filled(&site, "settings", &text.replace("PROFILE", "")));
    let refused = site.run("up");
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8(refused.stderr).expect("text");
    assert!(why.contains("Read-only") && why.contains("exited with 1"), "{why}");
} }

alone! { Machine, fn many_containers_start_one_after_the_other() {
    let site = boxes("many", "
yard: YARD
nodes:
  \"r[1..6]\": { container: { root: \"ROOT/r$i\", command: [sleep, \"1000\"] } }
");
    for number in 1..=6 {
        guest::tree(&site.path().join(format!("r{number}")));
    }
    // In nspawn's place, on this test's machine alone: who comes while another is at it, tells.
    let nspawn = ["/usr/bin/systemd-nspawn", "/bin/systemd-nspawn"].into_iter();
    let nspawn = nspawn.map(Path::new).find(|path| path.exists()).expect("systemd-nspawn");
    fs::copy(nspawn, "/run/nspawn").expect("a copy");
    let slow = "#!/bin/sh\nmkdir /run/busy || echo two >> /run/clash\nsleep 0.2\n\
                rmdir /run/busy\nexec /run/nspawn \"$@\"\n";
    fs::write("/run/slow", slow).expect("a script");
    fs::set_permissions("/run/slow", fs::Permissions::from_mode(0o755)).expect("a mode");
    let bound = Command::new("mount").args(["--bind", "/run/slow"]).arg(nspawn).status();
    assert!(bound.expect("mount").success());
    site.ok("up");
    assert!(!Path::new("/run/clash").exists(), "two at once");
    for number in 1..=6 {
        assert_eq!(service(&site, &format!("r{number}"))["restarts"], 0);
        assert!(site.ok(&format!("exec r{number} -- cat /proc/1/comm")).contains("stub"));
    }
    site.ok("plan --check");
    site.ok("down");
} }

alone! { Machine, fn what_powers_off_by_itself_stays_off_until_the_next_up() {
    let site = boxes("off", BOXES);
    site.ok("up");
    // The command may be ended by what it asked for.
    site.run("exec gw -- poweroff");
    until("its end", || service(&site, "gw")["state"] == "failed");
    assert_eq!(site.run("plan --check").status.code(), Some(3));
    let refused = String::from_utf8(site.run("exec gw -- true").stderr).expect("text");
    assert!(refused.contains("does not run"), "{refused}");
    site.ok("up");
    site.ok("exec gw -- true");
    site.ok("down");
} }

alone! { Machine, fn what_cannot_be_started_is_told_before_anything_is() {
    let site = boxes("refused", BOXES);
    let up = |from: &str, to: &str| {
        site.file(&filled(&site, "refused", BOXES).replace(from, to));
        let output = site.run("up");
        assert_eq!(output.status.code(), Some(1));
        assert!(!Path::new("/run/netns/refused-gw").exists());
        String::from_utf8(output.stderr).expect("text")
    };
    let why = up("/gw, profile", "/missing, profile");
    assert!(why.contains("there is no directory"), "{why}");
    let why = up("/gw, profile: openwrt", "/gw, limits: { tasks: 9 }");
    assert!(why.contains("need systemd"), "{why}");
    fs::remove_file(site.path().join("gw/etc/os-release")).expect("a file");
    let why = up("none", "none");
    assert!(why.contains("no os-release"), "{why}");
} }

/// Who has the files of a tree, by their paths.
fn owners(of: &Path) -> BTreeSet<String> {
    let found = Command::new("find").arg(of).args(["-printf", "%p %U:%G %m\\n"]).output();
    let found = String::from_utf8(found.expect("find").stdout).expect("text");
    found.lines().map(str::to_owned).collect()
}

alone! { Machine, fn a_container_with_users_of_its_own_serves_and_pings_and_its_root_is_nobody() {
    const TEXT: &str = "
yard: YARD
networks: { lan: { prefix: [10.4.0.0/24, \"fd04::/64\"] } }
nodes:
  web:
    container:
      root: ROOT/web
      private-users: true
      binds: [{ from: /usr, read-only: true }, { from: /lib, read-only: true }, { from: /lib64, read-only: true }]
      command: [httpd, -f, -p, \"80\", -h, /etc]
      ready: { tcp: 80 }
    hosts: { c: 10.4.0.4 }
    interfaces: { eth0: { network: lan, address: [10.4.0.3/24, \"fd04::3/64\"] } }
  copy:
    container: { image: ROOT/web, private-users: true, boot: true, stop: SIGUSR2 }
    interfaces: { eth0: { network: lan, address: 10.4.0.5/24 } }
  c: { interfaces: { eth0: { network: lan, address: [10.4.0.4/24, \"fd04::4/64\"] } } }
";
    let site = Site::new("");
    let tree = site.path().join("web");
    guest::tree(&tree);
    fs::create_dir(tree.join("tree")).expect("a directory");
    guest::boots(&tree, "busybox touch /etc/made; httpd -p 80 -h /etc");
    site.file(&filled(&site, "users", TEXT));
    let (before, files) = (world(&site, "users"), owners(&tree));
    site.ok("up");
    site.ok("plan --check");
    // From outside and from inside, by both families; the port is a low one.
    for url in ["10.4.0.3", "[fd04::3]", "10.4.0.5"] {
        let page = site.ok(&format!("exec c -- wget -qO- http://{url}/os-release"));
        assert!(page.contains("ID=tiny"), "{url}: {page}");
    }
    // The ping of busybox knows raw sockets alone, which are root's of the network.
    site.ok("exec web -- /usr/bin/ping -c1 -W5 c");
    site.ok("exec web -- /usr/bin/ping -6 -c1 -W5 fd04::4");
    let page = site.ok("exec copy -- wget -qO- http://10.4.0.3/os-release");
    assert!(page.contains("ID=tiny"), "{page}");
    // Root inside is root of its files, and somebody else outside.
    assert_eq!(site.ok("exec web -- sh -c id").split(' ').next(), Some("uid=0(root)"));
    let made = site.netyard("exec web -- sh -c").arg("echo new > /tree/new && stat -c %u /tree/new");
    assert_eq!(String::from_utf8(made.output().expect("exec").stdout).expect("text").trim(), "0");
    for machine in ["users-web", "users-copy"] {
        let (_, leader) = nspawn(machine).expect("it runs");
        let status = fs::read_to_string(format!("/proc/{leader}/status")).expect("it runs");
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a line");
        let uid: u32 = uid.split_whitespace().next().and_then(|uid| uid.parse().ok()).expect("uid");
        assert!(uid >= 1 << 16, "{machine} is {uid}");
    }
    // What is the network's, it cannot change, and of the host's it sees nothing.
    for line in ["ip link set eth0 down", "ip addr add 10.9.9.9/24 dev eth0", "ip link add d type dummy"] {
        let refused = site.run(&format!("exec web -- {line}"));
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("not permitted"), "{line}: {words}");
    }
    let seen = site.ok("exec web -- ls /sys/class/net");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["eth0", "lo"]);
    // Killed, it is there again.
    let old = nspawn("users-web").expect("it runs");
    kill(old.0);
    until("another", || nspawn("users-web").is_some_and(|new| new.0 != old.0));
    until("it runs", || service(&site, "web")["state"] == "up");
    site.ok("exec c -- wget -qO- http://10.4.0.3/os-release");
    site.ok("down");
    unchanged(&site, "users", &before);
    // The user's files are whose they were, and what was made inside is root's.
    let after = owners(&tree);
    let changed: Vec<&String> = files.difference(&after).collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert!(after.contains(&format!("{} 0:0 644", tree.join("tree/new").display())));
} }

alone! { Machine, fn containers_of_one_image_have_files_of_their_own() {
    let site = boxes("image", "
yard: YARD
networks: { lan: { prefix: 10.4.0.0/24 } }
nodes:
  \"r[1..2]\":
    container: { image: ROOT/firmware.img.gz, partition: 2, profile: openwrt, ready: { tcp: 80 } }
    interfaces: { eth0: { network: lan, address: 10.4.0.$i/24 } }
  copy: { container: { image: ROOT/web, command: [sleep, \"1000\"] } }
");
    let files = site.path().join("files");
    guest::firmware(&files, "hostname > /etc/name; httpd -p 80 -h /etc");
    guest::disk(&files, &site.path().join("firmware.img.gz"));
    let before = world(&site, "image");
    site.ok("up");
    assert_eq!(site.ok("exec r1 -- wget -qO- http://10.4.0.2/name").trim(), "r2");
    assert_eq!(site.ok("exec r2 -- wget -qO- http://10.4.0.1/name").trim(), "r1");
    assert!(site.ok("exec copy -- cat /etc/os-release").contains("tiny"));
    // What became of the image is in the log.
    let log = site.ok("logs r1 container");
    assert!(log.contains("firmware.img.gz` (disk): ") && log.contains("copying: "), "{log}");
    let kept = Path::new("/var/lib/netyard/image/process/r1/container/root/etc/name");
    assert_eq!(fs::read_to_string(kept).expect("a file").trim(), "r1");
    site.ok("plan --check");
    site.ok("restart r1 container");
    assert_eq!(fs::read_to_string(kept).expect("a file").trim(), "r1");
    site.ok("down");
    assert!(!kept.exists());
    unchanged(&site, "image", &before);
    // The first partition has no files, and there is no third.
    let text = fs::read_to_string(site.path().join("netyard.yaml")).expect("a file");
    for (number, why) in [(1, "partition 1"), (3, "has no partition 3")] {
        site.file(&text.replace("partition: 2", &format!("partition: {number}")));
        let refused = site.run("up");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains(why), "{said}");
    }
    site.file(&text);
    // Cut off, it is refused, and nothing of it stays.
    let image = site.path().join("firmware.img.gz");
    let whole = fs::read(&image).expect("an image");
    fs::write(&image, &whole[..whole.len() / 2]).expect("an image");
    assert_eq!(site.run("up").status.code(), Some(1));
    assert!(!kept.ancestors().nth(2).expect("a directory").exists());
} }

alone! { Machine, fn containers_live_on_without_a_supervisor_and_the_next_up_watches_them_again() {
    let site = boxes("unwatched", BOXES);
    let before = world(&site, "unwatched");
    site.ok("up");
    let old = nspawn("unwatched-gw").expect("it runs");
    let both = supervisors(&site);
    assert_eq!(both.len(), 2);
    for pid in &both {
        // The first one is begun anew by the second, which is next.
        kill(i32::try_from(*pid).expect("a number"));
    }
    for pid in supervisors(&site) {
        kill(i32::try_from(pid).expect("a number"));
    }
    until("nobody watches", || supervisors(&site).is_empty());
    // Neither the container nor its network minds.
    assert_eq!(nspawn("unwatched-gw"), Some(old));
    site.ok("exec c -- ping -c1 -W3 10.4.0.2");
    site.ok("exec gw -- true");
    site.ok("up");
    assert_eq!((nspawn("unwatched-gw"), supervisors(&site).len()), (Some(old), 2));
    kill(old.1);
    until("another", || nspawn("unwatched-gw").is_some_and(|new| new.1 != old.1));
    until("it runs", || service(&site, "gw")["state"] == "up");
    site.ok("exec c -- ping -c1 -W3 10.4.0.2");
    // Unwatched, it goes, too.
    for pid in supervisors(&site).into_iter().chain(supervisors(&site)) {
        // SAFETY: a system call with two numbers; the process is this test's.
        unsafe { libc::kill(i32::try_from(pid).expect("a number"), libc::SIGKILL) };
    }
    site.ok("down");
    unchanged(&site, "unwatched", &before);
} }

alone! { Machine, fn the_page_of_a_guest_is_reached_by_a_forwarded_port_and_by_a_proxy() {
    crate::serve::needs(&["nginx"]);
    let example = crate::repository().join("examples/guest-pages");
    let site = Site::new("");
    let own = site.path().to_str().expect("text").to_owned();
    let text = |name: &str| fs::read_to_string(example.join(name)).expect("the example");
    fs::write(site.path().join("nginx.conf"), text("nginx.conf")).expect("a file");
    guest::tree(&site.path().join("web"));
    site.file(&text("netyard.yaml").replace("/srv/pages", &own));
    site.ok("up");
    let said = site.ok("test");
    assert!(said.contains("4 ok"), "{said}");
    assert!(site.ok("exec outside -- wget -qO- http://10.5.0.1/web/os-release").contains("ID=tiny"));
    // It is the proxy that does it, and it is watched over.
    let proxy = service(&site, "router")["pid"].as_i64().expect("a process");
    kill(i32::try_from(proxy).expect("a number"));
    until("another", || {
        let now = service(&site, "router");
        now["state"] == "up" && now["pid"].as_i64() != Some(proxy)
    });
    site.ok("test");
    site.ok("down");
} }

alone! { Machine, fn an_oci_image_is_run_as_it_says() {
    const TEXT: &str = "
yard: YARD
networks: { lan: { prefix: 10.4.0.0/24 } }
nodes:
  web:
    container: { image: ROOT/oci, environment: { PORT: '8080' }, ready: { tcp: 8080 } }
    interfaces: { eth0: { network: lan, address: 10.4.0.2/24 } }
  c: { interfaces: { eth0: { network: lan, address: 10.4.0.3/24 } } }
";
    let site = Site::new("");
    let tree = site.path().join("tree");
    guest::tree(&tree);
    // Nothing that boots: only its configuration says what it is for.
    fs::remove_file(tree.join("etc/os-release")).expect("a file");
    fs::create_dir_all(tree.join("srv/www")).expect("a directory");
    fs::write(tree.join("srv/www/page"), "from the image").expect("a page");
    let run = r#"{"Entrypoint":["/bin/sh","-c"],"Cmd":["exec httpd -f -p $PORT -h $HOMEPAGE"],
        "Env":["PORT=80","HOMEPAGE=www"],"WorkingDir":"/srv"}"#;
    guest::layout(&tree, &site.path().join("oci"), run);
    site.file(&filled(&site, "asitsays", TEXT));
    let before = world(&site, "asitsays");
    site.ok("up");
    site.ok("plan --check");
    let page = || site.ok("exec c -- wget -qO- http://10.4.0.2:8080/page");
    assert_eq!(page(), "from the image");
    site.ok("restart web container");
    until("the page", || site.run("exec c -- wget -qO- http://10.4.0.2:8080/page").status.success());
    // With `boot: true` it would be another thing, which it is not.
    site.file(&filled(&site, "asitsays", TEXT).replace("environment", "boot: true, environment"));
    let refused = site.run("up");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("it is no system that boots"), "{words}");
    site.ok("down");
    unchanged(&site, "asitsays", &before);
}}
