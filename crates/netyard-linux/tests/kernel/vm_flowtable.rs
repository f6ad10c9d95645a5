//! Flowtables: there before their devices are, filled when those come.

use netyard_core::nft::*;
use netyard_core::state::{FlowDevice, Object, Sysctl};

use crate::bed::{id, isolated, node};
use crate::nft::{filter, rule, table};
use crate::objects::{in_a_row, there_and_back};

#[test]
#[ignore = "needs the VM tier: nf_flow_table"]
fn flows_between_the_devices_of_a_flowtable_are_offloaded() {
    isolated(|bed| {
        let (a, r, b) = (node("a"), node("r"), node("b"));
        let rules = vec![rule(&[
            Statement::is(Matcher::Protocol(vec![Protocol::Tcp, Protocol::Udp])),
            Statement::Offload("fast".into()),
        ])];
        let mut own = table(&r, vec![filter("forward", Hook::Forward, Policy::Accept, rules)]);
        own.flowtables = vec![Flowtable { name: "fast".into(), devices: vec![], priority: 0 }];
        let device = |name: &str| {
            Object::FlowDevice(FlowDevice {
                interface: id(&r, name),
                table: own.name.clone(),
                flowtable: "fast".into(),
                priority: 0,
            })
        };
        let mut objects = in_a_row();
        objects.extend(there_and_back().into_iter().map(Object::Route));
        objects.push(device("left"));
        objects.push(device("right-hand-side-of-r"));
        let (place, key) = (r.clone(), "net/ipv4/ip_forward".to_owned());
        objects.push(Object::Sysctl(Sysctl { place, interface: None, key, value: "1".into() }));
        objects.push(Object::Table(Box::new(own.clone())));
        bed.become_state(&objects.iter().cloned().collect());
        for _ in 0..3 {
            bed.talks((&a, "10.0.0.1"), (&b, "10.0.1.2"));
        }
        let listed = bed.command(&r, "nft list ruleset");
        assert!(listed.contains("devices = { left, right"), "{listed}");
        // One goes by hand, and is put back.
        let hand = format!(
            "nft 'delete flowtable inet {} fast {{ hook ingress priority 0; devices = {{ left }}; }}'",
            own.name
        );
        bed.command(&r, &hand);
        let state = objects.into_iter().collect();
        assert_eq!(crate::yard::steps_left(&state).len(), 1);
        bed.become_state(&state);
        bed.clear();
    });
}
