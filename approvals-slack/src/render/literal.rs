//! Texts of any length, complete or visibly cut.

use approvals_core::digest::{hex, sha256};

/// What of a text is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// Whether something is missing: nobody may approve on it.
    pub(super) cut: bool,
}

/// The whole text when it is short enough; else its head and its tail, how long it is, and its
/// digest. The tail is where padding would hide something.
pub(super) fn show(text: &str) -> Shown {
    let (length, lines) = (text.chars().count(), text.lines().count());
    if length <= MOST && lines <= MOST_LINES {
        let text = match text.is_empty() {
            true => EMPTY.to_owned(),
            false => text.to_owned(),
        };
        return Shown { text, cut: false };
    }
    let head = part(text.chars(), HEAD);
    let tail: Vec<char> = part(text.chars().rev(), TAIL).chars().collect();
    let tail: String = tail.into_iter().rev().collect();
    let hash = hex(&sha256(&[text.as_bytes()]));
    let bytes = text.len();
    let text = format!(
        "{head}\n\n═══ CUT HERE: {bytes} bytes, {lines} lines in all, sha256 {hash} ═══\n\n{tail}"
    );
    Shown { text, cut: true }
}

/// At most so many characters, on a few lines.
fn part(text: impl Iterator<Item = char>, most: usize) -> String {
    let mut lines = 0;
    text.take(most)
        .take_while(|c| {
            lines += usize::from(*c == '\n');
            lines < MOST_LINES / 3
        })
        .collect()
}

const MOST: usize = 2_400;
const MOST_LINES: usize = 60;
const HEAD: usize = 1_200;
const TAIL: usize = 800;

/// Slack takes no empty text.
const EMPTY: &str = "(empty)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_09_a_long_text_shows_its_tail_and_says_that_it_is_cut() {
        let short = "x".repeat(MOST);
        assert_eq!(
            show(&short),
            Shown {
                text: short.clone(),
                cut: false
            }
        );
        for padding in ["x".repeat(60_000), "\n".repeat(3_000), "ß\n".repeat(1_300)] {
            let long = format!("SELECT 1;{padding}; DROP TABLE users");
            let shown = show(&long);
            assert!(shown.cut);
            assert!(shown.text.starts_with("SELECT 1;"));
            assert!(shown.text.ends_with("; DROP TABLE users"));
            assert!(
                shown
                    .text
                    .contains(&format!("CUT HERE: {} bytes", long.len()))
            );
            assert!(shown.text.chars().count() < 3_000 && shown.text.lines().count() < 60);
        }
        assert_eq!(show("").text, EMPTY);
    }
}
