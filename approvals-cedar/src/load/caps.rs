//! Bounds what is given to Cedar: its parser uses the stack for everything that nests.

use crate::error::Findings;

/// How many bytes a text may have.
const MAX_BYTES: usize = 1 << 20;

/// How deep brackets may nest.
const MAX_DEPTH: usize = 64;

/// How many operators, accesses, brackets and branches one policy or declaration may have: each can stand
/// within the one before.
const MAX_OPERATORS: usize = 400;

/// Whether a text is small enough to be read; whatever is not is a finding.
pub(super) fn check(text: &str, findings: &mut Findings<'_>) -> bool {
    if text.len() > MAX_BYTES {
        findings.add(
            0,
            format!("the text is longer than {MAX_BYTES} bytes; split or shorten it"),
        );
        return false;
    }
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    for (at, piece) in Pieces::of(text) {
        match piece {
            // An index is a bracket, too, and may stand behind another one.
            Piece::Open => {
                depth += 1;
                operators += 1;
            }
            Piece::Close => depth = depth.saturating_sub(1),
            Piece::End if depth == 0 => operators = 0,
            Piece::End | Piece::Other => {}
            Piece::Operator => operators += 1,
        }
        if depth > MAX_DEPTH {
            findings.add(
                at,
                format!("brackets nest deeper than {MAX_DEPTH} levels; split the policy"),
            );
            return false;
        }
        if operators > MAX_OPERATORS {
            findings.add(
                at,
                format!(
                    "more than {MAX_OPERATORS} operators before the next `;`; split the policy"
                ),
            );
            return false;
        }
    }
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Open,
    Close,
    /// A semicolon.
    End,
    Operator,
    Other,
}

/// The text in pieces, without what stands in strings and comments.
struct Pieces<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Pieces<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_text(&mut self) {
        while let Some(byte) = self.byte(0) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => return,
                _ => {}
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.byte(0).is_some_and(|byte| !b"\n\r".contains(&byte)) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> &'t [u8] {
        let from = self.at;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        while self.byte(0).is_some_and(is_part) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }
}

impl Iterator for Pieces<'_> {
    type Item = (usize, Piece);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let byte = self.byte(0)?;
        if byte.is_ascii_alphabetic() || byte == b'_' {
            let is_operator = matches!(
                self.word(),
                b"if" | b"in" | b"has" | b"like" | b"is" | b"type"
            );
            let piece = if is_operator {
                Piece::Operator
            } else {
                Piece::Other
            };
            return Some((at, piece));
        }
        self.at += 1;
        let piece = match byte {
            b'"' => {
                self.skip_text();
                Piece::Other
            }
            b'/' if self.byte(0) == Some(b'/') => {
                self.skip_comment();
                Piece::Other
            }
            b'(' | b'[' | b'{' => Piece::Open,
            b')' | b']' | b'}' => Piece::Close,
            // Only the types of a schema nest in these, and only in a schema is one not alone.
            b'<' => Piece::Operator,
            b';' => Piece::End,
            b'&' | b'|' | b'+' | b'-' | b'*' | b'.' | b'!' | b'=' | b'>' => Piece::Operator,
            _ => Piece::Other,
        };
        Some((at, piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CedarText;

    fn fits(text: &str) -> bool {
        let mut findings = Findings::of(CedarText::Policies, text);
        let fits = check(text, &mut findings);
        assert_eq!(fits, findings.is_empty());
        fits
    }

    #[test]
    fn threat_46_what_nests_is_bounded() {
        let nested =
            |n: usize, open: &str, close: &str| format!("{}1{}", open.repeat(n), close.repeat(n));
        for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}")] {
            assert!(fits(&nested(64, open, close)), "{open}");
            assert!(!fits(&nested(65, open, close)), "{open}");
        }
        assert!(!fits(&nested(401, "Set<", ">")));
        for operator in ["if ", "!", "-", ".a", "+ 1", " in a", "has a ", " is a"] {
            assert!(fits(&operator.repeat(400)), "{operator}");
            assert!(!fits(&operator.repeat(401)), "{operator}");
        }
        let policy = format!("x {};\n", "!".repeat(400));
        assert!(fits(&policy.repeat(50)), "each policy for itself");
        assert!(!fits(&"x".repeat(MAX_BYTES + 1)));
    }

    #[test]
    fn strings_and_comments_are_not_looked_into() {
        for text in [
            format!("\"{}\"", "(".repeat(100)),
            format!("\"\\\"{}\"", "(".repeat(100)),
            format!("// {}\nx", "(".repeat(100)),
            format!("\"//\" // \"{}", "(".repeat(100)),
        ] {
            assert!(fits(&text), "{text}");
        }
        // A string or comment that only seems to be one hides nothing.
        for text in [
            format!("\"\\\\\"{}", "(".repeat(100)),
            format!("// \"\n{}", "(".repeat(100)),
            format!("// \r{}", "(".repeat(100)),
            format!("\"//\"{}", "(".repeat(100)),
        ] {
            assert!(!fits(&text), "{text}");
        }
    }
}
