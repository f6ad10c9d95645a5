//! What can be told of nft's own text without nft: what the kernel will refuse.

use crate::diag::{Report, Spanned, firewall as say};

/// `NF_IP_PRI_CONNTRACK` of linux/netfilter_ipv4.h: nat chains come after it.
const CONNTRACK: i64 = -200;
/// Names of priorities, as nft has them for `inet`, `ip` and `ip6`.
const NAMES: [(&str, i64); 7] = [
    ("raw", -300),
    ("mangle", -150),
    ("dstnat", -100),
    ("filter", 0),
    ("security", 50),
    ("srcnat", 100),
    ("out", 100),
];

/// Says what the kernel will refuse of the text.
pub(super) fn check(raw: &Spanned<String>, report: &mut Report) {
    let text = without_comments(&raw.value);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || ";{}".contains(c)).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    for (at, word) in words.iter().enumerate() {
        let rest = &words[at + 1..];
        match *word {
            "type" if rest.first() == Some(&"nat") => nat(rest, raw, report),
            "rate" => rate(rest, raw, report),
            _ => {}
        }
    }
}

/// `type nat hook prerouting priority dstnat - 150`.
fn nat(rest: &[&str], raw: &Spanned<String>, report: &mut Report) {
    let ["nat", "hook", _, "priority", words @ ..] = rest else { return };
    let Some((said, priority)) = priority(words) else { return };
    if priority <= CONNTRACK {
        report.push(say::raw_nat_priority(raw.span, &said, priority));
    }
}

/// A number, a name, or a name and a distance, written with or without spaces.
fn priority(words: &[&str]) -> Option<(String, i64)> {
    let first = *words.first()?;
    if let Ok(number) = first.parse() {
        return Some((first.to_owned(), number));
    }
    let end = first.find(['+', '-']).unwrap_or(first.len());
    let base = NAMES.iter().find(|(name, _)| *name == &first[..end])?.1;
    let apart = match (&first[end..], words) {
        ("", [_, sign @ ("+" | "-"), number, ..]) => format!("{sign}{number}"),
        (joined, _) => joined.to_owned(),
    };
    let distance: i64 = if apart.is_empty() { 0 } else { apart.parse().ok()? };
    Some((format!("{}{apart}", &first[..end]), base + distance))
}

/// `rate over 10/second`, `rate 100 mbytes/second`.
fn rate(rest: &[&str], raw: &Spanned<String>, report: &mut Report) {
    let number = match rest {
        ["over" | "until", number, ..] | [number, ..] => *number,
        [] => return,
    };
    let digits = number.split('/').next().unwrap_or_default();
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    if is_number && digits.parse::<u64>().is_err() {
        report.push(say::raw_rate(raw.span, digits));
    }
}

/// The text without what nft does not read.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut report = Report::default();
        check(&Spanned::new(text.to_owned(), Span::default()), &mut report);
        report.0.into_iter().map(|d| d.code).collect()
    }

    #[test]
    fn a_nat_chain_comes_after_conntrack() {
        let chain = |priority: &str| {
            codes(&format!(
                "chain x {{\n type nat hook prerouting priority {priority}; policy accept;\n}}"
            ))
        };
        for bad in ["-200", "raw", "-300", "dstnat - 100", "dstnat-150", "mangle - 50", "raw + 100"]
        {
            assert_eq!(chain(bad), ["raw-priority"], "{bad}");
        }
        for good in ["-199", "dstnat", "srcnat + 5", "dstnat - 99", "mangle", "0", "$variable"] {
            assert!(chain(good).is_empty(), "{good}");
        }
        assert!(codes("chain x { type filter hook input priority -300; }").is_empty());
        assert!(codes("# type nat hook input priority -300\n").is_empty());
    }

    #[test]
    fn a_rate_has_64_bits() {
        let rule = |rate: &str| codes(&format!("chain x {{ limit rate {rate} accept }}"));
        assert_eq!(rule("18446744073709551616/second"), ["limit-too-large"]);
        assert_eq!(rule("over 99999999999999999999 mbytes/second"), ["limit-too-large"]);
        assert!(rule("18446744073709551615/second").is_empty());
        assert!(rule("over 10/minute").is_empty());
    }
}
