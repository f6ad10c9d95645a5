//! What is up, read as if by somebody who knows nothing of it, is described by a file that
//! means the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use netyard_core::adopt;
use netyard_core::diag::Source;
use netyard_core::facts::Facts;
use netyard_core::fake::FakeKernel;
use netyard_core::interface::Kind;
use netyard_core::key::{KeyFact, KeyName, WgKey};
use netyard_core::name::{FullName, NodeName, YardName};
use netyard_core::plan::plan;
use netyard_core::spec;
use netyard_core::state::{InterfaceId, Object, Place, State, lower};
use netyard_core::yard;

/// A key that is its file's alone.
fn key(name: &KeyName) -> KeyFact {
    let file = name.file();
    let mut bytes = [7; 32];
    file.bytes()
        .enumerate()
        .for_each(|(at, byte)| bytes[at % 32] ^= byte.rotate_left(at as u32 / 32));
    KeyFact::There { public: WgKey::private(bytes).public(), file }
}

fn desired(text: &str) -> Option<State> {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "y", &mut |_, _| Err("no includes".into()));
    let spec = parsed.spec?;
    let wishes = yard::key_wishes(&spec).into_iter();
    let keys = wishes.map(|(name, ..)| (name.clone(), key(&name))).collect();
    let facts = Facts { host_reachable: true, keys, ..Facts::default() };
    let (yard, report) = yard::resolve(&spec, &facts);
    if yard.is_none() {
        eprintln!("{report:?}");
    }
    yard.map(|yard| lower(&yard))
}

/// What of a State somebody sees who has no marks: kernel names, namespaces by their names.
struct Stranger<'a> {
    state: &'a State,
    places: BTreeMap<Place, Place>,
}

impl Stranger<'_> {
    fn place(&self, place: &Place) -> Place {
        self.places.get(place).cloned().unwrap_or(Place::Host)
    }

    fn name(&self, place: &Place, name: &FullName) -> FullName {
        let id = InterfaceId { place: place.clone(), name: name.clone() };
        let kernel = self.state.interface(&id).map(|o| o.kernel_name.as_str());
        FullName::new(kernel.unwrap_or(name.as_str())).expect("a name")
    }

    fn id(&self, id: &InterfaceId) -> InterfaceId {
        InterfaceId { place: self.place(&id.place), name: self.name(&id.place, &id.name) }
    }

    fn see(&self, object: &Object) -> Option<Object> {
        let mut object = object.clone();
        match &mut object {
            Object::Namespace(o) => o.place = self.place(&o.place),
            Object::Interface(o) => {
                let place = o.id.place.clone();
                if matches!(o.kind, Kind::Physical(_) | Kind::Wlan(_)) {
                    return None;
                }
                o.master = o.master.as_ref().map(|name| self.name(&place, name));
                o.parent = o.parent.as_ref().map(|id| self.id(id));
                if let Kind::Veth(veth) = &mut o.kind {
                    veth.peer = self.id(&veth.peer);
                }
                o.id = self.id(&o.id);
            }
            Object::Address(o) => o.interface = self.id(&o.interface),
            Object::PortVlan(o) => o.interface = self.id(&o.interface),
            Object::Tunnel(o) => {
                o.interface = self.id(&o.interface);
                // The kernel knows addresses alone.
                for endpoint in o.peers.iter_mut().filter_map(|peer| peer.endpoint.as_mut()) {
                    if endpoint.parse::<std::net::SocketAddr>().is_err() {
                        *endpoint = "192.0.2.9:51820".to_owned();
                    }
                }
            }
            Object::Route(o) => {
                let place = o.place.clone();
                o.hops.iter_mut().for_each(|hop| hop.interface = self.name(&place, &hop.interface));
                o.place = self.place(&place);
            }
            Object::Rule(o) => o.place = self.place(&o.place),
            Object::Sysctl(o) if o.interface.is_none() && o.key == "net/ipv4/ip_forward" => {
                o.place = self.place(&o.place);
            }
            _ => return None,
        }
        Some(object)
    }
}

fn as_seen(state: &State) -> State {
    let places = state.objects().filter_map(|object| match object {
        Object::Namespace(o) => {
            Some((o.place.clone(), Place::Node(NodeName::new(&o.netns).expect("a name"))))
        }
        _ => None,
    });
    let stranger = Stranger { state, places: places.collect() };
    let mut seen: State = state.objects().filter_map(|object| stranger.see(object)).collect();
    // What is on an interface that nobody describes is nobody's either.
    let there = |place: &Place, name: &FullName| {
        seen.interface(&InterfaceId { place: place.clone(), name: name.clone() }).is_some()
    };
    let alone = |object: &&Object| match object {
        Object::Address(o) => !there(&o.interface.place, &o.interface.name),
        Object::Route(o) => {
            o.place == Place::Host && o.hops.is_empty()
                || o.hops.iter().any(|hop| !there(&o.place, &hop.interface))
        }
        Object::Interface(o) => {
            // A tunnel rests on a namespace alone.
            let parent = o.parent.as_ref().filter(|_| o.kind != Kind::Wireguard);
            parent.is_some_and(|parent| !there(&parent.place, &parent.name))
        }
        _ => false,
    };
    let gone: Vec<_> = seen.objects().filter(alone).map(Object::key).collect();
    gone.iter().for_each(|key| drop(seen.remove(key)));
    // Each namespace has that setting, whoever asks.
    for place in stranger.places.values() {
        let (place, key) = (place.clone(), "net/ipv4/ip_forward".to_owned());
        let value = "0".to_owned();
        let sysctl = netyard_core::state::Sysctl { place, interface: None, key, value };
        let object = Object::Sysctl(sysctl);
        if seen.get(&object.key()).is_none() {
            seen.insert(object);
        }
    }
    seen
}

/// The yards of examples and cases that can be resolved here.
fn yards() -> Vec<(String, State)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    for directory in ["examples", "cases"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory").flatten() {
            let Ok(text) = fs::read_to_string(entry.path().join("netyard.yaml")) else { continue };
            if let Some(state) = desired(&text).filter(|state| state.len() < 1000) {
                all.push((entry.path().display().to_string(), state));
            }
        }
    }
    all
}

#[test]
fn what_is_adopted_of_a_yard_that_is_up_describes_it() {
    let yards = yards();
    assert!(yards.len() > 20, "only {}", yards.len());
    for (name, state) in yards {
        let nothing = State::default();
        let mut kernel = FakeKernel::new(nothing.clone());
        if kernel.apply(&plan(&nothing, &state)).is_err() {
            // It needs interfaces of a host's.
            continue;
        }
        let found = as_seen(kernel.state());
        let is_there = |place: &Place, name: &FullName| {
            found.interface(&InterfaceId { place: place.clone(), name: name.clone() }).is_some()
        };
        let mut masters = found.objects().filter_map(|object| match object {
            Object::Interface(o) => Some((&o.id.place, o.master.as_ref()?)),
            _ => None,
        });
        if masters.any(|(place, master)| !is_there(place, master)) {
            // Its ports are those of a bridge that somebody else makes: libvirt's.
            continue;
        }
        let adopted = adopt::describe(&YardName::new("adopted").expect("a name"), &found);
        let Some(again) = desired(&adopted.text) else { panic!("{name}:\n{}", adopted.text) };
        let mut changes = adopt::changes(&found, &again);
        // A bridge that filters and is in no VLAN itself has no words in a file.
        let itself = |object: &Object| match object {
            Object::Interface(o) if matches!(&o.kind, Kind::Bridge(b) if b.vlan_filtering) => {
                Some(format!("vlan 1 on {} is not there", o.id))
            }
            _ => None,
        };
        let itself: Vec<String> = found.objects().filter_map(itself).collect();
        changes.retain(|change| !itself.contains(change));
        assert!(changes.is_empty(), "{name}: {changes:#?}\n{}", adopted.text);
        let missing: Vec<String> = found
            .objects()
            .filter(|object| again.get(&object.key()).is_none())
            .map(ToString::to_string)
            .filter(|said| !adopted.left_out.iter().any(|line| line.contains(said.as_str())))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:#?}\n{}", adopted.text);
    }
}

#[test]
fn what_is_written_of_a_case_is_as_it_should_be() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases/adopt");
    let text = fs::read_to_string(case.join("netyard.yaml")).expect("a case");
    let found = as_seen(&desired(&text).expect("a State"));
    let adopted = adopt::describe(&YardName::new("adopted").expect("a name"), &found);
    let left = adopted.left_out.iter().map(|line| format!("not in the file: {line}\n"));
    let text = adopted.text + &left.collect::<String>();
    let file = case.join("adopted.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &text).expect("writable case");
    }
    assert_eq!(text, fs::read_to_string(&file).unwrap_or_default(), "UPDATE=1 rewrites it");
}
