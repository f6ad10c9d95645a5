//! `raw:` of firewalls: text that only nft can read.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::alone::alone;
use crate::site::{Site, tree};

/// Two nodes, of which `b` has this text.
fn yard(text: &str) -> String {
    let text = text.replace('\n', "\n      ");
    format!(
        "\
yard: k
nodes: {{ a: {{}}, b: {{}} }}
links: [{{ ends: [a:x, b:x], prefix: 10.9.0.0/24 }}]
firewall:
  b:
    sets: {{ known: [10.9.0.1] }}
    input: {{ allow: [ping] }}
    raw: |
      {text}
"
    )
}

/// Drops what the words fit, before netyard's own rules.
fn dropping(words: &str) -> String {
    format!("chain mine {{\n  type filter hook input priority -10;\n  {words} drop\n}}")
}

impl Site {
    /// True where `b` answers a ping of so many bytes.
    fn answers(&self, bytes: usize) -> bool {
        self.run(&format!("exec a -- ping -c1 -W1 -s {bytes} 10.9.0.2")).status.success()
    }

    fn rewrite(&self, text: &str) {
        std::fs::write(self.path().join("netyard.yaml"), text).unwrap();
    }

    /// What `up` says of what it cannot do.
    fn refused(&self) -> String {
        let output = self.run("up");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    }
}

alone! { User, fn raw_text_may_say_whatever_nft_can() {
    let site = Site::new(yard(&dropping("ip saddr @known-ipv4 meta length > 1000")));
    let before = tree(Path::new("/run"));
    site.ok("up");
    assert!(site.answers(100) && !site.answers(1200));
    site.ok("plan --check");
    // Others are left alone by a change, and the text is looked after like all rules.
    site.rewrite(&yard(&dropping("ip saddr @known-ipv4 meta length < 1000")));
    assert_eq!(site.run("plan --check").status.code(), Some(3));
    site.ok("up");
    assert!(!site.answers(100) && site.answers(1200));
    site.ok("plan --check");
    site.ok("down");
    assert_eq!(tree(Path::new("/run")), before);
}}

alone! { User, fn raw_text_that_nft_does_not_take_changes_nothing() {
    let wrong = yard(&dropping("udp dprot 9"));
    let site = Site::new(&wrong);
    let before = tree(Path::new("/run"));
    let said = site.refused();
    for words in ["netyard.yaml:9:", "firewall of `b`", "raw:3:", "syntax error", "dprot"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    assert_eq!((tree(Path::new("/run")), site.processes()), (before, Vec::<PathBuf>::new()));
    // A yard that is up stays as it is.
    site.rewrite(&yard(&dropping("meta length > 1000")));
    site.ok("up");
    for (text, why) in [
        (&wrong, "raw:3:"),
        (&yard("chain mine {\n  drop"), "raw:2:"),
        (&yard("}\ntable inet other {"), "no place for `table inet other {`"),
        (&yard("counter mine { }"), "no place for `counter mine {`"),
    ] {
        site.rewrite(text);
        let said = site.refused();
        assert!(said.contains("netyard.yaml:9:") && said.contains(why), "{said}");
        assert!(site.answers(100) && !site.answers(1200));
    }
    site.ok("down --yard k");
}}

alone! { Root, fn raw_text_without_nft_is_told() {
    let site = Site::new(yard(&dropping("meta length > 1000")));
    let hidden = Command::new("mount").args(["-t", "tmpfs", "none", "/usr/sbin"]).status();
    assert!(hidden.unwrap().success());
    let said = site.refused();
    assert!(said.contains("needs `nft`") && said.contains("package nftables"), "{said}");
    assert!(said.contains("netyard.yaml:9:"), "{said}");
}}

alone! { User, fn ranges_side_by_side_are_taken_in_sets_and_in_raw_text() {
    // None of them makes one prefix with its neighbour.
    let sides = |first: &str| yard(&format!(
        "set sides {{\n  type ipv4_addr; flags interval;\n  elements = {{ 10.8.3.0/24, 10.8.4.0/24, {first} }}\n}}\n\
         map ends {{\n  type ipv4_addr : verdict; flags interval;\n  \
         elements = {{ 10.8.3.0/24 : drop, 10.8.4.0/24 : accept, {first} : drop }}\n}}\n{}",
        dropping("ip saddr @sides")
    ))
    .replace("[10.9.0.1]", "[10.8.3.0/24, 10.8.4.0/24, 10.8.5.0/30]");
    let site = Site::new(sides("10.8.6.0/24"));
    site.ok("up");
    assert!(site.answers(100));
    site.ok("plan --check");
    for first in ["10.8.2.0/24", "10.8.5.10-10.8.5.20", "10.9.0.1"] {
        site.rewrite(&sides(first));
        site.ok("up");
        site.ok("plan --check");
        assert_eq!(site.answers(100), first != "10.9.0.1");
    }
    site.ok("down");
}}
