//! What programs inside a node see, and what becomes of them.

use netyard_core::name::NodeName;
use netyard_core::state::{Command, File, Key, Object, Place, State};
use netyard_linux::ErrorKind;

use super::*;
use crate::bed::node;

fn file(name: &str, content: &str) -> Object {
    let node = NodeName::new("n1").unwrap();
    let (netns, name) = ("bed-n1".to_owned(), name.to_owned());
    let content = format!("{}\n{content}", File::MARK);
    Object::File(File { node, netns, name, content })
}

fn command(index: u32, script: &str) -> Object {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    Object::Command(Command { node: NodeName::new("n1").unwrap(), index, argv })
}

fn hosted() -> State {
    let mut state = star(2);
    state = changed(&state, &Key::Namespace(node("n1")), |object| match object {
        Object::Namespace(o) => o.hostname = Some("first".to_owned()),
        _ => unreachable!(),
    });
    state.insert(file("hosts", "10.0.0.2 second\n"));
    state
}

#[test]
fn a_command_sees_its_node_runs_once_and_ends_with_it() {
    alone(|| {
        let before = snapshot();
        let mut state = hosted();
        state.insert(command(
            0,
            "uname -n >> /run/seen; cat /etc/hosts >> /run/seen; basename -a /sys/class/net/*/ >> /run/seen
             sleep 1000 & echo $! > /run/pid",
        ));
        up(&state).unwrap();
        let seen = sh("cat /run/seen");
        assert_eq!(seen, format!("first\n{}\n10.0.0.2 second\neth0\nlo\n", File::MARK));
        assert_eq!(steps_left(&state), [] as [String; 0]);
        up(&state).unwrap();
        assert_eq!(sh("cat /run/seen"), seen);
        assert_eq!(sh("ip netns exec bed-n1 grep second /etc/hosts"), "10.0.0.2 second\n");
        sh("kill -0 $(cat /run/pid)");
        sh("rm -r /run/netyard");
        down().unwrap();
        sh("! kill -0 $(cat /run/pid); rm /run/seen /run/pid");
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn a_command_that_fails_is_told_with_its_words_and_all_is_undone() {
    alone(|| {
        let before = snapshot();
        let mut state = hosted();
        state.insert(command(0, "echo no such luck >&2; exit 7"));
        let error = up(&state).unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
        assert!(error.get_undone().unwrap().failures.is_empty(), "{error:?}");
        assert_eq!(snapshot(), before);
    });
}

#[test]
fn hostname_and_files_change_in_place() {
    alone(|| {
        let first = hosted();
        up(&first).unwrap();
        let second = changed(&first, &Key::Namespace(node("n1")), |object| match object {
            Object::Namespace(o) => o.hostname = Some("renamed".to_owned()),
            _ => unreachable!(),
        });
        let mut second = second;
        second.insert(file("hosts", ""));
        assert_eq!(up(&second).unwrap(), 2);
        let status = open()
            .exec(
                &NodeName::new("n1").unwrap(),
                &["sh", "-c", "uname -n > /run/seen; cat /etc/hosts >> /run/seen; exit 3"]
                    .map(str::to_owned),
            )
            .unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(sh("cat /run/seen"), format!("renamed\n{}\n", File::MARK));
        assert_eq!(steps_left(&second), [] as [String; 0]);
        let unknown = open().exec(&NodeName::new("nobody").unwrap(), &[]).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        down().unwrap();
    });
}

#[test]
fn the_host_keeps_what_is_its_own() {
    alone(|| {
        // A bridge on the host with an address and routes, beside a stranger's.
        sh("ip link set lo up; ip link add mine type veth peer name mine2; ip link set mine up
            ip addr add 192.0.2.1/24 dev mine; ip route add 198.51.100.0/24 dev mine");
        let before = snapshot();
        let host = Place::Host;
        let mut state = star(1);
        let bridge = netyard_core::interface::Bridge {
            forward_delay: 0,
            ..netyard_core::interface::Bridge::default()
        };
        state.insert(crate::bed::object(crate::bed::interface(
            &host,
            "br0",
            netyard_core::interface::Kind::Bridge(bridge),
        )));
        let n1 = node("n1");
        let [end, other] = crate::bed::cable([(&n1, "eth1"), (&host, "port")]);
        state.insert(crate::bed::object(end));
        state.insert(crate::bed::object(crate::bed::plugged(other, "br0")));
        state.insert(with_address(&host, "br0", "10.7.0.254/24"));
        state.insert(with_address(&n1, "eth1", "10.7.0.1/24"));
        state.insert(default_route(&n1, "eth1", "10.7.0.254"));
        up(&state).unwrap();
        assert_eq!(steps_left(&state), [] as [String; 0]);
        let server = std::net::UdpSocket::bind("10.7.0.254:7000").unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        inside("bed-n1", || {
            let client = std::net::UdpSocket::bind("10.7.0.1:0").unwrap();
            client.send_to(b"hello", "10.7.0.254:7000").unwrap()
        });
        assert_eq!(server.recv_from(&mut [0; 8]).unwrap().0, 5);
        down().unwrap();
        let normal = |text: String| {
            text.lines().filter(|l| !l.contains("fe80")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(normal(snapshot()), normal(before));
    });
}
