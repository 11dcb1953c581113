//! The verifier: reads a log from end to end and says what holds. No I/O, no trust in the store.
//!
//! One pass, in four parts that share nothing but what they find: the tree and the heads it must
//! agree with, the order of the records, the keys, and the replay of every request with the same
//! pure lifecycle that the gate uses.

mod findings;
mod heads;
mod keys;
mod order;
mod replay;
mod report;
mod rule;

use super::record::{AuditRecord, Previous};
use super::{Hash, SignedCheckpoint, StoredRecord, VerifierKey, leaf_hash};
use findings::{Findings, Place};
use heads::Heads;
use keys::Keys;
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
    keys: Keys,
    order: Order,
    replay: Replay,
    findings: Findings,
}

impl Verifier {
    /// A verifier for the log that began with this key; the keys after it are followed from its records.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            heads: Heads::default(),
            keys: Keys::new(key),
            order: Order::default(),
            replay: Replay::default(),
            findings: Findings::default(),
        }
    }

    /// A head that somebody kept outside: the log must have had exactly it when it was as long.
    ///
    /// Add every one there is before the first record is read. One that the key in force at its size did not
    /// sign is a finding; one of a key that was revoked counts up to what was good, so add only those that were
    /// kept before.
    #[must_use]
    pub fn knowing(mut self, head: SignedCheckpoint) -> Self {
        self.heads.know(head);
        self
    }

    /// The leaf hash of the record that the log must begin with. It names the recovery key, too, which the first
    /// key alone does not: whoever stole that key could name another.
    #[must_use]
    pub fn beginning_with(mut self, genesis: Hash) -> Self {
        self.keys.pin(genesis);
        self
    }

    /// Reads the next record.
    pub fn push(&mut self, stored: &StoredRecord) {
        let seq = self.heads.size();
        let leaf = leaf_hash(&stored.bytes);
        self.heads.grow(stored, leaf, &mut self.findings);
        self.keys.grow(seq, leaf, &mut self.findings);
        match AuditRecord::decode(&stored.bytes, self.keys.log()) {
            Err(error) => self
                .findings
                .add(Rule::Format, Place::record(seq), error.to_string()),
            Ok(record) => self.look(Previous { seq, leaf }, &record),
        }
        let (chain, at) = (self.keys.chain(), self.order.last_at());
        self.heads.look_back(chain, at, &mut self.findings);
    }

    fn look(&mut self, here: Previous, record: &AuditRecord) {
        self.order.look(here.seq, record, &mut self.findings);
        self.keys.look(here.seq, record, &mut self.findings);
        self.replay.look(here, record, &mut self.findings);
    }

    /// Ends the reading, against the signed head.
    #[must_use]
    pub fn finish(mut self, note: Option<&str>) -> Report {
        if self.heads.size() == 0 {
            let message = "the log is empty; an empty log proves nothing";
            self.findings.add(Rule::Empty, Place::LOG, message);
        }
        let size = self.heads.size();
        self.heads
            .finish(self.keys.chain(), note, &mut self.findings);
        self.keys
            .finish(size, self.heads.kept(), &mut self.findings);
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
            log: self.keys.log().as_str().to_owned(),
            records: size,
            root: self.heads.root().to_base64(),
            genesis: self
                .keys
                .genesis()
                .map(|leaf| format!("sha256:{}", leaf.to_hex())),
            integrity,
            completeness,
            authority,
            keys,
            disclosures,
            anchored: self.heads.anchored(),
            unanchored: self.heads.unanchored(),
            signers: self.keys.signers(size),
            requests: self.replay.requests(),
            in_doubt: self.replay.in_doubt(),
            unknown_kinds: self.order.into_unknown(),
            findings,
            more_findings,
        }
    }
}
