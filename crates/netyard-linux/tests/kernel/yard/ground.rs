//! The ground tests of whole yards stand on: a machine of their own, yards to
//! bring up, and what a machine looks like before and after.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use netyard_core::interface::{Bridge, Interface, Kind};
use netyard_core::name::YardName;
use netyard_core::plan::plan;
use netyard_core::state::{
    Address, Key, Namespace, NextHop, Object, Place, Route, RouteKind, State, Sysctl,
};
use netyard_linux::netns::Worker;
use netyard_linux::{Access, Error, Session};

use crate::bed::{cable, full, id, interface, node, object, plugged};

const ISOLATED: &str = "NETYARD_TEST_ISOLATED";

/// Runs a test in a machine of its own: fresh user, network, mount and process
/// namespaces, an empty `/run`, an `/etc` that can be written.
pub fn alone(test: impl FnOnce()) {
    if std::env::var_os(ISOLATED).is_some() {
        return test();
    }
    let thread = std::thread::current();
    let name = thread.name().expect("the test harness names its threads").to_owned();
    let output = inside_command(&name).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success(), "failed in its namespaces");
    assert!(text.contains("test result: ok. 1 passed"), "did not run in its namespaces");
}

/// An `/etc` of links to the real one; nothing of the machine is changed.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs /run
mkdir /run/etc /run/old-etc
mount --rbind /etc /run/old-etc
cd /run/old-etc && for f in * .[!.]*; do ln -s "/run/old-etc/$f" "/run/etc/$f"; done
rm -f /run/etc/netns
cd / && mount --rbind /run/etc /etc
"$@"
exit # and no `exec`: the shell is process 1 and takes in what is orphaned
"#;

fn inside_command(name: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["-Urnmpf", "--mount-proc", "--kill-child", "sh", "-ec", SCRIPT, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ISOLATED, "1");
    command
}

/// This test again, on the same machine, as a process of its own with these
/// variables set: what is killed or made to fail is it, not the test.
pub fn again(variables: &[(&str, &str)]) -> std::process::ExitStatus {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("main").to_owned();
    let name = std::env::args().nth(1).filter(|_| name == "main").unwrap_or(name);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    if !output.status.success() && output.status.code().is_some() {
        print!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    output.status
}

pub fn yard() -> YardName {
    YardName::new("bed").unwrap()
}

pub fn open() -> Session {
    Session::open(&yard(), Access::Write, &mut |_| false).unwrap()
}

/// `netyard up`: observe, plan, apply.
pub fn up(desired: &State) -> Result<usize, Error> {
    let mut session = open();
    let desired = desired.clone().settled();
    let actual = session.observe(&desired)?.state;
    let plan = plan(&actual, &desired);
    Ok(session.apply(&plan, &desired, &mut |_| ())?.steps)
}

/// `netyard down`.
pub fn down() -> Result<(), Error> {
    open().down(&mut |_| ()).map(drop)
}

/// What a second `up` would do.
pub fn steps_left(desired: &State) -> Vec<String> {
    let desired = desired.clone().settled();
    let mut session = Session::open(&yard(), Access::Read, &mut |_| false).unwrap();
    let actual = session.observe(&desired).unwrap().state;
    plan(&actual, &desired).steps().map(|step| format!("{step:?}")).collect()
}

/// An empty node, published as `bed-NAME`.
pub fn published(place: &Place) -> Vec<Object> {
    let name = match place {
        Place::Fabric => "fabric".to_owned(),
        place => place.to_string(),
    };
    let lo = Interface { mtu: None, mac: None, ..interface(place, "lo", Kind::Loopback) };
    vec![
        Object::Namespace(Namespace {
            place: place.clone(),
            netns: format!("bed-{name}"),
            published: true,
            hostname: None,
        }),
        object(lo),
    ]
}

pub fn with_address(place: &Place, name: &str, net: &str) -> Object {
    let net = net.parse().unwrap();
    Object::Address(Address { interface: id(place, name), net, peer: None, dad: false })
}

pub fn default_route(place: &Place, dev: &str, gateway: &str) -> Object {
    Object::Route(Route {
        place: place.clone(),
        table: 254,
        destination: "0.0.0.0/0".parse().unwrap(),
        metric: 0,
        kind: RouteKind::Unicast,
        hops: vec![NextHop {
            gateway: Some(gateway.parse().unwrap()),
            interface: full(dev),
            onlink: false,
            weight: 1,
        }],
        source: None,
        mtu: None,
    })
}

pub fn setting(place: &Place, key: &str, value: &str) -> Object {
    Object::Sysctl(Sysctl {
        place: place.clone(),
        interface: None,
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

/// So many nodes `n1` … on one bridge in the fabric, 10.0.0.1 … each.
pub fn star(nodes: u32) -> State {
    let mut objects = published(&Place::Fabric);
    let bridge = Bridge { forward_delay: 0, ..Bridge::default() };
    objects.push(object(interface(&Place::Fabric, "lan", Kind::Bridge(bridge))));
    for i in 1..=nodes {
        let place = node(&format!("n{i}"));
        let port = format!("port{i}");
        objects.extend(published(&place));
        let [end, other] = cable([(&place, "eth0"), (&Place::Fabric, &port)]);
        objects.extend([object(end), object(plugged(other, "lan"))]);
        let [high, low] = [(i >> 8) as u8, i as u8];
        objects.push(with_address(&place, "eth0", &format!("10.0.{high}.{low}/16")));
        objects.push(with_address(&place, "eth0", &format!("fd00::{i:x}/64")));
        objects.push(setting(&place, "net/ipv4/ip_forward", "1"));
    }
    objects.into_iter().collect()
}

/// The same State with one object changed.
pub fn changed<T>(state: &State, key: &Key, change: impl FnOnce(&mut Object) -> T) -> State {
    let mut state = state.clone();
    let mut object = state.remove(key).unwrap_or_else(|| panic!("no {key:?}"));
    change(&mut object);
    state.insert(object);
    state
}

/// Opens a published namespace.
pub fn netns(name: &str) -> OwnedFd {
    std::fs::File::open(format!("/run/netns/{name}")).unwrap().into()
}

/// Runs `work` inside a published namespace.
pub fn inside<R: Send>(name: &str, work: impl FnOnce() -> R + Send) -> R {
    let net = netns(name);
    Worker::run(|worker| {
        worker.enter(net.as_fd()).unwrap();
        work()
    })
    .unwrap()
}

/// A shell script on this machine; gives what it printed.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {out}{err}");
    out.into_owned()
}

/// All of this machine that netyard could have touched.
pub fn snapshot() -> String {
    sh("ip -d -o link show; ip -o addr show; ip route show table all; ip -6 route show table all;
        ip rule; ip -6 rule; ip neigh show nud permanent; nft list ruleset 2>/dev/null || true;
        ip netns list; ls -laR --time-style=+ /run/netns /run/utsns /run/netyard /run/netyard.ns /etc/netns 2>&1 || true;
        awk '{ print $4, $5, $9, $10 }' /proc/self/mountinfo | sort;
        for f in net/ipv4/ip_forward net/ipv4/conf/all/rp_filter net/ipv6/conf/all/forwarding net/ipv4/conf/all/accept_redirects;
          do echo $f $(cat /proc/sys/$f); done;
        ls -A /run | grep netyard || true;
        all=$(ps -e -o stat=,comm=); echo \"$all\" | grep -v -e ^Z -e ' ps$' | sed 's/.* //' | sort")
}

/// One round trip over UDP between two published namespaces.
pub fn talks(from: (&str, &str), to: (&str, &str)) {
    assert!(try_talk(from, to, 100), "{from:?} does not reach {to:?}");
}

/// The same, true or false, in so many tries of 50 ms.
pub fn try_talk(from: (&str, &str), to: (&str, &str), tries: u32) -> bool {
    use std::net::{IpAddr, UdpSocket};
    let bind = |(place, address): (&str, &str)| {
        let address: IpAddr = address.parse().unwrap();
        let socket = inside(place, move || UdpSocket::bind((address, 0)).unwrap());
        socket.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        socket
    };
    let (client, server) = (bind(from), bind(to));
    let address = server.local_addr().unwrap();
    let mut buffer = [0; 16];
    (0..tries).any(|_| {
        let _ = client.send_to(b"question", address);
        let Ok((_, asker)) = server.recv_from(&mut buffer) else { return false };
        server.send_to(b"answer", asker).unwrap();
        client.recv_from(&mut buffer).is_ok()
    })
}
