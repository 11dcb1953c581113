//! A head of the log that others have seen, as a gate tells of it.

use crate::clock::Timestamp;

/// A head that a quorum of witnesses cosigned.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct WitnessedHead {
    /// How many records it covers.
    pub size: u64,
    /// The time by which a quorum had seen it.
    pub at: Timestamp,
    /// Who cosigned it.
    pub by: Vec<String>,
}

impl WitnessedHead {
    pub(crate) fn new(size: u64, at: Timestamp, by: Vec<String>) -> Self {
        Self { size, at, by }
    }
}

#[cfg(test)]
mod tests {
    use super::super::witness::tests::{Signing, head};
    use super::super::{AuditRecord, Entry, LedgerKey, LogEvent, Writer, sign_note};
    use super::super::{SignedCheckpoint, VerifierKey};
    use super::*;
    use crate::id::{BootId, RecordId};

    fn key() -> LedgerKey {
        LedgerKey::from_seed(&[9; 32]).unwrap()
    }

    fn log() -> VerifierKey {
        key().vkey(&head(0).origin)
    }

    fn note(size: u64, witnesses: &[(u8, u64)]) -> SignedCheckpoint {
        let (body, vkey) = (head(size).body(), log());
        let own = sign_note(&body, vkey.name(), vkey.id(), &key().sign(body.as_bytes()));
        let lines = witnesses
            .iter()
            .map(|(n, at)| Signing::new(*n).line(&head(size), *at));
        SignedCheckpoint::parse(own + &lines.collect::<String>()).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_head_on_record_reads_back_and_says_one_thing() {
        let cosigned = note(5, &[(1, 60), (2, 65)]);
        for event in [
            LogEvent::Anchored(cosigned.clone()),
            LogEvent::Recovered { pinned: None },
            LogEvent::Recovered {
                pinned: Some(cosigned.clone()),
            },
        ] {
            let record = record(event);
            let bytes = record.encode(log().name()).unwrap();
            assert_eq!(AuditRecord::decode(&bytes, log().name()).unwrap(), record);
        }
        let record = record(LogEvent::Anchored(cosigned));
        let bytes = String::from_utf8(record.encode(log().name()).unwrap()).unwrap();
        let root = head(5).root.to_base64();
        for (from, to) in [
            ("\"size\":5".to_owned(), "\"size\":6".to_owned()),
            (
                format!("\"root\":\"{root}\""),
                format!("\"root\":\"{}\"", head(6).root.to_base64()),
            ),
            ("\\n5\\n".to_owned(), "\\n6\\n".to_owned()),
            ("\"note\":".to_owned(), "\"text\":".to_owned()),
        ] {
            assert!(bytes.contains(&from), "{from}");
            let changed = bytes.replace(&from, &to);
            let read = AuditRecord::decode(changed.as_bytes(), log().name());
            assert!(read.is_err(), "{changed}");
        }
    }

    fn record(event: LogEvent) -> AuditRecord {
        AuditRecord {
            seq: 6,
            at: at(100),
            id: RecordId::from_bytes([1; 16]),
            writer: Writer {
                boot: BootId::from_bytes([2; 16]),
                n: 0,
            },
            previous: None,
            entry: Entry::Log(event),
        }
    }
}
