//! The verifier's answer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::findings::Finding;
use crate::clock::Timestamp;
use crate::id::{PersonId, RequestId};
use crate::ledger::{KeyChain, KeyEnd};

/// Whether one kind of check passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a check passes or it does not")]
pub enum Verdict {
    /// Every check of this kind ran and passed.
    Pass,
    /// At least one did not.
    Fail,
}

/// What the verifier says of a whole log: a verdict for each kind of question, and what it found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The log.
    pub log: String,
    /// How many records were read.
    pub records: u64,
    /// The root over them.
    pub root: String,
    /// The leaf hash of the first record, which names the first key and the recovery key: pin it.
    pub genesis: Option<String>,
    /// The bytes are the ones that were signed.
    pub integrity: Verdict,
    /// Nothing is missing.
    pub completeness: Verdict,
    /// Everything that ran was allowed to run, by people who may allow it.
    pub authority: Verdict,
    /// The right keys signed.
    pub keys: Verdict,
    /// The values behind commitments are the ones that were bound.
    pub disclosures: Verdict,
    /// The records that a head known outside covers: even the log's owner cannot change these
    /// unnoticed.
    pub anchored: Option<Anchored>,
    /// The records behind them: these rest on the log's own key alone.
    pub unanchored: Option<Range>,
    /// The records that a quorum of the auditor's witnesses has seen, by heads in the log that they cosigned.
    pub witnessed: Option<Anchored>,
    /// Heads on record as cosigned that were not judged, because the auditor named no witnesses.
    pub unjudged: u64,
    /// Where an operator set the head pin by hand, up to ten thousand.
    pub recovered: Vec<Recovered>,
    /// Which key signed which records.
    pub signers: Vec<Signer>,
    /// The same, to check other heads and receipts of this log with.
    #[serde(skip)]
    pub key_chain: KeyChain,
    /// What was known at that time is told, when a time was named; integrity and completeness are
    /// always of the whole log.
    pub as_of: Option<Timestamp>,
    /// How many requests there are, and how they stand.
    pub requests: Requests,
    /// How many votes count, and what they rest on.
    pub reviews: Reviews,
    /// Requests for which the rules on record were believed, because they look at values that are
    /// not disclosed.
    pub undisclosed: u64,
    /// Whose account was taken for whose, up to ten thousand.
    pub links: Vec<Link>,
    /// What was erased, and under which approval, up to ten thousand.
    pub erased: Vec<Erased>,
    /// Runs that may have happened and have no outcome on record.
    pub in_doubt: Vec<RequestId>,
    /// Requests whose use broke the glass, and which nobody has reviewed.
    pub unreviewed: Vec<RequestId>,
    /// Kinds of records that this version does not know, and how many.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// What is wrong, up to a hundred and the first of each rule.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more_findings: u64,
}

/// How far heads that are known outside reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Anchored {
    /// So many records from the first one on.
    pub size: u64,
    /// By when: the time of a quorum's word, or, of a head that was kept outside, when the last of them was written.
    pub at: Timestamp,
    /// The witnesses whose word it is; nobody, when the head was kept outside.
    pub by: Vec<String>,
}

/// An operator set the head pin by hand: what it held before says what is missing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recovered {
    /// The record, and so how many stood in front of it.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// How many records the pin covered before; none when it held no head.
    pub pinned: Option<u64>,
}

/// Records, from the first number to the last one, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Range {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

impl Range {
    /// The records from one number to right before another; none when there are none.
    pub(super) fn of(from: u64, end: u64) -> Option<Self> {
        let to = end.checked_sub(1)?;
        (from <= to).then_some(Self { from, to })
    }
}

/// A key, and the records that heads signed with it cover first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Signer {
    /// The key, in C2SP text form.
    pub vkey: String,
    /// The records.
    pub records: Range,
    /// How its time ended; none while it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<KeyEnd>,
    /// Those of them for which its word does not count, because it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted: Option<Range>,
}

/// Requests, by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Requests {
    /// All of them.
    pub asked: u64,
    /// Undecided, or approved and unused.
    pub open: u64,
    /// A rule let them through, with no person.
    pub auto_approved: u64,
    /// People approved them.
    pub approved: u64,
    /// A person or a rule said no.
    pub denied: u64,
    /// Out of time, before a decision or before use.
    pub expired: u64,
    /// Withdrawn.
    pub cancelled: u64,
    /// Their approval was used up, and the body could run.
    pub used: u64,
}

/// Votes, by what they rest on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reviews {
    /// A signature of the person's own key, verified again: not even the log's owner can have
    /// made these up.
    pub signed: u64,
    /// The word of the channel that recorded it.
    pub asserted: u64,
}

/// From this record on, votes by this account were taken for that person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Link {
    /// The record.
    pub seq: u64,
    /// The person.
    pub person: PersonId,
    /// The account.
    pub identity: String,
}

/// What people were shown of a request is gone, by record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Erased {
    /// The record.
    pub seq: u64,
    /// The request.
    pub request: RequestId,
    /// The request under whose approval it was done.
    pub authority: RequestId,
    /// How many commitments nothing opens any more.
    pub commitments: usize,
}

impl Report {
    /// Whether every check ran and passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        let verdicts = [
            self.integrity,
            self.completeness,
            self.authority,
            self.keys,
            self.disclosures,
        ];
        verdicts.iter().all(|verdict| *verdict == Verdict::Pass) && self.findings.is_empty()
    }
}
