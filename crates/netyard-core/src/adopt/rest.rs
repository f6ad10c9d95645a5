//! What rests on something that no file of a yard has: a cable to a stranger, a port of a
//! bridge that is not described, a VLAN on what is in another node.

use crate::interface::{Interface, Kind};
use crate::name::FullName;
use crate::state::{InterfaceId, Key, Object, Place, State};

/// Takes interfaces out of what was found that cannot be said without one that is not in
/// it; a line for each. `is_on_host` knows what the host has besides: hardware.
pub fn without_what_rests_elsewhere(
    found: &mut State,
    is_on_host: &dyn Fn(&FullName) -> bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let gone: Vec<(Key, String)> = found
            .objects()
            .filter_map(|object| match object {
                Object::Interface(o) => {
                    let why = lacks(found, o, is_on_host)?;
                    Some((object.key(), format!("{object}: {why}; it stays as it is")))
                }
                _ => None,
            })
            .collect();
        if gone.is_empty() {
            return lines;
        }
        for (key, line) in gone {
            found.remove(&key);
            if let Key::Interface(id) = key {
                found.remove(&Key::Tunnel(id));
            }
            lines.push(line);
        }
    }
}

/// What an interface needs and the State has not.
fn lacks(found: &State, o: &Interface, is_on_host: &dyn Fn(&FullName) -> bool) -> Option<String> {
    let has = |id: &InterfaceId| found.interface(id).is_some();
    if let Kind::Veth(veth) = &o.kind
        && !has(&veth.peer)
    {
        return Some(format!("its other end, {}, is not in the file", veth.peer));
    }
    if let Some(master) = &o.master {
        let id = InterfaceId { place: o.id.place.clone(), name: master.clone() };
        if !has(&id) {
            return Some(format!("it is a port of {id}, which is not in the file"));
        }
    }
    let parent = o.parent.as_ref()?;
    let there = match (&o.kind, &parent.place) {
        // A tunnel rests on a namespace alone.
        (_, Place::Host) => o.kind == Kind::Wireguard || has(parent) || is_on_host(&parent.name),
        (Kind::Wireguard, place) => found.get(&Key::Namespace(place.clone())).is_some(),
        (_, place) => *place == o.id.place && has(parent),
    };
    (!there).then(|| format!("it sits on {parent}, for which there is no word in the file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::{Bridge, Veth, Vlan};
    use crate::name::{InterfaceName, NodeName};
    use crate::state::Namespace;

    fn place(node: &str) -> Place {
        match node {
            "" => Place::Host,
            node => Place::Node(NodeName::new(node).expect("a name")),
        }
    }

    fn id(node: &str, name: &str) -> InterfaceId {
        InterfaceId { place: place(node), name: FullName::new(name).expect("a name") }
    }

    fn interface(id: InterfaceId, kind: Kind) -> Interface {
        let kernel_name = InterfaceName::new(id.name.as_str()).expect("a name");
        let (parent, master, port, mtu, mac, up) = (None, None, None, None, None, true);
        Interface { id, kernel_name, kind, parent, master, port, mtu, mac, up }
    }

    fn cable(a: InterfaceId, b: InterfaceId) -> [Interface; 2] {
        let one = interface(a.clone(), Kind::Veth(Veth { peer: b.clone() }));
        [one, interface(b, Kind::Veth(Veth { peer: a }))]
    }

    fn vlan(own: InterfaceId, parent: InterfaceId) -> Interface {
        let kind = Kind::Vlan(Vlan { id: 3, service_tag: false });
        Interface { parent: Some(parent), ..interface(own, kind) }
    }

    #[test]
    fn what_rests_on_a_stranger_goes_with_all_that_rests_on_it() {
        let [mut port, inner] = cable(id("", "p"), id("a", "eth0"));
        port.master = Some(FullName::new("ovs").expect("a name"));
        let [mut own, end] = cable(id("", "q"), id("a", "eth1"));
        own.master = Some(FullName::new("br0").expect("a name"));
        let [lost, _] = cable(id("", "lost"), id("other", "x"));
        let all = [
            port,
            inner,
            own,
            end,
            lost,
            interface(id("", "br0"), Kind::Bridge(Bridge::default())),
            vlan(id("a", "eth0.3"), id("a", "eth0")),
            vlan(id("a", "lan"), id("", "br0")),
            vlan(id("a", "wan"), id("", "enp3s0")),
            vlan(id("a", "far"), id("b", "eth0")),
            interface(id("b", "eth0"), Kind::Dummy),
            Interface { parent: Some(id("c", "lo")), ..interface(id("a", "wg0"), Kind::Wireguard) },
            Interface { parent: Some(id("b", "lo")), ..interface(id("a", "wg1"), Kind::Wireguard) },
        ];
        let mut found: State =
            all.into_iter().map(|one| Object::Interface(Box::new(one))).collect();
        for node in ["a", "b"] {
            let (netns, hostname) = (node.to_owned(), None);
            let (place, published) = (place(node), true);
            found.insert(Object::Namespace(Namespace { place, netns, published, hostname }));
        }
        let hardware = |name: &FullName| name.as_str() == "enp3s0";
        let lines = without_what_rests_elsewhere(&mut found, &hardware);
        let left = found.objects().filter_map(|object| match object {
            Object::Interface(o) => Some(o.id.to_string()),
            _ => None,
        });
        let left: Vec<String> = left.collect();
        assert_eq!(
            left,
            ["host:br0", "host:q", "a:eth1", "a:lan", "a:wan", "a:wg1", "b:eth0"],
            "{lines:#?}"
        );
        assert_eq!(lines.len(), 6, "{lines:#?}");
        let says = |what: &str| lines.iter().any(|line| line.contains(what));
        assert!(says("host:p") && says("it is a port of host:ovs, which is not in the file"));
        assert!(says("a:eth0: its other end, host:p, is not in the file"), "{lines:#?}");
        assert!(says("a:eth0.3: it sits on a:eth0"), "{lines:#?}");
    }
}
