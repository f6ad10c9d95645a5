//! Ten containers that boot: as a yard's nodes, and by a script that does what the
//! descriptions of such networks tell one to do by hand, one after the other.
//!
//! Nothing can be faster than what systemd-nspawn needs to set each of them up, which
//! must not be done for two at once, and the slowest boot: that sum is the floor. Both
//! are measured with one container that nothing else runs beside.

use crate::beside::{Beside, median, sh, succeed};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many.
const MANY: usize = 10;
/// How many times the floor netyard may take.
const TARGET: f64 = 1.2;

/// A system that boots as OpenWrt's does, as far as busybox can.
const TREE: &str = r#"
    mkdir -p $1/bin $1/sbin $1/etc/init.d $1/proc $1/sys $1/dev $1/tmp $1/root $1/usr $1/run
    cp $(command -v busybox) $1/bin/busybox
    for name in $(busybox --list); do [ $name = busybox ] || ln -sf busybox $1/bin/$name; done
    printf 'ID=tiny\nNAME=tiny\n' > $1/etc/os-release
    echo root:x:0:0:root:/root:/bin/sh > $1/etc/passwd
    printf '#!/bin/sh\necho begun\nexec /bin/busybox init\n' > $1/sbin/init
    printf '::sysinit:/etc/init.d/rcS\n::respawn:/bin/sleep 100000\n' > $1/etc/inittab
    printf '#!/bin/sh\nip link set lo up\nhttpd -p 80 -h /etc\necho booted\n' > $1/etc/init.d/rcS
    chmod +x $1/sbin/init $1/etc/init.d/rcS"#;

const WIRE: &str = "
    ip link show br0 >/dev/null 2>&1 || { ip link add br0 type bridge; ip link set br0 up; }
    ip netns add h$1; ip link add v$1 type veth peer name eth0 netns h$1
    ip link set v$1 master br0 up; ip -n h$1 addr add 10.5.0.$1/24 dev eth0
    ip -n h$1 link set eth0 up; ip -n h$1 link set lo up";

const UNWIRE: &str = "ip link del v$1; ip netns del h$1; ip link del br0 2>/dev/null || true";

/// Measures both.
///
/// # Errors
/// What a program or the kernel said.
pub fn measure(netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    let room = std::env::temp_dir().join("netyard-bench-containers");
    let result = prepare(&room).and_then(|()| compare(netyard, &room, runs));
    fs::remove_dir_all(&room)?;
    result
}

fn prepare(room: &Path) -> io::Result<()> {
    let _ = fs::remove_dir_all(room);
    fs::create_dir_all(room)?;
    for number in 1..=MANY {
        with(TREE, &tree(room, number).to_string_lossy())?;
    }
    // nspawn looks for cgroups, which the bench's own sysfs hides, and insists on a file
    // system of its own below /run.
    sh("umount /sys; ip link set lo up; mkdir -p /run/systemd/nspawn /run/netns
        mount -t tmpfs t /run/systemd/nspawn")
}

fn tree(room: &Path, number: usize) -> PathBuf {
    room.join(format!("r{number}"))
}

fn compare(netyard: &Path, room: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    let file = room.join("netyard.yaml");
    let at = room.display();
    fs::write(
        &file,
        format!(
            "yard: bench-many\nnetworks: {{ lan: {{ prefix: 10.4.0.0/24 }} }}\nnodes:\n  \
             \"r[1..{MANY}]\":\n    container: {{ root: \"{at}/r$i\", profile: openwrt, ready: {{ tcp: 80 }} }}\n    \
             interfaces: {{ eth0: {{ network: lan, address: 10.4.0.$i/24 }} }}\n"
        ),
    )?;
    let yard = |verb: &str| {
        let mut command = Command::new(netyard);
        let output = command.arg(verb).arg("-f").arg(&file).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
        }
    };
    let (mut hand, mut ours, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        for turn in [run % 3, (run + 1) % 3, (run + 2) % 3] {
            match turn {
                0 => hand.push(by_hand(room, MANY)?.0),
                1 => {
                    let begin = Instant::now();
                    yard("up")?;
                    ours.push(milliseconds(begin.elapsed()));
                    yard("down")?;
                }
                _ => {
                    let (whole, begun) = by_hand(room, 1)?;
                    floor.push(whole + begun * (MANY - 1) as f64);
                }
            }
        }
    }
    let [hand, ours, floor] = [hand, ours, floor].map(|mut all| median(&mut all));
    let row = |what: &str, hand, most| Beside {
        what: what.into(),
        unit: "ms".into(),
        hand,
        ours,
        most,
        runs,
        ..Beside::default()
    };
    Ok(vec![
        row("ten containers, and nspawn in sequence with one boot", floor, Some(TARGET)),
        row("ten containers, and a script that starts one after the other", hand, None),
    ])
}

/// Wires and starts so many, each when the one before has booted. Gives the
/// milliseconds of all, and how long the last one's nspawn set it up.
fn by_hand(room: &Path, many: usize) -> io::Result<(f64, f64)> {
    let begin = Instant::now();
    let mut running = Vec::new();
    let mut begun = 0.0;
    for number in 1..=many {
        with(WIRE, &number.to_string())?;
        let start = Instant::now();
        let mut child = nspawn(&tree(room, number), number)?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        running.push(child);
        for line in BufReader::new(output).lines() {
            match line?.trim() {
                "begun" => begun = milliseconds(start.elapsed()),
                "booted" => break,
                _ => {}
            }
        }
    }
    let whole = milliseconds(begin.elapsed());
    for (index, mut child) in running.into_iter().enumerate() {
        // SIGRTMIN+3 is systemd's; what this one's first process obeys is its end.
        child.kill()?;
        child.wait()?;
        with(UNWIRE, &(index + 1).to_string())?;
    }
    sh(
        "umount /run/systemd/nspawn/unix-export/* 2>/dev/null || true; rm -rf /run/systemd/nspawn/*",
    )?;
    Ok((whole, begun))
}

fn nspawn(tree: &Path, number: usize) -> io::Result<Child> {
    Command::new("systemd-nspawn")
        .args(["--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"])
        .args(["--link-journal=no", "--console=read-only", "--boot", "--capability=CAP_NET_ADMIN"])
        .arg(format!("--machine=h{number}"))
        .arg(format!("--network-namespace-path=/run/netns/h{number}"))
        .arg(format!("--directory={}", tree.display()))
        .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Runs a script with one argument.
fn with(script: &str, argument: &str) -> io::Result<()> {
    succeed(Command::new("sh").args(["-ec", script, "sh", argument]))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
