//! Takes everything under `#[cfg(test)]` out of a file.

use super::{Comment, Source, Token, code_lines, matching, reads};

/// The words an item can begin with; anything else under an attribute is a field, an arm or a statement.
const ITEMS: &[&str] = &[
    "async", "const", "enum", "extern", "fn", "impl", "let", "mod", "pub", "static", "struct",
    "trait", "type", "union", "unsafe", "use",
];

pub(super) fn take<'a>((tokens, comments): (Vec<Token<'a>>, Vec<Comment<'a>>)) -> Source<'a> {
    let mut kept = Vec::new();
    let mut hidden: Vec<&[Token<'a>]> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(item) = after_test_attribute(&tokens, at) {
            let end = item_end(&tokens, item);
            hidden.extend(tokens.get(at..end));
            at = end;
        } else {
            kept.push(*token);
            at += 1;
        }
    }
    let is_hidden = |comment: &Comment<'_>| {
        let around = |item: &&[Token<'_>]| match (item.first(), item.last()) {
            (Some(first), Some(last)) => first.line <= comment.line && comment.line <= last.end,
            _ => false,
        };
        hidden.iter().any(around)
    };
    Source {
        tokens: kept,
        comments: comments
            .into_iter()
            .filter(|comment| !is_hidden(comment))
            .collect(),
        test_lines: hidden.iter().map(|item| code_lines(item)).sum(),
        test_modules: hidden.iter().filter_map(|item| module_file(item)).collect(),
    }
}

/// Where the item begins, when `at` is an attribute that keeps it for tests.
fn after_test_attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let inner = reads(tokens, at, &["#", "!", "["]);
    let open = if inner { at + 2 } else { at + 1 };
    if !reads(tokens, at, &["#"]) || !reads(tokens, open, &["[", "cfg", "("]) {
        return None;
    }
    let close = matching(tokens, open);
    let condition = tokens.get(open + 3..close)?;
    let only = reads(condition, 0, &["test"]) && reads(condition, 1, &[")"]);
    let all = reads(condition, 0, &["all", "("])
        && condition.iter().any(|token| token.word() == "test")
        && !condition
            .iter()
            .any(|token| matches!(token.word(), "not" | "any"));
    // An inner attribute speaks of the whole file.
    (only || all).then_some(if inner { tokens.len() } else { close + 1 })
}

fn item_end(tokens: &[Token<'_>], mut at: usize) -> usize {
    while reads(tokens, at, &["#", "["]) {
        at = matching(tokens, at + 1) + 1;
    }
    let is_item = tokens
        .get(at)
        .is_some_and(|token| ITEMS.contains(&token.word()));
    while let Some(token) = tokens.get(at) {
        match token.mark() {
            "{" => return (matching(tokens, at) + 1).min(tokens.len()),
            "(" | "[" => at = matching(tokens, at),
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            ")" | "]" | "}" => return at,
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

/// The name in `mod name;`, with whatever attributes stand before it.
fn module_file(item: &[Token<'_>]) -> Option<String> {
    let at = item.iter().position(|token| token.word() == "mod")?;
    let name = item.get(at + 1)?.word();
    reads(item, at + 2, &[";"]).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::read;

    fn check(text: &str, expected: &str) {
        let source = read(text);
        let kept: Vec<&str> = source.tokens.iter().map(|token| token.text).collect();
        assert_eq!(kept.join(" "), expected, "{text}");
    }

    #[test]
    fn test_code_is_taken_out() {
        check("a; #[cfg(test)] mod tests { fn x() { {} } } b;", "a ; b ;");
        check("#[cfg(test)] mod tests; b;", "b ;");
        check("#[cfg(test)] #[path = \"x.rs\"] mod tests; b;", "b ;");
        check("#[cfg(test)] fn f<A, B>(a: [u8; 3]) {} b;", "b ;");
        check("#[cfg(test)] const A: [u8; 2] = [1, 2]; b;", "b ;");
        check("#[cfg(test)] use a::{b, c}; d;", "; d ;");
        check("#[cfg(all(test, feature = \"x\"))] fn f() {} b;", "b ;");
        check(
            "struct A { #[cfg(test)] a: u8, b: u8 }",
            "struct A { b : u8 }",
        );
        check(
            "struct A { b: u8, #[cfg(test)] a: u8 }",
            "struct A { b : u8 , }",
        );
        check("#![cfg(test)] fn a() {} fn b() {}", "");
    }

    #[test]
    fn code_that_only_mentions_tests_stays() {
        for text in [
            "# [ cfg ( not ( test ) ) ] fn a ( ) { }",
            "# [ cfg ( any ( test , feature = \"testing\" ) ) ] fn a ( ) { }",
            "# [ cfg ( feature = \"test\" ) ] fn a ( ) { }",
            "# [ cfg ( all ( unix , not ( test ) ) ) ] fn a ( ) { }",
            "pub mod testing ;",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn comments_and_lines_of_tests_are_told_apart() {
        let source = read(
            "// kept\nfn a() {}\n#[cfg(test)]\nmod tests {\n    // hidden\n\n    fn b() {}\n}\n",
        );
        assert_eq!(source.comments.len(), 1);
        assert_eq!(source.test_lines, 4);
    }

    #[test]
    fn test_modules_in_their_own_file_are_named() {
        let cases = [
            ("#[cfg(test)] mod tests;", vec!["tests"]),
            ("#[cfg(test)]\npub(crate) mod fixtures;", vec!["fixtures"]),
            ("#[cfg(test)] mod tests { mod inner; }", vec![]),
            ("mod tests;", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).test_modules, expected, "{text}");
        }
    }
}
