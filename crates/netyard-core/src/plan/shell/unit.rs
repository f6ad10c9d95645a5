//! Numbers with their units, and words a shell takes as they are.

/// Nanoseconds as `tc` writes them: `20ms`, `1500us`.
pub(crate) fn duration(nanoseconds: u64) -> String {
    match nanoseconds {
        0 => "0ms".to_string(),
        n if n % 1_000_000_000 == 0 => format!("{}s", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{}ms", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}us", n / 1_000),
        n => format!("{n}ns"),
    }
}

/// Parts per million as a percentage: `0.5%`.
pub(crate) fn percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Bits per second as `tc` writes them: `100mbit`.
pub(crate) fn rate(bits: u64) -> String {
    match bits {
        0 => "unlimited".to_string(),
        n if n % 1_000_000_000 == 0 => format!("{}gbit", n / 1_000_000_000),
        n if n % 1_000_000 == 0 => format!("{}mbit", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{}kbit", n / 1_000),
        n => format!("{n}bit"),
    }
}

/// A word for a shell: quoted where it must be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('~') {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A command that reads `text` from its standard input. The word that ends the text
/// is no line of it, whatever the text is.
pub(crate) fn heredoc(command: &str, text: &str) -> Vec<String> {
    let mut end = "EOF".to_string();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    let mut lines = vec![format!("{command} <<'{end}'")];
    lines.extend(text.lines().map(str::to_string));
    lines.push(end);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_own_document() {
        let lines = heredoc("cat", "a\nEOF\nrm -rf /\nEOF_\n");
        assert_eq!(lines, ["cat <<'EOF__'", "a", "EOF", "rm -rf /", "EOF_", "EOF__"]);
    }

    #[test]
    fn numbers_get_the_largest_unit_that_fits() {
        assert_eq!(duration(20_000_000), "20ms");
        assert_eq!(duration(1_500_000), "1500us");
        assert_eq!(percent(5_000), "0.5%");
        assert_eq!(percent(1_000_000), "100%");
        assert_eq!(percent(1), "0.0001%");
        assert_eq!(rate(100_000_000), "100mbit");
        assert_eq!(rate(1_500), "1500bit");
    }

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("eth0.10"), "eth0.10");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("a b;c"), "'a b;c'");
        assert_eq!(quoted(""), "''");
    }
}
