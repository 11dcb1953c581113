//! How much of a log others have seen: what a verifier makes of cosigned heads.

use super::{Checkpoint, NoteError, Origin, SignedCheckpoint, VerifierKey, WitnessPolicy};
use crate::clock::Timestamp;

/// Collects the heads that others have seen, and says how far they reach.
///
/// It verifies signatures and cosignatures; that each head is a prefix of the log is for the caller to check,
/// with the [`Checkpoint`] it gives back. Without a policy no cosignature counts, for nobody's word is known.
///
/// # Examples
///
/// ```
/// use approvals_core::ledger::{Anchors, Checkpoint, LedgerKey, SignedCheckpoint, leaf_hash, sign_note};
///
/// let key = LedgerKey::generate()?;
/// let head = Checkpoint { origin: "example.com/log".parse()?, size: 1, root: leaf_hash(b"{}") };
/// let vkey = key.vkey(&head.origin);
/// let note = sign_note(&head.body(), vkey.name(), vkey.id(), &key.sign(head.body().as_bytes()));
///
/// let mut anchors = Anchors::new();
/// assert_eq!(anchors.kept(&SignedCheckpoint::parse(note)?, &vkey)?, head);
/// assert_eq!(anchors.reach().size, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    policy: Option<WitnessPolicy>,
    reach: Reach,
}

/// How far into a log the heads reach that others have seen; beyond it, a loss would show nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Reach {
    /// So many of the first records are in a head that somebody keeps outside, or that a quorum cosigned.
    pub size: u64,
    /// The largest head that a quorum of the policy cosigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<WitnessedHead>,
}

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

impl Anchors {
    /// No head yet, and no policy: only heads that are kept outside count.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cosignatures count when they meet this policy, which the verifier has from its own source.
    #[must_use]
    pub fn by(mut self, policy: WitnessPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// A cosigned head that stands in the log as record `seq`; the log must have had it when it was as long.
    ///
    /// Gives the head back once the log's signature and every cosignature of a known witness verify.
    ///
    /// # Errors
    ///
    /// - As [`WitnessPolicy::satisfied_by`].
    /// - [`NoteError::Size`] when it covers more than stands in front of the record, which no honest log writes.
    pub fn recorded(
        &mut self,
        seq: u64,
        note: &SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<Checkpoint, NoteError> {
        let head = self.seen(note, log)?;
        if head.size > seq {
            let line = head.size.to_string();
            return Err(NoteError::Size { line });
        }
        Ok(head)
    }

    /// A head that somebody kept outside of the log, cosigned or not.
    ///
    /// # Errors
    ///
    /// As [`WitnessPolicy::satisfied_by`].
    pub fn kept(
        &mut self,
        note: &SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<Checkpoint, NoteError> {
        let head = self.seen(note, log)?;
        self.reach.size = self.reach.size.max(head.size);
        Ok(head)
    }

    /// How far the heads reach so far.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    fn seen(
        &mut self,
        note: &SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<Checkpoint, NoteError> {
        let Some(policy) = &self.policy else {
            return note.verify(log);
        };
        let seen = policy.satisfied_by(note, log)?;
        let head = seen.head().clone();
        // For `quorum none` there is no time, and nobody whose word it would be.
        if let Some(at) = seen.since() {
            self.reach.size = self.reach.size.max(head.size);
            let by = seen.cosignatures().iter();
            let found = WitnessedHead {
                size: head.size,
                at,
                by: by.map(|one| Origin::to_string(one.witness())).collect(),
            };
            let best = self.reach.witnessed.take();
            // Of two that reach as far, the one that was seen first proves more.
            let better = best.filter(|best| (best.size, found.at) >= (found.size, best.at));
            self.reach.witnessed = Some(better.unwrap_or(found));
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::super::witness::tests::{Signing, head};
    use super::super::{AuditRecord, Entry, LedgerKey, LogEvent, Writer, sign_note};
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

    fn policy(quorum: &str) -> WitnessPolicy {
        let keys = [1, 2].map(|n| format!("witness w{n} {}\n", Signing::new(n).key));
        let text = format!("{}group any any w1 w2\nquorum {quorum}\n", keys.concat());
        WitnessPolicy::parse(text).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_reach_is_that_of_the_largest_head_somebody_else_has_seen() {
        let witnessed = |anchors: &Anchors| {
            let head = anchors.reach().witnessed.clone();
            head.map(|head| (head.size, head.at, head.by))
        };
        let mut anchors = Anchors::new().by(policy("any"));
        assert_eq!((anchors.reach().size, witnessed(&anchors)), (0, None));
        anchors.recorded(9, &note(8, &[]), &log()).unwrap();
        assert_eq!(
            anchors.reach().size,
            0,
            "the log's own word is nobody else's"
        );
        anchors.recorded(6, &note(5, &[(2, 70)]), &log()).unwrap();
        let w2 = vec!["witness.example/w2".to_owned()];
        assert_eq!(witnessed(&anchors), Some((5, at(70), w2.clone())));
        anchors.recorded(5, &note(4, &[(1, 10)]), &log()).unwrap();
        anchors.recorded(7, &note(5, &[(1, 99)]), &log()).unwrap();
        assert_eq!(
            witnessed(&anchors),
            Some((5, at(70), w2)),
            "first and largest"
        );
        anchors
            .recorded(8, &note(5, &[(1, 60), (2, 65)]), &log())
            .unwrap();
        assert_eq!(witnessed(&anchors).unwrap().1, at(60));
        anchors.kept(&note(12, &[]), &log()).unwrap();
        assert_eq!(anchors.reach().size, 12);
        assert_eq!(witnessed(&anchors).unwrap().0, 5);
    }

    #[test]
    fn what_nobody_vouches_for_reaches_nowhere() {
        let cosigned = note(5, &[(1, 60), (2, 65)]);
        for anchors in [Anchors::new(), Anchors::new().by(policy("none"))] {
            let mut anchors = anchors;
            anchors.recorded(6, &cosigned, &log()).unwrap();
            assert_eq!(*anchors.reach(), Reach::default());
        }
    }

    #[test]
    fn what_is_false_is_an_error() {
        let mut anchors = Anchors::new().by(policy("any"));
        let future = anchors.recorded(4, &note(5, &[(1, 60)]), &log());
        assert!(matches!(future, Err(NoteError::Size { .. })), "{future:?}");
        assert!(anchors.recorded(5, &note(5, &[(1, 60)]), &log()).is_ok());
        let other = LedgerKey::from_seed(&[8; 32])
            .unwrap()
            .vkey(&head(0).origin);
        assert!(anchors.kept(&note(9, &[]), &other).is_err());
        let lines = Signing::new(1).line(&head(8), 60);
        let forged = SignedCheckpoint::parse(note(9, &[]).as_str().to_owned() + &lines).unwrap();
        let forged = anchors.recorded(9, &forged, &log());
        assert!(
            matches!(forged, Err(NoteError::Signature { .. })),
            "{forged:?}"
        );
        assert_eq!(anchors.reach().size, 5);
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
