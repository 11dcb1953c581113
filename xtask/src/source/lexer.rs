//! Text to tokens and comments, with their lines.

/// What a token is; the rules need no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// `::` or one other sign.
    Mark,
    /// A string, a character or a lifetime.
    Literal,
}

/// One token and the lines it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'a str,
    /// The first line, from 1.
    pub line: usize,
    /// The last line; only strings have more than one.
    pub end: usize,
}

impl<'a> Token<'a> {
    /// The name or keyword, or nothing.
    #[must_use]
    pub fn word(&self) -> &'a str {
        if self.kind == Kind::Word {
            self.text
        } else {
            ""
        }
    }

    /// The sign, or nothing.
    #[must_use]
    pub fn mark(&self) -> &'a str {
        if self.kind == Kind::Mark {
            self.text
        } else {
            ""
        }
    }
}

/// One comment: `//` to the end of the line, or `/*` to its `*/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment<'a> {
    /// As it is written, with its slashes.
    pub text: &'a str,
    /// The first line, from 1.
    pub line: usize,
    /// The last line.
    pub end: usize,
}

impl<'a> Comment<'a> {
    /// Whether rustdoc shows it.
    #[must_use]
    pub fn is_doc(&self) -> bool {
        let text = self.text;
        text.starts_with("//!")
            || text.starts_with("/*!")
            || (text.starts_with("///") && !text.starts_with("////"))
            || (text.starts_with("/**") && !text.starts_with("/***") && text != "/**/")
    }

    /// The lines as rustdoc reads them, without the slashes and stars.
    pub fn prose(&self) -> impl Iterator<Item = &'a str> {
        let signs = ['/', '!', '*'];
        self.text.lines().map(move |line| {
            line.trim()
                .trim_start_matches(signs)
                .trim_end_matches("*/")
                .trim()
        })
    }
}

/// The tokens and the comments of a file, in order.
#[must_use]
pub fn lex(text: &str) -> (Vec<Token<'_>>, Vec<Comment<'_>>) {
    let (mut tokens, mut comments) = (Vec::new(), Vec::new());
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (piece, length) = next_piece(rest, first);
        let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let end = line + text.matches('\n').count();
        match piece {
            Piece::Space => {}
            Piece::Comment => comments.push(Comment { text, line, end }),
            Piece::Token(kind) => tokens.push(Token {
                kind,
                text,
                line,
                end,
            }),
        }
        (rest, line) = (after, end);
    }
    (tokens, comments)
}

enum Piece {
    Space,
    Comment,
    Token(Kind),
}

fn next_piece(rest: &str, first: char) -> (Piece, usize) {
    if first.is_whitespace() {
        return (Piece::Space, first.len_utf8());
    }
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment(rest));
    }
    if let Some(length) = string(rest).or_else(|| character_or_lifetime(rest)) {
        return (Piece::Token(Kind::Literal), length);
    }
    match raw_name(rest).unwrap_or_else(|| word(rest)) {
        0 if rest.starts_with("::") => (Piece::Token(Kind::Mark), 2),
        0 => (Piece::Token(Kind::Mark), first.len_utf8()),
        length => (Piece::Token(Kind::Word), length),
    }
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string of any kind, with its prefix.
fn string(rest: &str) -> Option<usize> {
    let prefix = word(rest);
    let (name, body) = rest.split_at_checked(prefix)?;
    match name {
        "" | "b" | "c" if body.starts_with('"') => Some(prefix + quoted(body, '"')),
        "b" if body.starts_with('\'') => Some(prefix + quoted(body, '\'')),
        "r" | "br" | "cr" => raw_string(body).map(|length| prefix + length),
        _ => None,
    }
}

fn raw_string(body: &str) -> Option<usize> {
    let hashes = body.chars().take_while(|sign| *sign == '#').count();
    let inner = body.get(hashes..)?.strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    Some(
        inner
            .find(&closing)
            .map_or(body.len(), |at| hashes + 1 + at + closing.len()),
    )
}

fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, sign) in body.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if sign == quote => return at + sign.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

fn character_or_lifetime(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let mut signs = inner.chars();
    match (signs.next(), signs.next()) {
        (Some('\\'), _) => Some(quoted(rest, '\'')),
        (Some(only), Some('\'')) => Some(only.len_utf8() + 2),
        _ => Some(1 + word(inner)),
    }
}

/// The length of `r#name`.
fn raw_name(rest: &str) -> Option<usize> {
    let name = word(rest.strip_prefix("r#")?);
    (name > 0).then_some(name + 2)
}

fn word(rest: &str) -> usize {
    rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let (tokens, comments) = lex(text);
        let tokens: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        assert_eq!(tokens, expected, "{text}");
        let seen = tokens.iter().map(|token| token.len()).sum::<usize>();
        let commented = comments
            .iter()
            .map(|comment| comment.text.len())
            .sum::<usize>();
        let spaces = text.chars().filter(|sign| sign.is_whitespace()).count();
        assert!(
            seen + commented + spaces >= text.len(),
            "nothing is lost: {text}"
        );
    }

    #[test]
    fn tokens() {
        check(
            "fn a::b(x: u8) {}",
            &["fn", "a", "::", "b", "(", "x", ":", "u8", ")", "{", "}"],
        );
        check(
            "let s = \"a { \\\" }\";",
            &["let", "s", "=", "\"a { \\\" }\"", ";"],
        );
        check(
            "r#\"a \" } \"# r\"x\" br##\"\"# \"##",
            &["r#\"a \" } \"#", "r\"x\"", "br##\"\"# \"##"],
        );
        check(
            "b\"{\" b'{' '{' '\\'' '\\u{7b}'",
            &["b\"{\"", "b'{'", "'{'", "'\\''", "'\\u{7b}'"],
        );
        check("&'a str 'static", &["&", "'a", "str", "'static"]);
        check("r#fn(é)", &["r#fn", "(", "é", ")"]);
        check("a // {\nb /* { /* } */ { */ c /// d", &["a", "b", "c"]);
        check("\"never closed {", &["\"never closed {"]);
        check("/* never closed {", &[]);
        check("r#\"never closed {", &["r#\"never closed {"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let (tokens, comments) = lex("a\n/* x\ny */ b \"1\n2\" c\n// z");
        let lines: Vec<(&str, usize, usize)> = tokens
            .iter()
            .map(|token| (token.text, token.line, token.end))
            .collect();
        assert_eq!(
            lines,
            [("a", 1, 1), ("b", 3, 3), ("\"1\n2\"", 3, 4), ("c", 4, 4)]
        );
        let lines: Vec<(usize, usize)> = comments
            .iter()
            .map(|comment| (comment.line, comment.end))
            .collect();
        assert_eq!(lines, [(2, 3), (5, 5)]);
    }

    #[test]
    fn documentation_is_told_from_comments() {
        let cases = [
            ("/// a", true),
            ("//! a", true),
            ("/** a */", true),
            ("/*! a */", true),
            ("// a", false),
            ("//// a", false),
            ("/* a */", false),
            ("/**/", false),
            ("/*** a */", false),
        ];
        for (text, expected) in cases {
            let (_, comments) = lex(text);
            assert_eq!(
                comments.first().map(Comment::is_doc),
                Some(expected),
                "{text}"
            );
        }
    }
}
