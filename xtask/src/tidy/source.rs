//! The tracked files of the project, and Rust code without its comments.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A text file of the project.
#[derive(Debug)]
pub struct Source {
    /// From the top of the working tree, with `/`.
    pub path: String,
    /// As it is on disk.
    pub text: String,
}

impl Source {
    /// Whether this is Rust below one of these directories or exactly one of these files.
    pub fn is_rust_in(&self, places: &[&str]) -> bool {
        self.path.ends_with(".rs") && places.iter().any(|place| self.path.starts_with(place))
    }

    /// The file's name without extension; a `mod.rs` has the name of its directory.
    pub fn stem(&self) -> &str {
        let path = self.path.strip_suffix("/mod.rs").unwrap_or(&self.path);
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split('.').next().unwrap_or(file)
    }

    /// The code that ships, with comments and the contents of strings blanked and line breaks
    /// kept, up to the file's tests.
    pub fn code(&self) -> String {
        let blank = blanked(&self.text);
        let end = blank.find("\n#[cfg(test)]").unwrap_or(blank.len());
        blank[..end].to_owned()
    }
}

/// Everything git tracks or would track, as far as it is text.
///
/// # Errors
/// When git does not list the files or one cannot be read.
pub fn tracked(root: &Path) -> Result<Vec<Source>, Box<dyn Error>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let mut sources = Vec::new();
    for path in String::from_utf8(output.stdout)?.split_terminator('\0') {
        let file = root.join(path);
        // Deleted and not committed yet, or a symbolic link that leads nowhere.
        if !file.is_file() {
            continue;
        }
        if let Ok(text) = String::from_utf8(fs::read(file)?) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

/// The line (from 1) of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Where `word` stands in `code` as a word of its own.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(offset, _)| offset).filter(move |&offset| {
        let before = code[..offset].chars().next_back();
        let after = code[offset + word.len()..].chars().next();
        let begins = word.chars().next().is_some_and(part);
        let ends = word.chars().next_back().is_some_and(part);
        let goes_on = begins && before.is_some_and(part) || ends && after.is_some_and(part);
        !goes_on
    })
}

/// Rust with the inside of comments and strings replaced by spaces. Raw strings and characters
/// are understood well enough for looking for names.
fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(quotes) = raw_string(rest, out.chars().next_back()) {
            let end = format!("\"{}", "#".repeat(quotes));
            let body = quotes + 2;
            rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
        } else if c == '"' {
            string_length(rest)
        } else if let Some(character) =
            ["'\"'", "'\\\"'", "'\\''", "'/'"].iter().find(|c| rest.starts_with(**c))
        {
            character.len()
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    out
}

/// The number of `#` of a raw string that begins here.
fn raw_string(rest: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() && c != 'b') {
        return None;
    }
    let body = rest.strip_prefix('r')?;
    let quotes = body.len() - body.trim_start_matches('#').len();
    body[quotes..].starts_with('"').then_some(quotes)
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return offset + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
pub fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_tests_are_not_code() {
        let text = "a(); // b()\nc(\"d(\\\"\"); e(r#\"f(\"\"#); g('\"');\n/* h() */ i();\n#[cfg(test)]\nmod tests { j() }\n";
        let code = source("x.rs", text).code();
        let left: String = code.split_whitespace().collect();
        assert_eq!(left, "a();c();e();g();i();");
        assert_eq!(code.matches('\n').count(), 2);
    }

    #[test]
    fn words_have_borders() {
        let found: Vec<usize> = words("spec inspect spec_x spec::y", "spec").collect();
        assert_eq!(found, [0, 20]);
    }

    #[test]
    fn a_module_file_is_named_by_its_directory() {
        assert_eq!(source("a/netns/mod.rs", "").stem(), "netns");
        assert_eq!(source("a/netns.rs", "").stem(), "netns");
    }
}
