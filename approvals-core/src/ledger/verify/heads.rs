//! The tree over the records, and the heads it must agree with.

use super::findings::{Findings, Place};
use super::report::{Anchored, Range, Signer};
use super::rule::Rule;
use crate::clock::Timestamp;
use crate::ledger::{Checkpoint, Frontier, Hash, SignedCheckpoint, StoredRecord, VerifierKey};

/// Grows the tree record by record and compares it with every head that is known.
#[derive(Debug)]
pub(super) struct Heads {
    key: VerifierKey,
    frontier: Frontier,
    /// Heads that were kept outside, the smallest last.
    known: Vec<Checkpoint>,
    anchored: Option<Anchored>,
    /// A head known outside does not fit: then none of them vouches for anything.
    broken: bool,
}

impl Heads {
    pub(super) fn new(key: VerifierKey) -> Self {
        Self {
            key,
            frontier: Frontier::new(),
            known: Vec::new(),
            anchored: None,
            broken: false,
        }
    }

    pub(super) fn key(&self) -> &VerifierKey {
        &self.key
    }

    pub(super) fn know(&mut self, head: Checkpoint) {
        self.known.push(head);
        self.known.sort_by_key(|head| std::cmp::Reverse(head.size));
    }

    /// How many records there were so far.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub(super) fn grow(&mut self, stored: &StoredRecord, leaf: Hash, findings: &mut Findings) {
        let seq = self.frontier.size();
        self.frontier.push(leaf);
        if stored.seq != seq {
            let message = format!(
                "record {seq} is missing; the store gives {} in its place",
                stored.seq
            );
            findings.add(Rule::Gap, Place::record(seq), message);
        }
        if stored.leaf != leaf {
            let message = "the bytes are not the ones that were hashed when the record was written";
            findings.add(Rule::Leaf, Place::record(seq), message);
        }
    }

    /// Compares the tree with heads that were kept outside over exactly what was read so far.
    pub(super) fn look_back(&mut self, at: Option<Timestamp>, findings: &mut Findings) {
        let size = self.frontier.size();
        while let Some(head) = self.known.pop_if(|head| head.size <= size) {
            if head.size == size && head.root == self.frontier.root() {
                self.anchored = at.map(|at| Anchored { size, at });
            } else if head.size == size {
                self.broken = true;
                let message = format!(
                    "a head that was kept outside has another root over the first {size} records: the log was forked or rewritten"
                );
                let place = Place::record(size.saturating_sub(1));
                findings.add(Rule::Fork, place, message);
            }
        }
    }

    /// Compares the whole tree with the log's own signed head.
    pub(super) fn finish(&mut self, note: Option<&str>, findings: &mut Findings) {
        let size = self.frontier.size();
        for head in std::mem::take(&mut self.known) {
            self.broken = true;
            let message = format!(
                "a head that was kept outside covers {} records, and {size} are here: the log was cut or rolled back",
                head.size
            );
            findings.add(Rule::Cut, Place::record(size), message);
        }
        let Some(note) = note else {
            let message = "there is no signed checkpoint; an unsigned log proves nothing";
            findings.add(Rule::Unsigned, Place::LOG, message);
            return;
        };
        match SignedCheckpoint::parse(note).and_then(|note| note.verify(&self.key)) {
            Err(error) => findings.add(Rule::Signature, Place::LOG, error.to_string()),
            Ok(head) => self.compare(&head, findings),
        }
    }

    fn compare(&self, head: &Checkpoint, findings: &mut Findings) {
        let size = self.frontier.size();
        let signed = head.size;
        if signed > size {
            let message = format!(
                "the signed head covers {signed} records and {size} are here; the first missing one is number {size}"
            );
            findings.add(Rule::Cut, Place::record(size), message);
        } else if signed < size {
            let message = format!(
                "the signed head covers {signed} records; from number {signed} on nothing is signed"
            );
            findings.add(Rule::Unsigned, Place::record(signed), message);
        } else if head.root != self.frontier.root() {
            let message = "the records do not hash to the root that was signed";
            findings.add(Rule::Root, Place::LOG, message);
        }
    }

    /// What heads known outside cover.
    pub(super) fn anchored(&self) -> Option<Anchored> {
        self.anchored.clone().filter(|_| !self.broken)
    }

    /// What they do not.
    pub(super) fn unanchored(&self) -> Option<Range> {
        let from = self.anchored().map_or(0, |anchored| anchored.size);
        range(from, self.frontier.size())
    }

    pub(super) fn signers(&self) -> Vec<Signer> {
        let signer = |records| Signer {
            vkey: self.key.to_string(),
            records,
        };
        range(0, self.frontier.size())
            .map(signer)
            .into_iter()
            .collect()
    }
}

fn range(from: u64, end: u64) -> Option<Range> {
    let to = end.checked_sub(1)?;
    (from <= to).then_some(Range { from, to })
}
