use std::net::IpAddr;

use netyard_core::diag::Source;
use netyard_core::expect::{
    Family, Host, Origin, PROOF, Probe, Refusal, Seen, Target, WITHIN, Want,
};
use netyard_core::state::Place;

use super::*;

fn expectation(name: Option<&str>, want: Want, if_it_has: bool) -> Expectation {
    let to: IpAddr = "10.0.0.2".parse().unwrap();
    Expectation {
        name: name.map(str::to_owned),
        span: Span { file: 0, start: 8, end: 9 },
        from: Origin { label: "h1".into(), place: Place::Host, device: None, address: None },
        to: Target { label: "h2".into(), host: Host::Address(to), place: None },
        family: Family::Ipv4,
        if_it_has,
        probe: Probe::Tcp(80),
        want,
        within: WITHIN,
        proof: PROOF,
        listen: None,
        forwarded: None,
    }
}

fn sighting(seen: Seen) -> Sighting {
    let address = Some("10.0.0.2".parse().unwrap());
    Sighting { seen, address, tries: 2, took: 1_500_000_000, listened: false }
}

/// A test of which one passed, one failed and one was skipped.
fn with_trial(test: impl FnOnce(&Trial<'_>)) {
    let text = "yard: x\nexpect: []\n".into();
    let sources = Sources(vec![Source { name: "a<b>.yaml".into(), text }]);
    let all = [
        expectation(None, Want::Ok, false),
        expectation(Some("the \"#1\" <rule> & more"), Want::Rejected, false),
        expectation(None, Want::Ok, true),
    ];
    let refusal = Refusal { by: None, word: "TCP reset", closed_port: true };
    let seen = [Seen::Reply(120_000), Seen::Silence, Seen::NoAddress];
    let outcomes = all.iter().zip(seen).map(|(e, seen)| Outcome::new(e, sighting(seen))).collect();
    let took = Duration::from_millis(1500);
    let mut trial = Trial { yard: "x", sources: &sources, outcomes, took };
    assert_eq!(trial.counts(), Counts { passed: 1, failed: 1, skipped: 1 });
    test(&trial);
    trial.outcomes.push(Outcome::new(&all[0], sighting(Seen::Refused(refusal))));
    assert_eq!(trial.counts().failed, 2);
}

#[test]
fn junit_is_xml_with_a_case_for_each_expectation() {
    with_trial(|trial| {
        let xml = trial.junit();
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|e| panic!("{e}\n{xml}"));
        let suite = document.root_element().first_element_child().unwrap();
        let attribute = |name| suite.attribute(name).unwrap();
        assert_eq!(
            (attribute("tests"), attribute("failures"), attribute("skipped")),
            ("3", "1", "1")
        );
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        assert_eq!(cases.len(), 3);
        let name = cases[1].attribute("name").unwrap();
        assert_eq!(name, "the \"#1\" <rule> & more: h1 -> h2 tcp 80 is rejected (IPv4)");
        assert_eq!(
            (cases[1].attribute("file"), cases[1].attribute("line")),
            (Some("a<b>.yaml"), Some("2"))
        );
        let failure = cases[1].children().find(|node| node.has_tag_name("failure")).unwrap();
        assert_eq!(failure.attribute("message"), Some("silent for 1.00 s"));
        assert!(cases[0].children().all(|node| !node.is_element()));
    });
}

#[test]
fn tap_has_a_plan_a_line_for_each_and_why_it_failed() {
    with_trial(|trial| {
        let tap = trial.tap();
        let lines: Vec<&str> = tap.lines().collect();
        assert_eq!(lines[..3], ["TAP version 14", "1..3", "ok 1 - h1 -> h2 tcp 80 (IPv4)"]);
        assert!(lines[3].starts_with("not ok 2 - the \"\\#1\""), "{tap}");
        assert_eq!(
            lines[4..8],
            ["  ---", "  message: \"silent for 1.00 s\"", "  at: \"a<b>.yaml:2\"", "  ..."]
        );
        assert_eq!(lines[8], "ok 3 - h1 -> h2 tcp 80 (IPv4) # SKIP no IPv4 address");
    });
}

#[test]
fn a_failure_is_followed_by_the_command_that_explains_it() {
    with_trial(|trial| {
        assert_eq!(trial.hints(" -f x.yaml"), ["netyard explain -f x.yaml h1 10.0.0.2 tcp 80"]);
        let plain =
            |trial: &Trial<'_>| anstream::adapter::strip_str(&trial.text(false)).to_string();
        let text = plain(trial);
        assert!(text.ends_with("test: 1 ok, 1 failed, 1 skipped in 1.5 s\n"), "{text}");
        assert!(text.contains("silent for 1.00 s (2 tries in 1.5 s)"), "{text}");
        assert!(text.contains("FAIL  the \"#1\" <rule> & more  h1 -> h2  tcp 80"), "{text}");
        let outcomes = vec![Outcome::new(trial.outcomes[0].expectation, sighting(Seen::Silence))];
        let (yard, sources, took) = (trial.yard, trial.sources, trial.took);
        let nameless = Trial { yard, sources, outcomes, took };
        let text = plain(&nameless);
        assert!(text.starts_with("FAIL  h1 -> h2  tcp 80"), "{text}");
    });
}
