//! Messages about the text itself: what is not YAML, or too much of it.

use granit_parser::ErrorKind;

use super::{Diagnostic, Span};

/// The text is not YAML; `opener` is the innermost bracket that is open, where
/// it is on an earlier line: then it was most likely meant to be closed.
pub fn not_yaml(kind: &ErrorKind, span: Span, opener: Option<Span>) -> Diagnostic {
    use ErrorKind as K;
    let error = |message: &str| Diagnostic::error("not-yaml", message);
    match kind {
        kind if is_tab(kind) => Diagnostic::error("tab", "a tab cannot indent YAML")
            .at(span, "a tab")
            .hint("indent with spaces"),
        K::UnclosedFlowCollection { open } => unclosed(*open, span, opener),
        K::UnexpectedEofFlowMapping | K::UnexpectedEofImplicitFlowMapping => {
            unclosed('{', span, opener)
        }
        K::UnexpectedEofFlowSequence => unclosed('[', span, opener),
        K::ExpectedFlowMappingSeparator if opener.is_some() => unclosed('{', span, opener),
        K::ExpectedFlowSequenceSeparator if opener.is_some() => unclosed('[', span, opener),
        K::ExpectedFlowMappingSeparator => error("expected `,` or `}` in a mapping in braces")
            .at(span, "found something else")
            .hint("inside `{ }`, write names with `[`, `]`, `{`, `}` or `,` in quotes")
            .hint("close the `{` with `}` and put `,` between its entries"),
        K::ExpectedFlowSequenceSeparator => error("expected `,` or `]` in a list in brackets")
            .at(span, "found something else")
            .hint("close the `[` with `]` and put `,` between its items"),
        K::MismatchedFlowCollectionEnd { open, close } => {
            error(&format!("`{open}` is closed by `{close}`")).at(span, "closed here")
        }
        K::MisplacedFlowCollectionEnd => error("a bracket is closed that was never opened")
            .at(span, "closed here")
            .hint("take it out, or put the text in quotes"),
        K::UnclosedQuotedScalar => error("a quote is never closed")
            .at(span, "opened here")
            .hint("write the same quote at the end of the text"),

        K::MappingValueNotAllowed | K::InvalidColonPlacement | K::MappingKeyNotAllowed => error(
            "a second `: ` where only one value may stand",
        )
        .at(span, "not expected here")
        .hint("put a text that has `: ` in it in quotes, or begin a mapping on a line of its own"),
        K::SimpleKeyExpected | K::ExpectedBlockMappingKey | K::InvalidSimpleKey => {
            error("expected a key and `:`")
                .at(span, "found something else")
                .hint("every entry of a mapping is `key: value`, all indented alike")
        }
        K::InvalidIndentation
        | K::ExpectedBlockSequenceEntry
        | K::BlockSequenceEntryNotAllowed
        | K::InvalidFlowScalarIndent
        | K::InvalidQuotedScalarIndent
        | K::InvalidBlockScalarIndent => error("the indentation does not fit the lines above")
            .at(span, "this line")
            .hint("indent entries of one mapping or list alike"),
        K::RecursionLimitExceeded => too_deep(span, crate::spec::limit::DEPTH),
        K::UnknownQuotedScalarEscape => error("an unknown escape in a text in double quotes")
            .at(span, "after this `\\`")
            .hint("write `\\\\` for a backslash, or use single quotes"),
        K::DirectiveDisallowed => {
            error("a `%` directive has no use here").at(span, "this line").hint("take it out")
        }
        other => error(&format!("not YAML: {}", soften(&other.to_string()))).at(span, "here"),
    }
}

fn unclosed(open: char, span: Span, opener: Option<Span>) -> Diagnostic {
    let close = if open == '{' { '}' } else { ']' };
    let message = format!("`{open}` is never closed");
    let diagnostic = Diagnostic::error("unclosed", message);
    let diagnostic = match opener {
        Some(opener) => diagnostic.at(opener, "opened here").at(span, "still open here"),
        None => diagnostic.at(span, "opened here"),
    };
    diagnostic.hint(format!("write `{close}` where it ends"))
}

/// True when the parser stumbled over a tab.
pub fn is_tab(kind: &ErrorKind) -> bool {
    use ErrorKind as K;
    matches!(
        kind,
        K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabAtBlockScalarStart
            | K::TabInPlainScalar
    )
}

/// An alias of an anchor that is not there.
pub fn unknown_anchor(span: Span, name: &str) -> Diagnostic {
    Diagnostic::error("unknown-anchor", format!("no anchor `&{name}` above"))
        .at(span, "used here")
        .hint("a text that begins with `*` needs quotes")
}

/// The parser's own words, with `invalid` put as what it is.
fn soften(text: &str) -> String {
    text.replace("invalid", "misplaced").replace('\n', " ")
}

/// The file is not text at all.
pub fn not_utf8(span: Span) -> Diagnostic {
    Diagnostic::error("not-utf8", "the file is not UTF-8 text")
        .at(span, "")
        .hint("save it as UTF-8")
}

/// Nothing is in the file.
pub fn empty_file(span: Span) -> Diagnostic {
    Diagnostic::error("empty-file", "the file is empty")
        .at(span, "nothing here")
        .hint("a yard of one node is `nodes: { r1: }`; `netyard init` writes a whole example")
}

/// The file is not a mapping.
pub fn not_a_mapping(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("a yard file must be a mapping, found {found}"))
        .at(span, "")
        .hint("begin with a key, such as `nodes:`")
}

/// A second document in the file.
pub fn multiple_documents(span: Span) -> Diagnostic {
    Diagnostic::error("two-documents", "a yard file is one YAML document, here a second begins")
        .at(span, "second document")
        .hint("take the `---` out, or put this part in a file of its own and name it in `include:`")
}

/// The same key twice in one mapping.
pub fn duplicate_key(key: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("the key `{key}` is written twice"))
        .at(second, "again here")
        .at(first, "first here")
        .hint("keep one of them")
}

/// A key that is a list or a mapping.
pub fn complex_key(span: Span) -> Diagnostic {
    Diagnostic::error("wrong-type", "a key must be a text")
        .at(span, "a list or a mapping as a key")
        .hint("write a name that begins with `[` or `{` in quotes")
}

/// A tag of the user's own.
pub fn unknown_tag(span: Span, tag: &str) -> Diagnostic {
    Diagnostic::error("unknown-tag", format!("the tag `{tag}` has no meaning here"))
        .at(span, "")
        .hint("take it out; a text that begins with `!` needs quotes")
}

/// `<<:` with something that is not a mapping.
pub fn merge_not_mapping(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error(
        "wrong-type",
        format!("`<<` takes a mapping or a list of them, found {found}"),
    )
    .at(span, "")
    .hint("write `<<: *name`, where `&name` stands before a mapping")
}

/// An alias inside the value of its own anchor.
pub fn alias_of_itself(span: Span) -> Diagnostic {
    Diagnostic::error("alias-loop", "this alias is inside the value that it stands for")
        .at(span, "")
        .hint("an alias can only stand for a value that is finished above it")
}

/// The text is longer than netyard reads.
pub fn too_large(span: Span, bytes: usize, limit: usize) -> Diagnostic {
    Diagnostic::error(
        "too-large",
        format!(
            "the file has {} MiB, more than the {} MiB that netyard reads",
            bytes >> 20,
            limit >> 20
        ),
    )
    .at(span, "")
    .hint("say repeated things with ranges (`r[1..1000]`) and `for:`")
}

/// Nested deeper than anything that means something.
pub fn too_deep(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("too-deep", format!("nested more than {limit} deep")).at(span, "here")
}

/// More values than netyard takes, most often by aliases of aliases.
pub fn too_many_values(span: Span, limit: usize) -> Diagnostic {
    Diagnostic::error("too-many", format!("more than {limit} values, aliases counted in full"))
        .at(span, "the limit is reached here")
        .hint("an alias of a list of aliases grows with every level")
}
