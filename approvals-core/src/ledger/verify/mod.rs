//! The verifier: reads a log from end to end and says what holds. No I/O, no trust in the store.
//!
//! One pass, in four parts that share nothing but what they find: the tree and the heads it must
//! agree with, the order of the records, the keys, and the replay of every request with the same
//! pure lifecycle that the gate uses.

mod findings;
mod heads;
mod order;
mod replay;
mod report;
mod rule;

use super::record::{AuditRecord, Entry, Previous};
use super::{Checkpoint, LogEvent, StoredRecord, VerifierKey, leaf_hash};
use findings::{Findings, Place};
use heads::Heads;
use order::Order;
use replay::Replay;

pub use findings::Finding;
pub use report::{Anchored, Range, Report, Requests, Signer, Verdict};
pub use rule::{Rule, Section};

/// Reads records one after another and finds what is wrong with them.
///
/// Detects edits, insertions, deletions, swaps, and truncation below the signed head it is given.
/// It cannot see lies at the time of writing by whoever holds the key, nor the loss of records
/// newer than every head known outside.
#[derive(Debug)]
pub struct Verifier {
    heads: Heads,
    order: Order,
    replay: Replay,
    findings: Findings,
}

impl Verifier {
    /// A verifier for the log that this key signs.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            heads: Heads::new(key),
            order: Order::default(),
            replay: Replay::default(),
            findings: Findings::default(),
        }
    }

    /// A head that somebody kept outside: the log must have had exactly it when it was as long.
    ///
    /// Add every one there is before the first record is read; the caller has verified them.
    #[must_use]
    pub fn knowing(mut self, head: Checkpoint) -> Self {
        self.heads.know(head);
        self
    }

    /// Reads the next record.
    pub fn push(&mut self, stored: &StoredRecord) {
        let seq = self.heads.size();
        let leaf = leaf_hash(&stored.bytes);
        self.heads.grow(stored, leaf, &mut self.findings);
        match AuditRecord::decode(&stored.bytes, self.heads.key().name()) {
            Err(error) => self
                .findings
                .add(Rule::Format, Place::record(seq), error.to_string()),
            Ok(record) => self.look(Previous { seq, leaf }, &record),
        }
        self.heads
            .look_back(self.order.last_at(), &mut self.findings);
    }

    fn look(&mut self, here: Previous, record: &AuditRecord) {
        self.order.look(here.seq, record, &mut self.findings);
        if let Entry::Log(LogEvent::Genesis { vkey }) = &record.entry
            && *vkey != self.heads.key().to_string()
        {
            let message = "the log began with another key than the one it is verified with";
            self.findings
                .add(Rule::KeyGenesis, Place::record(here.seq), message);
        }
        self.replay.look(here, record, &mut self.findings);
    }

    /// Ends the reading, against the signed head.
    #[must_use]
    pub fn finish(mut self, note: Option<&str>) -> Report {
        if self.heads.size() == 0 {
            let message = "the log is empty; an empty log proves nothing";
            self.findings.add(Rule::Empty, Place::LOG, message);
        }
        self.heads.finish(note, &mut self.findings);
        let verdict = |section| match self.findings.failed(section) {
            true => Verdict::Fail,
            false => Verdict::Pass,
        };
        let (integrity, completeness, authority, keys, disclosures) = (
            verdict(Section::Integrity),
            verdict(Section::Completeness),
            verdict(Section::Authority),
            verdict(Section::Keys),
            verdict(Section::Disclosures),
        );
        let (findings, more_findings) = self.findings.into_parts();
        Report {
            log: self.heads.key().name().as_str().to_owned(),
            records: self.heads.size(),
            root: self.heads.root().to_base64(),
            integrity,
            completeness,
            authority,
            keys,
            disclosures,
            anchored: self.heads.anchored(),
            unanchored: self.heads.unanchored(),
            signers: self.heads.signers(),
            requests: self.replay.requests(),
            in_doubt: self.replay.in_doubt(),
            unknown_kinds: self.order.into_unknown(),
            findings,
            more_findings,
        }
    }
}
