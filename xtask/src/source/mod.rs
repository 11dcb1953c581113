//! A Rust file as the rules see it: its tokens and comments, without what is compiled for tests only.
//!
//! This is a scanner, not a parser: it knows strings, comments and brackets, which is enough for the rules, and it
//! accepts any text, because fixtures of the macros are wrong on purpose.

mod functions;
mod lexer;
mod tests_out;

use std::collections::BTreeSet;

pub use functions::{Function, functions};
pub use lexer::{Comment, Kind, Token, lex};

/// What `read` found in one file.
#[derive(Debug, Clone, Default)]
pub struct Source<'a> {
    /// The tokens outside of test code.
    pub tokens: Vec<Token<'a>>,
    /// The comments outside of test code.
    pub comments: Vec<Comment<'a>>,
    /// How many lines carry test code.
    pub test_lines: usize,
    /// Modules declared for tests only and written in a file of their own.
    pub test_modules: Vec<String>,
}

/// Reads a file and takes its test code out.
#[must_use]
pub fn read(text: &str) -> Source<'_> {
    tests_out::take(lex(text))
}

/// How many lines carry at least one of these tokens: neither empty lines nor comments count.
#[must_use]
pub fn code_lines(tokens: &[Token<'_>]) -> usize {
    tokens
        .iter()
        .flat_map(|token| token.line..=token.end)
        .collect::<BTreeSet<_>>()
        .len()
}

/// The place of the bracket that closes the one at `open`, or the end of the file.
#[must_use]
pub fn matching(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.mark() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

/// Whether the tokens from `at` on read like `texts`.
#[must_use]
pub fn reads(tokens: &[Token<'_>], at: usize, texts: &[&str]) -> bool {
    let there = tokens.iter().skip(at).take(texts.len());
    there.clone().count() == texts.len()
        && there
            .zip(texts)
            .all(|(token, text)| token.kind != Kind::Literal && token.text == *text)
}
