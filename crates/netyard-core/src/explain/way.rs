//! Which devices lie between two interfaces: over cables, through bridges and
//! VLANs, and what is wrong with them.
//!
//! It is a search for the way with the fewest problems (Dijkstra's, over device,
//! tag and whether the packet comes or goes). A way with a problem is as good as
//! any: the problem is what is looked for. So where a frame would be thrown away
//! the search notes that and goes on, as if it had not been.

use std::collections::BTreeMap;

use super::scene::{Scene, Stack};
use super::sight::{Part, Problem, Segment, Way};
use crate::state::Place;
use crate::wire::device::Device;
use crate::yard::Membership;

/// What a problem costs, in devices.
const PROBLEM: u32 = 1000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    place: Place,
    index: u32,
    tag: Option<u16>,
    going: Going,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Going {
    Out,
    In,
    /// Given to IP on that device.
    Up,
}

/// A frame inside a bridge: the VLAN it is in, or any where that was a problem.
type Vid = Option<u16>;

impl Scene {
    /// The way of a packet of `size` bytes from one device to another; none where
    /// nothing joins them.
    pub fn way(&self, from: (&Place, u32), to: (&Place, u32), size: u32) -> Option<Way> {
        let start = At { place: from.0.clone(), index: from.1, tag: None, going: Going::Out };
        let end = |at: &At| at.going == Going::Up && at.index == to.1 && at.place == *to.0;
        let mut best: BTreeMap<At, (u32, Option<At>, Vec<Segment>)> = BTreeMap::new();
        let mut open: std::collections::BTreeSet<(u32, At)> = Default::default();
        best.insert(start.clone(), (0, None, Vec::new()));
        open.insert((0, start));
        while let Some((cost, at)) = open.pop_first() {
            if end(&at) {
                return Some(Way { segments: trail(&best, at) });
            }
            for (next, segments) in self.next(&at, size) {
                let problems: usize = segments.iter().map(|s| s.problems.len()).sum();
                let new = cost + 1 + problems as u32 * PROBLEM;
                if best.get(&next).is_some_and(|(old, ..)| *old <= new) {
                    continue;
                }
                best.insert(next.clone(), (new, Some(at.clone()), segments));
                open.insert((new, next));
            }
        }
        None
    }

    /// Where a frame can get from there, and over what.
    fn next(&self, at: &At, size: u32) -> Vec<(At, Vec<Segment>)> {
        let Some(stack) = self.stacks.get(&at.place) else { return Vec::new() };
        let Some(device) = stack.devices.get(&at.index) else { return Vec::new() };
        let here = Here { scene: self, stack, at, device, size };
        match at.going {
            Going::Out => here.out(),
            Going::In => here.come(),
            Going::Up => Vec::new(),
        }
    }
}

fn trail(best: &BTreeMap<At, (u32, Option<At>, Vec<Segment>)>, end: At) -> Vec<Segment> {
    let mut parts = Vec::new();
    let mut at = Some(end);
    while let Some((_, before, segments)) = at.as_ref().and_then(|at| best.get(at)) {
        parts.push(segments.clone());
        at = before.clone();
    }
    let mut all: Vec<Segment> = Vec::new();
    for segment in parts.into_iter().rev().flatten() {
        match all.last_mut() {
            Some(last)
                if (last.part, &last.place, &last.kernel_name)
                    == (segment.part, &segment.place, &segment.kernel_name) =>
            {
                last.problems.extend(segment.problems);
            }
            _ => all.push(segment),
        }
    }
    all
}

struct Here<'a> {
    scene: &'a Scene,
    stack: &'a Stack,
    at: &'a At,
    device: &'a Device,
    size: u32,
}

impl Here<'_> {
    fn out(&self) -> Vec<(At, Vec<Segment>)> {
        let (device, at) = (self.device, self.at);
        let own = self.segment(device, Part::Out, self.state(device, true));
        let to = |place: &Place, index, tag, going| {
            (At { place: place.clone(), index, tag, going }, vec![own.clone()])
        };
        let parent = || match device.other {
            Some((index, None)) => Some((at.place.clone(), index)),
            _ => self.stack.peers.get(&at.index).cloned(),
        };
        match device.kind.as_str() {
            "veth" => {
                let peer = self.stack.peers.get(&at.index);
                peer.map(|(place, index)| to(place, *index, at.tag, Going::In))
                    .into_iter()
                    .collect()
            }
            "vlan" => parent()
                .map(|(place, index)| to(&place, index, device.vlan, Going::Out))
                .into_iter()
                .collect(),
            "macvlan" | "macvtap" | "ipvlan" => {
                let Some((place, index)) = parent() else { return Vec::new() };
                let mut all = vec![to(&place, index, at.tag, Going::Out)];
                let children = self.children(&place, index, &device.kind);
                all.extend(
                    children
                        .into_iter()
                        .filter(|(place, index)| (place, *index) != (&at.place, at.index))
                        .map(|(place, index)| to(&place, index, at.tag, Going::In)),
                );
                all
            }
            "vxlan" => self
                .scene
                .stacks
                .iter()
                .flat_map(|(place, stack)| stack.devices.values().map(move |d| (place, d)))
                .filter(|(place, d)| d.kind == "vxlan" && *place != &at.place)
                .map(|(place, d)| to(place, d.index, at.tag, Going::In))
                .collect(),
            "bridge" => self.through(at.index, None, own),
            _ => {
                let members = self.stack.devices.values().filter(|d| d.master == Some(at.index));
                members.map(|d| to(&at.place, d.index, at.tag, Going::Out)).collect()
            }
        }
    }

    fn come(&self) -> Vec<(At, Vec<Segment>)> {
        let (device, at) = (self.device, self.at);
        let own = self.segment(device, Part::In, self.state(device, false));
        if let (Some(_), Some(bridge)) = (device.port, device.master) {
            return self.through(bridge, Some(device), own);
        }
        let to = |index, tag, going| At { place: at.place.clone(), index, tag, going };
        let mut all = Vec::new();
        for (place, index) in self.children(&at.place, at.index, "") {
            let Some(child) = self.scene.device(&place, index) else { continue };
            let tag = match child.vlan {
                Some(vlan) if at.tag == Some(vlan) => None,
                Some(_) => continue,
                None => at.tag,
            };
            let at = At { place, index, tag, going: Going::In };
            all.push((at, vec![own.clone()]));
        }
        if let Some(master) = device.master {
            all.push((to(master, at.tag, Going::In), vec![own.clone()]));
        }
        let mut own = own;
        own.problems.extend(at.tag.map(|tag| Problem::Vlan(Some(tag))));
        all.push((to(at.index, None, Going::Up), vec![own]));
        all
    }

    /// Through a bridge: in by `port`, or from the bridge itself.
    fn through(
        &self,
        bridge: u32,
        port: Option<&Device>,
        mut own: Segment,
    ) -> Vec<(At, Vec<Segment>)> {
        let Some(device) = self.stack.devices.get(&bridge) else { return Vec::new() };
        let filtering = device.vlan_filtering;
        let came = port.unwrap_or(device);
        let vid = match (filtering, self.at.tag) {
            (false, tag) => tag,
            (true, None) => came.vlans.iter().find(|vlan| vlan.pvid).map(|vlan| vlan.vid),
            (true, Some(tag)) => came.vlans.iter().any(|vlan| vlan.vid == tag).then_some(tag),
        };
        if filtering && vid.is_none() {
            own.problems.push(Problem::Vlan(self.at.tag));
        }
        if let Some(state) = port.and_then(|port| port.port).filter(|port| port.state != 3) {
            own.problems.push(Problem::PortState(state.state_word().to_owned()));
        }
        // Of the MTUs only those of the ports count.
        let down = if device.up { Vec::new() } else { vec![Problem::Down] };
        let passing = self.segment(device, Part::Bridge, down);
        let isolated = port.and_then(|port| port.port).is_some_and(|port| port.isolated);
        let mut all = Vec::new();
        for out in self.stack.devices.values().filter(|d| d.master == Some(bridge)) {
            let Some(state) = out.port.filter(|_| port.is_none_or(|p| p.index != out.index)) else {
                continue;
            };
            let mut leaving = self.segment(out, Part::Out, Vec::new());
            if state.state != 3 {
                leaving.problems.push(Problem::PortState(state.state_word().to_owned()));
            }
            if isolated && state.isolated {
                leaving.problems.push(Problem::Isolated(own.device.clone()));
            }
            let tag = leave(filtering, &out.vlans, vid, self.at.tag, &mut leaving.problems);
            let next =
                At { place: self.at.place.clone(), index: out.index, tag, going: Going::Out };
            // The port itself is told of when the frame leaves by it.
            let mut segments = vec![own.clone(), passing.clone()];
            if !leaving.problems.is_empty() {
                segments.push(leaving);
            }
            all.push((next, segments));
        }
        if port.is_some() {
            let mut passing = passing;
            let tag = leave(filtering, &device.vlans, vid, self.at.tag, &mut passing.problems);
            let index = bridge;
            let place = self.at.place.clone();
            let mut children = self.children(&place, bridge, "");
            children.retain(|(place, index)| {
                self.scene.device(place, *index).is_some_and(|d| d.vlan.is_some() && d.vlan == tag)
            });
            for (place, index) in children {
                let at = At { place, index, tag: None, going: Going::In };
                all.push((at, vec![own.clone(), passing.clone()]));
            }
            passing.problems.extend(tag.map(|tag| Problem::Vlan(Some(tag))));
            all.push((At { place, index, tag: None, going: Going::Up }, vec![own, passing]));
        }
        all
    }

    /// VLANs, macvlans and the like on a device.
    fn children(&self, place: &Place, index: u32, kind: &str) -> Vec<(Place, u32)> {
        let mut all = Vec::new();
        for (other, stack) in &self.scene.stacks {
            for device in stack.devices.values() {
                let stacked =
                    matches!(device.kind.as_str(), "vlan" | "macvlan" | "macvtap" | "ipvlan");
                let wanted = if kind.is_empty() { stacked } else { device.kind == kind };
                let parent = match device.other {
                    Some((parent, None)) if other == place => parent == index,
                    Some((_, Some(_))) => {
                        stack.peers.get(&device.index) == Some(&(place.clone(), index))
                    }
                    _ => false,
                };
                if wanted && parent {
                    all.push((other.clone(), device.index));
                }
            }
        }
        all
    }

    fn state(&self, device: &Device, going_out: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !device.up {
            problems.push(Problem::Down);
        } else if going_out && !device.carrier && device.kind != "bridge" {
            problems.push(Problem::NoCarrier);
        }
        if self.size > device.mtu {
            problems.push(Problem::Mtu(device.mtu));
        }
        problems
    }

    fn segment(&self, device: &Device, part: Part, problems: Vec<Problem>) -> Segment {
        Segment {
            place: self.at.place.clone(),
            netns: self.stack.netns.clone(),
            device: self.stack.name(device.index),
            kernel_name: device.kernel_name.clone(),
            part,
            problems,
        }
    }
}

/// The tag a frame leaves a bridge port with.
fn leave(
    filtering: bool,
    vlans: &[Membership],
    vid: Vid,
    tag: Option<u16>,
    problems: &mut Vec<Problem>,
) -> Option<u16> {
    let Some(vid) = vid.filter(|_| filtering) else { return tag.filter(|_| !filtering) };
    match vlans.iter().find(|vlan| vlan.vid == vid) {
        Some(vlan) if vlan.untagged => None,
        Some(_) => Some(vid),
        None => {
            problems.push(Problem::Vlan(Some(vid)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NodeName;
    use crate::wire::device::Port;

    fn node(name: &str) -> Place {
        Place::Node(NodeName::new(name).unwrap())
    }

    fn device(index: u32, name: &str, kind: &str) -> Device {
        Device {
            index,
            kernel_name: name.to_owned(),
            kind: kind.to_owned(),
            mtu: 1500,
            up: true,
            carrier: true,
            ..Device::default()
        }
    }

    /// Two nodes on a bridge that tells VLANs apart, each in VLAN 10.
    fn scene() -> Scene {
        let mut scene = Scene::default();
        let mut fabric = Stack::default();
        let mut bridge = device(1, "lan", "bridge");
        bridge.vlan_filtering = true;
        fabric.devices.insert(1, bridge);
        for (index, name) in [(11, "a"), (12, "b")] {
            let mut port = device(index, &format!("{name}.eth0"), "veth");
            port.master = Some(1);
            port.port = Some(Port { state: 3, isolated: false });
            port.vlans = vec![Membership { vid: 10, pvid: true, untagged: true }];
            fabric.devices.insert(index, port);
            fabric.peers.insert(index, (node(name), 2));
            let mut stack = Stack::default();
            stack.devices.insert(2, device(2, "eth0", "veth"));
            stack.peers.insert(2, (Place::Fabric, index));
            scene.stacks.insert(node(name), stack);
        }
        scene.stacks.insert(Place::Fabric, fabric);
        scene
    }

    fn problem(scene: &Scene, size: u32) -> Option<(String, Problem)> {
        let way = scene.way((&node("a"), 2), (&node("b"), 2), size).unwrap();
        way.problem().map(|(segment, problem)| (segment.device.clone(), problem.clone()))
    }

    fn port(scene: &mut Scene, index: u32) -> &mut Device {
        scene.stacks.get_mut(&Place::Fabric).unwrap().devices.get_mut(&index).unwrap()
    }

    #[test]
    fn a_way_leads_over_cables_and_through_the_bridge() {
        let way = scene().way((&node("a"), 2), (&node("b"), 2), 1500).unwrap();
        let names: Vec<&str> = way.segments.iter().map(|s| s.device.as_str()).collect();
        assert_eq!(names, ["eth0", "a.eth0", "lan", "b.eth0", "eth0"]);
        assert_eq!(way.problem(), None);
    }

    #[test]
    fn a_port_that_is_not_in_the_vlan_is_the_problem() {
        let mut scene = scene();
        port(&mut scene, 12).vlans[0].vid = 20;
        assert_eq!(problem(&scene, 100), Some(("b.eth0".into(), Problem::Vlan(Some(10)))));
        port(&mut scene, 11).vlans.clear();
        assert_eq!(problem(&scene, 100), Some(("a.eth0".into(), Problem::Vlan(None))));
    }

    #[test]
    fn a_tag_that_nobody_takes_off_is_a_problem_of_the_end() {
        let mut scene = scene();
        port(&mut scene, 12).vlans[0].untagged = false;
        assert_eq!(problem(&scene, 100), Some(("eth0".into(), Problem::Vlan(Some(10)))));
    }

    #[test]
    fn a_vlan_interface_takes_its_tag() {
        let mut scene = scene();
        port(&mut scene, 12).vlans[0].untagged = false;
        let mut tagged = device(3, "eth0.10", "vlan");
        (tagged.vlan, tagged.other) = (Some(10), Some((2, None)));
        scene.stacks.get_mut(&node("b")).unwrap().devices.insert(3, tagged);
        let way = scene.way((&node("a"), 2), (&node("b"), 3), 100).unwrap();
        assert_eq!(way.problem(), None);
        let back = scene.way((&node("b"), 3), (&node("a"), 2), 100).unwrap();
        assert_eq!(back.problem(), None, "{back:?}");
    }

    #[test]
    fn what_is_down_or_too_small_is_the_problem() {
        let mut small = scene();
        port(&mut small, 12).mtu = 1400;
        assert_eq!(problem(&small, 1500), Some(("b.eth0".into(), Problem::Mtu(1400))));
        assert_eq!(problem(&small, 1400), None);
        let mut down = scene();
        port(&mut down, 1).up = false;
        assert_eq!(problem(&down, 100), Some(("lan".into(), Problem::Down)));
    }

    #[test]
    fn ports_are_isolated_from_each_other_and_from_no_others() {
        let with = |isolated: &[u32]| {
            let mut scene = scene();
            for index in isolated {
                port(&mut scene, *index).port = Some(Port { state: 3, isolated: true });
            }
            problem(&scene, 100)
        };
        assert_eq!([&[][..], &[11], &[12]].map(with), [None, None, None]);
        assert_eq!(with(&[11, 12]), Some(("b.eth0".into(), Problem::Isolated("a.eth0".into()))));
    }

    #[test]
    fn where_nothing_is_joined_there_is_no_way() {
        let mut scene = scene();
        port(&mut scene, 12).master = None;
        assert_eq!(scene.way((&node("a"), 2), (&node("b"), 2), 100), None);
    }
}
