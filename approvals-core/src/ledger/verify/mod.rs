//! The verifier: reads a log from end to end and says what holds. No I/O, no trust in the store.
//!
//! One pass, in four parts that share nothing but what they find: the tree and the heads it must
//! agree with, the order of the records, the keys, and the replay of every request with the same
//! pure lifecycle that the gate uses.

mod anchors;
mod findings;
mod heads;
mod keys;
mod order;
mod replay;
mod report;
mod rule;

use super::record::{AuditRecord, Previous};
use super::{Hash, SignedCheckpoint, StoredRecord, VerifierKey, WitnessPolicy, leaf_hash};
use crate::clock::Timestamp;
use crate::directory::People;
use anchors::Anchors;
use findings::{Findings, Place};
use heads::Heads;
use keys::Keys;
use order::Order;
use replay::Replay;

pub use findings::Finding;
pub use replay::{Disclosures, Kept, NoDisclosures};
pub use report::{
    Anchored, Erased, Link, Range, Recovered, Report, Requests, Reviews, Signer, Verdict,
};
pub use rule::{Rule, Section};

/// Reads records one after another and finds what is wrong with them.
///
/// Detects edits, insertions, deletions, swaps, and truncation below the signed head it is given.
/// It cannot see lies at the time of writing by whoever holds the key, nor the loss of records
/// newer than every head known outside.
#[derive(Debug)]
pub struct Verifier {
    heads: Heads,
    anchors: Anchors,
    /// What must be anchored, and whether witnesses must have seen anything.
    demand: Option<Demand>,
    witnessed: bool,
    keys: Keys,
    order: Order,
    replay: Replay,
    findings: Findings,
    as_of: Option<Timestamp>,
}

impl Verifier {
    /// A verifier for the log that began with this key; the keys after it are followed from its records.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            heads: Heads::default(),
            anchors: Anchors::default(),
            demand: None,
            witnessed: false,
            keys: Keys::new(key),
            order: Order::default(),
            replay: Replay::default(),
            findings: Findings::default(),
            as_of: None,
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

    /// The auditor's own word on who the witnesses are. Heads in the log that a quorum of them cosigned count as
    /// ones that were kept outside, also for a key that was revoked; that there is none is a finding.
    #[must_use]
    pub fn witnessed_by(mut self, policy: WitnessPolicy) -> Self {
        self.anchors.believe(policy);
        self.witnessed = true;
        self
    }

    /// So much of the log must be in a head that was kept outside, or that witnesses cosigned.
    #[must_use]
    pub fn anchored_to(mut self, demand: Demand) -> Self {
        self.demand = Some(demand);
        self
    }

    /// The leaf hash of the record that the log must begin with. It names the recovery key, too, which the first
    /// key alone does not: whoever stole that key could name another.
    #[must_use]
    pub fn beginning_with(mut self, genesis: Hash) -> Self {
        self.keys.pin(genesis);
        self
    }

    /// The auditor's own copy of who is who: each account that was taken for somebody's must be
    /// that person's in it. Without one, the log's own word is taken for it.
    #[must_use]
    pub fn people(mut self, people: &People) -> Self {
        self.replay.compare_with(people);
        self
    }

    /// Replays only what was known at this time; integrity and completeness stay those of the
    /// whole log.
    #[must_use]
    pub fn as_of(mut self, at: Timestamp) -> Self {
        self.as_of = Some(at);
        self
    }

    /// Takes the word of every channel for how well it had proven an identity.
    ///
    /// For a process that looks at its own log, and so trusts its own channels. Whoever does not
    /// trust the log's owner must not: the owner can record any proof that nobody can repeat.
    #[must_use]
    pub fn trusting_channels(mut self) -> Self {
        self.replay.trust_channels();
        self
    }

    /// Reads the next record, of a log that comes without disclosures.
    pub fn push(&mut self, stored: &StoredRecord) {
        self.push_with(stored, &mut NoDisclosures);
    }

    /// Reads the next record; `source` opens what it binds.
    pub fn push_with(&mut self, stored: &StoredRecord, source: &mut dyn Disclosures) {
        let seq = self.heads.size();
        let leaf = leaf_hash(&stored.bytes);
        self.heads.grow(stored, leaf, &mut self.findings);
        self.anchors.grow(leaf);
        self.keys.grow(seq, leaf, &mut self.findings);
        match AuditRecord::decode(&stored.bytes, self.keys.log()) {
            Err(error) => self
                .findings
                .add(Rule::Format, Place::record(seq), error.to_string()),
            Ok(record) => self.look(Previous { seq, leaf }, &record, source),
        }
        let (chain, at) = (self.keys.chain(), self.order.last_at());
        self.heads.look_back(chain, at, &mut self.findings);
    }

    fn look(&mut self, here: Previous, record: &AuditRecord, source: &mut dyn Disclosures) {
        self.order.look(here.seq, record, &mut self.findings);
        self.keys.look(here.seq, record, &mut self.findings);
        let chain = self.keys.chain();
        self.anchors
            .look(record, here.seq, chain, &mut self.heads, &mut self.findings);
        if self.as_of.is_none_or(|until| record.at <= until) {
            self.replay.look(here, record, source, &mut self.findings);
        } else {
            self.replay.look_ahead(record);
        }
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
        self.compare_with_demand();
        let replayed = self.replay.finish(&mut self.findings);
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
            witnessed: self.heads.witnessed(),
            unjudged: self.anchors.unjudged(),
            recovered: self.anchors.into_recovered(),
            signers: self.keys.signers(size),
            key_chain: self.keys.chain().clone(),
            as_of: self.as_of,
            requests: replayed.requests,
            reviews: replayed.reviews,
            undisclosed: replayed.undisclosed,
            links: replayed.links,
            erased: replayed.erased,
            in_doubt: replayed.in_doubt,
            unreviewed: replayed.unreviewed,
            unknown_kinds: self.order.into_unknown(),
            findings,
            more_findings,
        }
    }

    /// Says what nobody outside has seen and the auditor wants seen.
    fn compare_with_demand(&mut self) {
        if self.witnessed && self.heads.witnessed().is_none() {
            let message = "no head in the log is cosigned by a quorum of the witnesses";
            self.findings.add(Rule::Unanchored, Place::LOG, message);
        }
        let all = self.heads.size() - self.anchors.trailing();
        let wanted = match self.demand {
            None => return,
            Some(Demand::Whole) => all,
            Some(Demand::Size(size)) => size,
        };
        let reached = self.heads.anchored().map_or(0, |anchored| anchored.size);
        if reached < wanted {
            let message = format!(
                "the first {wanted} records must be anchored and {reached} are: no head that others have seen covers the rest"
            );
            self.findings
                .add(Rule::Unanchored, Place::record(reached), message);
        }
    }
}

/// How much of a log must have been seen by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all of it or a part")]
pub enum Demand {
    /// All of it, but for the records at its end that only say that a process began, or that it was anchored.
    Whole,
    /// So many of its first records.
    Size(u64),
}
