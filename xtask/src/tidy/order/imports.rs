//! Which names of the crate root a file uses.

use crate::source::{Token, matching, reads};

/// Stands for `*`.
pub(super) const GLOB: &str = "*";

/// The first name behind `crate::`, and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Import<'a> {
    pub(super) name: &'a str,
    pub(super) line: usize,
}

/// Every use of a name of the crate root, in a `use` or in the middle of an expression: `crate::name`,
/// `crate::{name, other}`, the same through the crate's own name, and through as many `super` as lead to the root
/// from a file `depth` modules below it.
pub(super) fn imports<'a>(tokens: &[Token<'a>], depth: usize, own_name: &str) -> Vec<Import<'a>> {
    let mut found = Vec::new();
    let mut inline: Vec<usize> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        inline.retain(|close| at < *close);
        if token.word() == "mod" && reads(tokens, at + 2, &["{"]) {
            inline.push(matching(tokens, at + 2));
        }
        if let Some(name) = root_path(tokens, at, depth + inline.len(), own_name) {
            found.extend(heads(tokens, name));
        }
    }
    found
}

/// Where the name behind the path to the root stands, when such a path begins at `at`.
fn root_path(tokens: &[Token<'_>], at: usize, depth: usize, own_name: &str) -> Option<usize> {
    let token = tokens.get(at)?;
    if (token.word() == "crate" || token.word() == own_name) && reads(tokens, at + 1, &["::"]) {
        return Some(at + 2);
    }
    let follows_path = at
        .checked_sub(1)
        .is_some_and(|before| reads(tokens, before, &["::"]));
    let follows_self = at
        .checked_sub(2)
        .is_some_and(|before| reads(tokens, before, &["self", "::"]));
    if token.word() != "super" || (follows_path && !follows_self) {
        return None;
    }
    let steps = (0..)
        .take_while(|step| reads(tokens, at + 2 * step, &["super", "::"]))
        .count();
    (steps == depth).then_some(at + 2 * steps)
}

/// The name at `at`, or the first names of each path in the braces there.
fn heads<'a>(tokens: &[Token<'a>], at: usize) -> Vec<Import<'a>> {
    if reads(tokens, at, &["*"]) {
        return tokens
            .get(at)
            .map(|star| Import {
                name: GLOB,
                line: star.line,
            })
            .into_iter()
            .collect();
    }
    if !reads(tokens, at, &["{"]) {
        let token = tokens.get(at).filter(|token| !token.word().is_empty());
        return token
            .map(|token| Import {
                name: token.text,
                line: token.line,
            })
            .into_iter()
            .collect();
    }
    branches(tokens, at)
        .into_iter()
        .flat_map(|branch| heads(tokens, branch))
        .collect()
}

/// Where each branch of the braces at `open` begins.
fn branches(tokens: &[Token<'_>], open: usize) -> Vec<usize> {
    let close = matching(tokens, open);
    let mut starts = vec![open + 1];
    let mut at = open + 1;
    while at < close {
        if reads(tokens, at, &["{"]) {
            at = matching(tokens, at);
        } else if reads(tokens, at, &[","]) {
            starts.push(at + 1);
        }
        at += 1;
    }
    starts.retain(|start| *start < close);
    starts
}

/// What every `use` of a crate root brings in: the name it gets here, and the first name of its path.
pub(super) fn leaves<'a>(tokens: &[Token<'a>], own_name: &str) -> Vec<(&'a str, Import<'a>)> {
    let mut found = Vec::new();
    for (at, _) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.word() == "use")
    {
        let mut start = at + 1;
        while ["crate", "self", own_name]
            .iter()
            .any(|root| reads(tokens, start, &[root, "::"]))
        {
            start += 2;
        }
        walk(tokens, start, None, &mut found);
    }
    found
}

fn walk<'a>(
    tokens: &[Token<'a>],
    at: usize,
    first: Option<Import<'a>>,
    found: &mut Vec<(&'a str, Import<'a>)>,
) {
    if reads(tokens, at, &["{"]) {
        for branch in branches(tokens, at) {
            walk(tokens, branch, first, found);
        }
        return;
    }
    let Some(token) = tokens.get(at) else { return };
    let first = first.unwrap_or(Import {
        name: token.word(),
        line: token.line,
    });
    if reads(tokens, at + 1, &["::"]) {
        walk(tokens, at + 2, Some(first), found);
    } else if reads(tokens, at + 1, &["as"]) {
        found.extend(tokens.get(at + 2).map(|alias| (alias.text, first)));
    } else {
        found.push((token.text, first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::read;

    fn check(text: &str, depth: usize, expected: &[(&str, usize)]) {
        let source = read(text);
        let found = imports(&source.tokens, depth, "house");
        let found: Vec<(&str, usize)> = found
            .iter()
            .map(|import| (import.name, import.line))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_behind_the_crate_root() {
        check("use crate::a;", 1, &[("a", 1)]);
        check("use crate::a::{b, c::d};", 1, &[("a", 1)]);
        check(
            "use crate::{\n    a::{b, c},\n    d,\n    e::f as g,\n};",
            1,
            &[("a", 2), ("d", 3), ("e", 4)],
        );
        check(
            "use crate::{{a, b}, c::*,};",
            1,
            &[("a", 1), ("b", 1), ("c", 1)],
        );
        check("use crate::*;", 1, &[("*", 1)]);
        check(
            "fn f(x: crate::a::B) -> crate::c::D { crate::e!() }",
            1,
            &[("a", 1), ("c", 1), ("e", 1)],
        );
        check("use house::a; ::house::b();", 1, &[("a", 1), ("b", 1)]);
        check(
            "pub(crate) fn f() {} pub(in crate::a) fn g() {}",
            1,
            &[("a", 1)],
        );
        check("use std::a; use other::b;", 1, &[]);
        check("// crate::a\n/* crate::b */ \"crate::c\"", 1, &[]);
    }

    #[test]
    fn names_behind_super() {
        check("use super::a;", 1, &[("a", 1)]);
        check("use self::super::a;", 1, &[("a", 1)]);
        check("use super::{a, b};", 1, &[("a", 1), ("b", 1)]);
        check("use super::a;", 2, &[]);
        check("use super::super::a;", 2, &[("a", 1)]);
        check(
            "mod inner { use super::a; use super::super::b; } use super::c;",
            1,
            &[("b", 1), ("c", 1)],
        );
    }

    #[test]
    fn what_a_use_brings_in() {
        let source = read(
            "pub use a::{self, b::C, d as E}; pub use crate::f::G; use self::{h::*, i}; pub use j::k::l;",
        );
        let found = leaves(&source.tokens, "house");
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, import)| (*name, import.name))
            .collect();
        let expected = [
            ("self", "a"),
            ("C", "a"),
            ("E", "a"),
            ("G", "f"),
            ("*", "h"),
            ("i", "i"),
            ("l", "j"),
        ];
        assert_eq!(found, expected);
    }
}
