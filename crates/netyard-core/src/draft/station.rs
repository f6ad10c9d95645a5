//! Shell lines that set up a node (`ip addr add …`): what they would do, as entries
//! of a yard's node. Other tools have the addresses of a lab nowhere else.

mod command;

use super::Fate;
use super::{Map, Value};
use command::{Act, read};

/// Takes a line over into a node, whose interfaces are in it already. Gives how much
/// of it the node has now, and why not all.
pub(crate) fn take(line: &str, node: &mut Map) -> (Fate, String) {
    let acts = match read(line) {
        Ok(acts) => acts,
        Err(why) => return (Fate::Ignored, why),
    };
    let mut missed = Vec::new();
    let count = acts.len();
    for act in acts {
        if let Err(why) = apply(act, node) {
            missed.push(why);
        }
    }
    match missed.len() {
        0 => (Fate::Lossless, String::new()),
        n if n == count => (Fate::Ignored, missed.join("; ")),
        _ => (Fate::Approximated, missed.join("; ")),
    }
}

fn apply(act: Act, node: &mut Map) -> Result<(), String> {
    match act {
        Act::Nothing => {}
        Act::Address { device, net } => addressed(node, &device)?.push("address", net),
        Act::OnlyAddress { device, net } => {
            let interface = addressed(node, &device)?;
            let there = match interface.get("address") {
                Some(Value::List(list)) => list.clone(),
                _ => Vec::new(),
            };
            let is_v4 = |value: &Value| matches!(value, Value::Text(text) if text.contains('.'));
            let mut kept: Vec<Value> = there.into_iter().filter(|value| !is_v4(value)).collect();
            kept.insert(0, Value::Text(net));
            interface.set("address", kept);
        }
        Act::Flush { device } => addressed(node, &device)?.remove("address"),
        // Interfaces are up where nothing is said.
        Act::Up { device, up: true } => interface(node, &device)?.remove("up"),
        Act::Up { device, up: false } => interface(node, &device)?.set("up", false),
        Act::Mtu { device, bytes } => interface(node, &device)?.set("mtu", bytes),
        Act::Mac { device, mac } => interface(node, &device)?.set("mac", mac),
        Act::Master { device, master } => {
            interface(node, &master)?;
            interface(node, &device)?.set("master", master);
        }
        Act::Make { device, kind } => {
            let made = node.map("interfaces").map(&device);
            for key in kind.keys() {
                if let Some(value) = kind.get(key) {
                    made.set(key, value.clone());
                }
            }
        }
        Act::Route { route, device } => {
            if let Some(device) = device {
                interface(node, &device)?;
            }
            node.push("routes", route);
        }
        Act::Forward => node.set("forward", true),
        Act::Sysctl { key, value } => node.map("sysctl").set(&key, value),
        Act::Hostname(name) => node.set("hostname", name),
    }
    Ok(())
}

fn interface<'a>(node: &'a mut Map, device: &str) -> Result<&'a mut Map, String> {
    let there = node.map("interfaces").get(device).is_some();
    if !there && device != "lo" {
        return Err(format!("the node has no interface `{device}` here"));
    }
    Ok(node.map("interfaces").map(device))
}

/// As [`interface`], of which an address is set: `none` gives way.
fn addressed<'a>(node: &'a mut Map, device: &str) -> Result<&'a mut Map, String> {
    let interface = interface(node, device)?;
    if matches!(interface.get("address"), Some(Value::Text(_))) {
        interface.remove("address");
    }
    Ok(interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> (String, Vec<(Fate, String)>) {
        let mut node = Map::default();
        node.map("interfaces").map("eth1").set("address", "none");
        let fates = lines.iter().map(|line| take(line, &mut node)).collect();
        (node.text(), fates)
    }

    #[test]
    fn a_router_is_set_up_by_its_lines() {
        let (text, fates) = after(&[
            "ip link set eth1 up mtu 1400",
            "ip addr add 10.0.0.1/24 dev eth1",
            "ip -6 address add fd00::1/64 dev eth1 nodad",
            "ip route add default via 10.0.0.254",
            "ip route add 10.9.0.0/16 via 10.0.0.2 dev eth1 metric 50",
            "bash -c \"echo 1 > /proc/sys/net/ipv4/ip_forward\"",
            "sysctl -w net.ipv4.conf.all.rp_filter=0",
            "ifconfig lo 10.0.5.1 netmask 255.255.255.0 up",
            "route add -net 10.7.0.0/16 gw 10.0.0.7 dev eth1",
        ]);
        assert!(fates.iter().all(|(fate, _)| *fate == Fate::Lossless), "{fates:?}");
        let expected = "\
interfaces:
  eth1: { mtu: 1400, address: [10.0.0.1/24, fd00::1/64] }
  lo: { address: [10.0.5.1/24] }

routes:
  - { to: default, via: 10.0.0.254 }
  - { to: 10.9.0.0/16, via: 10.0.0.2, dev: eth1, metric: 50 }
  - { to: 10.7.0.0/16, via: 10.0.0.7, dev: eth1 }
forward: true

sysctl:
  net.ipv4.conf.all.rp_filter: \"0\"
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_not_understood_is_not_run() {
        let (_, fates) = after(&[
            "systemctl start frr",
            "ip addr add 10.0.0.1/24 dev eth0",
            "ip addr add $(cat /etc/address) dev eth1",
            "ip addr add 10.0.0.1/24 dev eth1 && rm -rf /",
            "ip route add default via nowhere",
            "ip addr add \"10.0.0.1/24 dev eth1",
        ]);
        let ignored: Vec<bool> = fates.iter().map(|(fate, _)| *fate == Fate::Ignored).collect();
        assert_eq!(ignored, [true; 6], "{fates:?}");
    }
}
