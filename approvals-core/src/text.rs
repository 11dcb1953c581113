//! Untrusted text: drawn literally, with everything invisible written out.

use std::fmt;

use crate::clock::Timestamp;

/// Text that an agent could have influenced.
///
/// Its `Display` is safe for a terminal, a log line and plain-text fields: controls, bidirectional
/// overrides, zero-width and tag characters come out as `\u{…}`. Markup is the channel's own
/// concern: a channel must place this text where its markup is not interpreted.
///
/// # Examples
/// ```
/// use approvals_core::Untrusted;
///
/// let text = Untrusted::new("rm -rf /\u{202e}txt.\x1b[2K");
/// assert_eq!(text.to_string(), r"rm -rf /\u{202e}txt.\u{1b}[2K");
/// assert!(!text.warnings().is_empty());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Untrusted(String);

impl Untrusted {
    /// Marks a text as untrusted.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for a renderer that draws it literally by other means.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// What is odd about it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        if self.0.chars().any(is_hidden) {
            found.push(Warning::Invisible);
        }
        if self.0.chars().any(is_combining) {
            found.push(Warning::Combining);
        }
        if self
            .0
            .split(|c: char| !c.is_alphanumeric())
            .any(mixes_alphabets)
        {
            found.push(Warning::MixedAlphabets);
        }
        found
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_hidden(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // INVARIANT: values reach no log.
        f.write_str("Untrusted(..)")
    }
}

/// Something about a text that a reader could miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// Controls, direction overrides, zero-width or tag characters.
    Invisible,
    /// Combining marks: two spellings of one letter look the same.
    Combining,
    /// One word with letters of several alphabets that look alike.
    MixedAlphabets,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invisible => "holds invisible or control characters, written here as \\u{…}",
            Self::Combining => "holds combining marks; another spelling looks the same",
            Self::MixedAlphabets => {
                "mixes alphabets within one word; letters may not be what they look like"
            }
        })
    }
}

/// A time to the minute, for people.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    at.to_string()
        .chars()
        .take(19)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
        // Spaces that do not look like the plain one, or look like nothing.
        || (c.is_whitespace() && c != ' ')
}

fn is_combining(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x034e | 0x0350..=0x036f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f)
}

fn mixes_alphabets(word: &str) -> bool {
    let latin = word.chars().any(|c| c.is_ascii_alphabetic());
    let lookalike = |c: char| matches!(u32::from(c), 0x0370..=0x03ff | 0x0400..=0x052f | 0x13a0..=0x13ff | 0xff21..=0xff5a | 0x1d400..=0x1d7ff);
    latin && word.chars().any(lookalike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_10_nothing_invisible_gets_through() {
        let hidden = [
            "\x1b[2J",
            "a\rb",
            "\u{202e}",
            "\u{2066}x\u{2069}",
            "\u{200b}",
            "\u{e0041}",
            "\u{feff}",
            "\u{85}",
            "\u{9b}31m",
            "\u{ad}",
            "\u{2028}",
            "\u{a0}",
        ];
        for text in hidden {
            let shown = Untrusted::new(text);
            assert!(shown.warnings().contains(&Warning::Invisible), "{text:?}");
            assert!(shown.to_string().chars().all(|c| !is_hidden(c)), "{text:?}");
            assert!(shown.to_string().contains("\\u{"), "{text:?}");
        }
        assert!(Untrusted::new("Grüße, 你好 – ok").warnings().is_empty());
    }

    #[test]
    fn threat_07_lookalikes_are_pointed_out() {
        assert_eq!(
            Untrusted::new("p\u{430}yments").warnings(),
            [Warning::MixedAlphabets]
        );
        assert_eq!(
            Untrusted::new("e\u{301}tat").warnings(),
            [Warning::Combining]
        );
        assert!(Untrusted::new("платежи and payments").warnings().is_empty());
    }
}
