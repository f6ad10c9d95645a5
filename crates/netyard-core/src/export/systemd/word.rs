//! Texts on their way into systemd's files: escaped, or refused.

use crate::name::fnv1a;

/// A word of a command line, or of a list (systemd.service(5), systemd.syntax(7)).
pub(crate) fn word(text: &str) -> String {
    let mut word = String::new();
    for c in text.chars() {
        match c {
            '%' => word.push_str("%%"),
            '$' => word.push_str("$$"),
            '"' | '\\' => word.extend(['\\', c]),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            c if c.is_ascii_control() => word.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => word.push(c),
        }
    }
    let parted = |c: char| c.is_whitespace() || c.is_control() || "\"\\';".contains(c);
    if word.is_empty() || word.chars().any(parted) { format!("\"{word}\"") } else { word }
}

/// A command line. What stands before a program's name may mean something
/// (`@`, `-`, `:`, `+`, `!`, `|`): then another program is asked to run it.
pub(crate) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = words.into_iter().peekable();
    let special = |first: &&str| first.starts_with(['@', '-', ':', '+', '!', '|']);
    let before = words.peek().filter(|first| special(first)).map(|_| "/usr/bin/env".to_owned());
    let all: Vec<String> = before.into_iter().chain(words.map(word)).collect();
    all.join(" ")
}

/// A text that goes to the end of its line: specifiers are none, and the line ends there.
pub(crate) fn line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.replace('%', "%%");
    // A backslash at the end would take the next line in.
    if text.ends_with('\\') { text + " ." } else { text }
}

/// A name for units and files: as it is where it is plain, else with what tells it from
/// others that look like it.
pub(crate) fn plain(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let readable: String = text.chars().take(100).map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{readable}-{:08x}", fnv1a(&[text.as_bytes()]) as u32)
}

/// True for a name that networkd takes for an interface and for nothing else: its matches
/// are patterns, and its lists are parted by white space.
pub(crate) fn interface_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+~@=,".contains(c);
    name.chars().all(plain) && !name.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_whatever_is_in_it() {
        assert_eq!(word("plain/path.conf"), "plain/path.conf");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a b\"c\\d'%h$x\n\u{1}"), "\"a b\\\"c\\\\d'%%h$$x\\n\\x01\"");
    }

    #[test]
    fn a_program_whose_name_says_more_is_run_by_another() {
        assert_eq!(command(["-x", "a b"]), "/usr/bin/env -x \"a b\"");
        assert_eq!(command(["x", "-y"]), "x -y");
    }

    #[test]
    fn names_that_look_alike_stay_apart() {
        assert_eq!(plain("home-1.x"), "home-1.x");
        assert_ne!(plain("a b"), plain("a_b"));
        assert_ne!(plain("a%b"), plain("a$b"));
    }

    #[test]
    fn a_pattern_is_no_interface() {
        assert!(interface_name("br-lan.10") && interface_name("r1~abcdef"));
        for name in ["eth*", "e?h", "[a]", "!eth0", "12", "a%b", "ä"] {
            assert!(!interface_name(name), "{name}");
        }
    }
}
