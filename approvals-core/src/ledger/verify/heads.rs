//! The tree over the records, and the heads it must agree with.

use std::sync::Arc;

use super::findings::{Findings, Place};
use super::report::{Anchored, Range};
use super::rule::Rule;
use crate::clock::Timestamp;
use crate::ledger::{
    Checkpoint, Frontier, Hash, KeyChain, KeyFault, SignedCheckpoint, StoredRecord,
};

/// Grows the tree record by record and compares it with every head that is known.
#[derive(Debug, Default)]
pub(super) struct Heads {
    frontier: Frontier,
    /// Heads that were kept outside, the smallest last.
    known: Vec<SignedCheckpoint>,
    /// Those of them that the log was seen to have, and those that witnesses vouch for.
    kept: Vec<Seen>,
    /// The sizes at which it has another root than one of them.
    forks: Vec<u64>,
    /// A head known outside does not fit: then none of them vouches for anything.
    broken: bool,
}

/// A head that somebody else has seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) size: u64,
    /// By when: for witnesses, the time of their word; otherwise that of the last record it covers.
    pub(super) at: Timestamp,
    /// The witnesses; nobody, when it was kept outside.
    pub(super) by: Arc<[String]>,
}

impl Seen {
    fn told(&self) -> Anchored {
        Anchored {
            size: self.size,
            at: self.at,
            by: self.by.to_vec(),
        }
    }
}

impl Heads {
    /// Witnesses vouch for a head that the log has.
    pub(super) fn vouch(&mut self, seen: Seen) {
        self.kept.push(seen);
    }

    /// Witnesses vouch for another history than this one.
    pub(super) fn doubt(&mut self) {
        self.broken = true;
    }

    pub(super) fn know(&mut self, head: SignedCheckpoint) {
        self.known.push(head);
        self.known
            .sort_by_key(|head| std::cmp::Reverse(head.claim().size));
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
    pub(super) fn look_back(
        &mut self,
        keys: &KeyChain,
        at: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        let size = self.frontier.size();
        while let Some(note) = self.known.pop_if(|note| note.claim().size <= size) {
            let Some(head) = signed(&note, keys, findings) else {
                continue;
            };
            if head.size != size {
                continue;
            }
            if head.root == self.frontier.root() {
                let by = Arc::default();
                self.kept.extend(at.map(|at| Seen { size, at, by }));
            } else {
                self.forks.push(size);
            }
        }
    }

    /// Compares the whole tree with the log's own signed head, when all keys are known.
    pub(super) fn finish(&mut self, keys: &KeyChain, note: Option<&str>, findings: &mut Findings) {
        self.look_outside(keys, findings);
        let Some(note) = note else {
            let message = "there is no signed checkpoint; an unsigned log proves nothing";
            findings.add(Rule::Unsigned, Place::LOG, message);
            return;
        };
        let signed = SignedCheckpoint::parse(note).map_err(KeyFault::from);
        match signed.and_then(|note| keys.verify(&note)) {
            Err(error) => findings.add(Rule::HeadSignature, Place::LOG, error.to_string()),
            Ok(head) => self.compare(&head, findings),
        }
    }

    /// Says what is wrong with the heads that were kept outside; those of a key that was revoked say nothing.
    fn look_outside(&mut self, keys: &KeyChain, findings: &mut Findings) {
        self.kept.retain(|head| keys.trusts(head.size));
        self.forks.retain(|size| keys.trusts(*size));
        for size in std::mem::take(&mut self.forks) {
            self.broken = true;
            let message = format!(
                "a head that was kept outside has another root over the first {size} records: the log was forked or rewritten"
            );
            let place = Place::record(size.saturating_sub(1));
            findings.add(Rule::Fork, place, message);
        }
        let size = self.frontier.size();
        for note in std::mem::take(&mut self.known) {
            let Some(head) = signed(&note, keys, findings) else {
                continue;
            };
            self.broken = true;
            let message = format!(
                "a head that was kept outside covers {} records, and {size} are here: the log was cut or rolled back",
                head.size
            );
            findings.add(Rule::Cut, Place::record(size), message);
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

    /// The heads that others have seen and that the log has.
    pub(super) fn kept(&self) -> &[Seen] {
        match self.broken {
            true => &[],
            false => &self.kept,
        }
    }

    /// What heads known outside cover; of two that reach as far, the word of witnesses says more.
    pub(super) fn anchored(&self) -> Option<Anchored> {
        let reach = |head: &&Seen| (head.size, !head.by.is_empty());
        self.kept().iter().rev().max_by_key(reach).map(Seen::told)
    }

    /// The largest head that witnesses vouch for, and when they first did.
    pub(super) fn witnessed(&self) -> Option<Anchored> {
        let seen = self.kept().iter().filter(|head| !head.by.is_empty());
        seen.rev().max_by_key(|head| head.size).map(Seen::told)
    }

    /// What they do not.
    pub(super) fn unanchored(&self) -> Option<Range> {
        let from = self.anchored().map_or(0, |anchored| anchored.size);
        Range::of(from, self.frontier.size())
    }
}

/// A head that was kept outside, if the key that was in force at its size signed it.
fn signed(note: &SignedCheckpoint, keys: &KeyChain, findings: &mut Findings) -> Option<Checkpoint> {
    match keys.verify(note) {
        Ok(head) => Some(head),
        Err(fault) => {
            let size = note.claim().size;
            let message = format!("a head that was kept outside, over {size} records: {fault}");
            findings.add(Rule::KeyHead, Place::LOG, message);
            None
        }
    }
}
