//! Policy texts in the log: written whole, in as many records as it takes, and read back.

use super::LogEvent;
use crate::digest::PolicyDigest;

/// How many bytes of a text go into one record, as they are printed there. Beside them a record
/// holds little: the name of the log, digests and times.
const PART: usize = 50_000;

/// The records that put a policy into force, with its whole text.
#[must_use]
pub fn policy_records(version: u64, digest: PolicyDigest, text: &str) -> Vec<LogEvent> {
    let mut parts = parts(text);
    let last = parts.pop().unwrap_or_default();
    let part = |text: &str| LogEvent::PolicyPart {
        version,
        digest,
        text: text.to_owned(),
    };
    let mut events: Vec<LogEvent> = parts.into_iter().map(part).collect();
    events.push(LogEvent::PolicyLoaded {
        version,
        digest,
        text: last.to_owned(),
    });
    events
}

/// Collects the parts of policy texts, record by record.
#[derive(Debug, Default)]
pub struct PolicyTexts {
    text: String,
    digest: Option<PolicyDigest>,
}

impl PolicyTexts {
    /// The text that came into force with this record, when one did and it is the one that the
    /// record names. A text that is not, or of which a part is missing, is none at all.
    pub fn look(&mut self, event: &LogEvent) -> Option<Result<String, OtherText>> {
        match event {
            LogEvent::PolicyPart { digest, text, .. } => {
                self.continue_with(*digest);
                self.text.push_str(text);
                None
            }
            LogEvent::PolicyLoaded { digest, text, .. } => {
                self.continue_with(*digest);
                self.digest = None;
                let whole = std::mem::take(&mut self.text) + text;
                let same = PolicyDigest::of(whole.as_bytes()) == *digest;
                Some(if same { Ok(whole) } else { Err(OtherText) })
            }
            _ => None,
        }
    }

    /// Parts of another text belong to nothing any more.
    fn continue_with(&mut self, digest: PolicyDigest) {
        if self.digest != Some(digest) {
            self.text.clear();
            self.digest = Some(digest);
        }
    }
}

/// The text on record is not the one that its digest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text on record is not the one that its digest names")]
pub struct OtherText;

fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut rest, mut length, mut end) = (text, 0, 0);
    for c in text.chars() {
        let printed = printed(c);
        if length + printed > PART
            && let Some((part, behind)) = rest.split_at_checked(end)
        {
            parts.push(part);
            (rest, length, end) = (behind, 0, 0);
        }
        length += printed;
        end += c.len_utf8();
    }
    parts.push(rest);
    parts
}

/// How many bytes a character takes in canonical JSON, at most.
fn printed(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &[LogEvent]) -> Option<Result<String, OtherText>> {
        let mut texts = PolicyTexts::default();
        events.iter().filter_map(|event| texts.look(event)).last()
    }

    #[test]
    fn every_text_reads_back_from_records_that_fit() {
        let check = |text: String, records: usize| {
            let events = policy_records(1, PolicyDigest::of(text.as_bytes()), &text);
            assert_eq!(events.len(), records);
            for event in &events {
                let (LogEvent::PolicyPart { text, .. } | LogEvent::PolicyLoaded { text, .. }) =
                    event
                else {
                    panic!("{event:?}");
                };
                let printed = crate::canonical::to_bytes(text).unwrap().len();
                assert!(printed <= PART + 2, "{printed}");
            }
            assert_eq!(read(&events), Some(Ok(text)));
        };
        check(String::new(), 1);
        check("version = 1\n".to_owned(), 1);
        check("x".repeat(PART), 1);
        check("x".repeat(PART + 1), 2);
        check("\u{1}".repeat(PART), 7);
        check("\u{1f980}".repeat(PART / 2), 2);
        check("é\"\\\n".repeat(100_000), 25);
    }

    #[test]
    fn a_text_without_all_its_parts_is_another_text() {
        let text = "y".repeat(3 * PART);
        let events = policy_records(1, PolicyDigest::of(text.as_bytes()), &text);
        let without = |place: usize| {
            let mut events = events.clone();
            events.remove(place);
            read(&events)
        };
        assert_eq!(without(0), Some(Err(OtherText)));
        assert_eq!(without(1), Some(Err(OtherText)));
        assert_eq!(without(2), None);
        let mut other = events.clone();
        let stray = PolicyDigest::of(b"another");
        other.insert(
            1,
            LogEvent::PolicyPart {
                version: 1,
                digest: stray,
                text: "z".to_owned(),
            },
        );
        assert_eq!(read(&other), Some(Err(OtherText)));
    }
}
