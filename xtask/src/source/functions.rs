//! Finds functions and how long they are.

use super::{Token, code_lines, matching};

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where `fn` stands.
    pub line: usize,
    /// Lines that carry code, from `fn` to the closing brace; an inner function counts for its outer one too.
    pub lines: usize,
}

/// Every function in these tokens, inner ones and methods included; declarations without a body are not counted.
#[must_use]
pub fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    let starts = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.word() == "fn");
    starts.filter_map(|(at, _)| function(tokens, at)).collect()
}

fn function<'a>(tokens: &[Token<'a>], at: usize) -> Option<Function<'a>> {
    // A pointer type, `fn(u8)`, has no name.
    let name = tokens
        .get(at + 1)
        .map(Token::word)
        .filter(|name| !name.is_empty())?;
    let close = matching(tokens, body(tokens, at)?);
    let whole = tokens.get(at..=close).or_else(|| tokens.get(at..))?;
    Some(Function {
        name,
        line: whole.first()?.line,
        lines: code_lines(whole),
    })
}

/// Where the body opens: the first brace outside of parentheses and brackets.
fn body(tokens: &[Token<'_>], mut at: usize) -> Option<usize> {
    while let Some(token) = tokens.get(at) {
        match token.mark() {
            "{" => return Some(at),
            "(" | "[" => at = matching(tokens, at),
            ";" | ")" | "]" | "}" => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn check(text: &str, expected: &[(&str, usize, usize)]) {
        let source = read(text);
        let found = functions(&source.tokens);
        let found: Vec<_> = found.iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn functions_are_found_and_counted() {
        check("fn a() {}", &[("a", 1, 1)]);
        check("\nfn a() {\n    b();\n}\n", &[("a", 2, 3)]);
        check("fn a() {\n\n    // why\n    b();\n\n}", &[("a", 1, 3)]);
        check("fn a() {\n    \"}\n}\n\";\n}", &[("a", 1, 5)]);
        check(
            "fn a() { '}'; b'}'; /* } */ }\nfn b() {}",
            &[("a", 1, 1), ("b", 2, 1)],
        );
        check(
            "fn a(\n    x: [u8; { 2 }],\n) -> u8\nwhere\n    [(); { 1 }]:,\n{\n}",
            &[("a", 1, 7)],
        );
        check(
            "fn a() {\n    fn b() {\n    }\n}",
            &[("a", 1, 4), ("b", 2, 2)],
        );
        check(
            "impl A {\n    async fn a(&self) {\n    }\n}",
            &[("a", 2, 2)],
        );
    }

    #[test]
    fn what_is_no_function_is_not_counted() {
        check("trait A { fn a(&self); }", &[]);
        check("type A = fn(u8) -> u8; static B: u8 = { 1 };", &[]);
        check("// fn a() {}\nconst A: &str = \"fn a() {}\";", &[]);
        check("#[cfg(test)] mod tests { fn a() {} }", &[]);
    }

    #[test]
    fn a_function_that_never_closes_runs_to_the_end() {
        check("fn a() {\n{\n}", &[("a", 1, 3)]);
    }
}
