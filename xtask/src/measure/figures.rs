//! The figures of one file, and of several together.

use std::collections::BTreeSet;

use crate::source::{self, Comment, Source, Token, reads};

/// What an item begins with behind `pub`; a field begins with its name.
const ITEMS: &[&str] = &[
    "async", "const", "enum", "extern", "fn", "macro", "mod", "static", "struct", "trait", "type",
    "union", "unsafe",
];

/// Sums and sizes; adding two is the same as measuring both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Lines of code of each file.
    pub(super) files: Vec<usize>,
    /// Lines of code of each function.
    pub(super) functions: Vec<usize>,
    pub(super) doc_lines: usize,
    /// Lines that are not empty.
    pub(super) written_lines: usize,
    pub(super) public_items: usize,
    pub(super) examples: usize,
    pub(super) errors_sections: usize,
    pub(super) test_lines: usize,
}

impl Figures {
    pub(super) fn of(text: &str) -> Self {
        let source = source::read(text);
        let docs: Vec<&Comment<'_>> = source
            .comments
            .iter()
            .filter(|comment| comment.is_doc())
            .collect();
        Self {
            files: vec![source::code_lines(&source.tokens)],
            functions: source::functions(&source.tokens)
                .iter()
                .map(|function| function.lines)
                .collect(),
            doc_lines: docs
                .iter()
                .map(|comment| comment.end + 1 - comment.line)
                .sum(),
            written_lines: written_lines(&source),
            public_items: public_items(&source.tokens),
            examples: examples(&docs),
            errors_sections: docs
                .iter()
                .flat_map(|doc| doc.prose())
                .filter(|line| *line == "# Errors")
                .count(),
            test_lines: source.test_lines,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.files.extend(&other.files);
        self.functions.extend(&other.functions);
        self.doc_lines += other.doc_lines;
        self.written_lines += other.written_lines;
        self.public_items += other.public_items;
        self.examples += other.examples;
        self.errors_sections += other.errors_sections;
        self.test_lines += other.test_lines;
    }
}

/// The smallest size that at least `percent` of all sizes do not exceed; 0 of none.
pub(super) fn quantile(sizes: &[usize], percent: usize) -> usize {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Lines of code of a file that is all test.
pub(super) fn all_lines(text: &str) -> usize {
    source::code_lines(&source::lex(text).0)
}

fn written_lines(source: &Source<'_>) -> usize {
    let code = source
        .tokens
        .iter()
        .flat_map(|token| token.line..=token.end);
    let words = source
        .comments
        .iter()
        .flat_map(|comment| comment.line..=comment.end);
    code.chain(words).collect::<BTreeSet<_>>().len()
}

fn public_items(tokens: &[Token<'_>]) -> usize {
    let starts_item = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| ITEMS.contains(&token.word()))
    };
    let items = (0..tokens.len())
        .filter(|at| reads(tokens, *at, &["pub"]) && starts_item(at + 1))
        .count();
    items
        + (0..tokens.len())
            .filter(|at| reads(tokens, *at, &["[", "macro_export", "]"]))
            .count()
}

/// Fenced blocks that rustdoc compiles.
fn examples(docs: &[&Comment<'_>]) -> usize {
    let mut inside = false;
    let mut count = 0;
    for language in docs
        .iter()
        .flat_map(|doc| doc.prose())
        .filter_map(|line| line.strip_prefix("```"))
    {
        inside = !inside;
        count += usize::from(inside && is_rust(language));
    }
    count
}

fn is_rust(language: &str) -> bool {
    let known = |word: &str| {
        matches!(word, "rust" | "no_run" | "compile_fail" | "should_panic")
            || word.starts_with("edition")
            || is_code(word)
    };
    language
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .all(known)
}

/// Whether this is the code of a compiler error, `E0382`.
fn is_code(word: &str) -> bool {
    word.strip_prefix('E')
        .is_some_and(|digits| digits.len() == 4 && digits.chars().all(|sign| sign.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let cases: &[(&[usize], usize, usize)] = &[
            (&[], 50, 0),
            (&[7], 50, 7),
            (&[3, 1, 2], 50, 2),
            (&[1, 2, 3, 4], 50, 2),
            (&[4, 3, 2, 1], 100, 4),
            (&[1, 1, 1, 1, 1, 1, 1, 1, 1, 9], 95, 9),
        ];
        for (sizes, percent, expected) in cases {
            assert_eq!(quantile(sizes, *percent), *expected, "{sizes:?} {percent}");
        }
    }

    #[test]
    fn public_items_are_counted() {
        let cases = [
            (
                "pub fn a() {} pub const fn b() {} pub async fn c() {} pub struct D { pub e: u8 }",
                4,
            ),
            ("pub(crate) fn a() {} fn b() {} pub use c::d;", 0),
            ("#[macro_export] macro_rules! a { () => {} }", 1),
            ("#[cfg(test)] mod tests { pub fn a() {} }", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(Figures::of(text).public_items, expected, "{text}");
        }
    }

    #[test]
    fn documentation_is_counted() {
        let text = "//! ```\n//! a();\n//! ```\n/// # Errors\n/// ```compile_fail,E0382\n/// ```\n\
                    /// ```text\n/// ```\n// ```\nfn a() {}\n/** # Errors\n*/\nfn b() {}\n";
        let figures = Figures::of(text);
        assert_eq!((figures.examples, figures.errors_sections), (2, 2));
        assert_eq!((figures.doc_lines, figures.written_lines), (10, 13));
    }
}
