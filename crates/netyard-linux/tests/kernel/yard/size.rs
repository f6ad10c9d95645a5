//! Big yards; ignored, as they are for measuring.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement"]
fn a_thousand_nodes() {
    alone(|| {
        let nodes = std::env::var("NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
        let star = star(nodes).settled();
        let begin = Instant::now();
        let mut session = open();
        let actual = session.observe(&star).unwrap().state;
        eprintln!("observe nothing {:?}", begin.elapsed());
        let t = Instant::now();
        let plan = netyard_core::plan::plan(&actual, &star);
        eprintln!("plan {:?} {} steps", t.elapsed(), plan.steps().count());
        let t = Instant::now();
        session.apply(&plan, &star, &mut |p| eprintln!("  {:?} {p:?}", t.elapsed())).unwrap();
        eprintln!("apply {:?}; all {:?}", t.elapsed(), begin.elapsed());
        drop(session);
        let last = nodes;
        let t = Instant::now();
        talks(
            ("bed-n1", "10.0.0.1"),
            (&format!("bed-n{last}"), &format!("10.0.{}.{}", last >> 8, last & 255)),
        );
        eprintln!("first answer {:?}", t.elapsed());
        let t = Instant::now();
        let mut session = open();
        let actual = session.observe(&star).unwrap().state;
        eprintln!("open and observe {:?}", t.elapsed());
        assert!(netyard_core::plan::plan(&actual, &star).is_empty());
        let t = Instant::now();
        session.down(&mut |p| eprintln!("  {:?} {p:?}", t.elapsed())).unwrap();
        eprintln!("down {:?}", t.elapsed());
    });
}
