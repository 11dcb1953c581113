//! The verifier: reads a log from end to end and says what holds. No I/O, no trust in the store.

use std::collections::BTreeMap;
use std::fmt;

use super::StoredRecord;
use super::record::{AuditRecord, Entry, Previous};
use super::{Checkpoint, Frontier, Origin, SignedCheckpoint, VerifierKey, leaf_hash};
use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::id::{BootId, RequestId};
use crate::lifecycle::{Created, Event, Phase, RequestState};

/// Reads records one after another and finds what is wrong with them.
///
/// Detects edits, insertions, deletions, swaps, and truncation below the signed head it is given.
/// It cannot see lies at the time of writing by whoever holds the key, nor the loss of records
/// newer than every head known outside.
#[derive(Debug)]
pub struct Verifier {
    log: Origin,
    key: VerifierKey,
    frontier: Frontier,
    last_at: Option<Timestamp>,
    writers: BTreeMap<BootId, u64>,
    requests: BTreeMap<RequestId, (Previous, Option<RequestState>)>,
    unknown: BTreeMap<String, u64>,
    policy: Option<(u64, PolicyDigest)>,
    known: Vec<Checkpoint>,
    findings: Vec<Finding>,
    more: u64,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The record, when it is one.
    pub seq: Option<u64>,
    /// The request, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The rule that is broken: `integrity`, `completeness`, `lifecycle`.
    pub rule: Rule,
    /// What it means.
    pub message: String,
}

/// Which check found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The bytes are not the ones that were signed.
    Integrity,
    /// Something is missing, or stands twice, or in the wrong order.
    Completeness,
    /// A request did what no request can do.
    Lifecycle,
}

/// Whether one kind of check passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a check passes or it does not")]
pub enum Verdict {
    /// Every check of this kind ran and passed.
    Pass,
    /// At least one did not.
    Fail,
}

/// What the verifier says of a whole log.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The log.
    pub log: String,
    /// How many records were read.
    pub records: u64,
    /// How many requests they are about.
    pub requests: u64,
    /// The root over them.
    pub root: String,
    /// The bytes are the ones that were signed.
    pub integrity: Verdict,
    /// Nothing is missing.
    pub completeness: Verdict,
    /// Every request lived as requests can.
    pub lifecycle: Verdict,
    /// Runs that may have happened and have no outcome on record.
    pub in_doubt: Vec<RequestId>,
    /// Kinds of records that this version does not know, and how many.
    pub unknown_kinds: BTreeMap<String, u64>,
    /// What is wrong, up to a hundred.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more_findings: u64,
}

impl Report {
    /// Whether every check ran and passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        [self.integrity, self.completeness, self.lifecycle]
            .iter()
            .all(|verdict| *verdict == Verdict::Pass)
            && self.findings.is_empty()
    }
}

impl Verifier {
    /// A verifier for the log that this key signs.
    #[must_use]
    pub fn new(key: VerifierKey) -> Self {
        Self {
            log: key.name().clone(),
            key,
            frontier: Frontier::new(),
            last_at: None,
            writers: BTreeMap::new(),
            requests: BTreeMap::new(),
            unknown: BTreeMap::new(),
            policy: None,
            known: Vec::new(),
            findings: Vec::new(),
            more: 0,
        }
    }

    /// A head that somebody kept outside: the log must have had exactly it when it was as long.
    ///
    /// Add every one there is before the first record is read; the caller has verified them.
    #[must_use]
    pub fn knowing(mut self, head: Checkpoint) -> Self {
        self.known.push(head);
        self
    }

    /// Reads the next record.
    pub fn push(&mut self, stored: &StoredRecord) {
        let seq = self.frontier.size();
        let leaf = leaf_hash(&stored.bytes);
        self.frontier.push(leaf);
        self.look_back(seq);
        if stored.seq != seq {
            self.find(
                Some(seq),
                None,
                Rule::Completeness,
                format!(
                    "record {seq} is missing; the store gives {} in its place",
                    stored.seq
                ),
            );
        }
        if stored.leaf != leaf {
            self.find(
                Some(seq),
                None,
                Rule::Integrity,
                "the bytes are not the ones that were hashed when the record was written"
                    .to_owned(),
            );
        }
        match AuditRecord::decode(&stored.bytes, &self.log) {
            Err(error) => self.find(Some(seq), None, Rule::Integrity, error.to_string()),
            Ok(record) => self.look(seq, Previous { seq, leaf }, &record),
        }
    }

    fn look_back(&mut self, seq: u64) {
        let size = self.frontier.size();
        if !self.known.iter().any(|head| head.size == size) {
            return;
        }
        let root = self.frontier.root();
        let other = |head: &&Checkpoint| head.size == size && head.root != root;
        if self.known.iter().any(|head| other(&head)) {
            let message = format!(
                "a head that was kept outside has another root over the first {size} records: the log was forked or rewritten"
            );
            self.find(Some(seq), None, Rule::Integrity, message);
        }
    }

    fn look(&mut self, seq: u64, here: Previous, record: &AuditRecord) {
        if record.seq != seq {
            self.find(
                Some(seq),
                record.request(),
                Rule::Completeness,
                format!("the record says it is number {}", record.seq),
            );
        }
        if self.last_at.is_some_and(|last| record.at < last) {
            self.find(
                Some(seq),
                record.request(),
                Rule::Completeness,
                "the record is older than the one in front of it".to_owned(),
            );
        }
        self.last_at = Some(record.at);
        let next = self.writers.entry(record.writer.boot).or_default();
        let (want, got) = (*next, record.writer.n);
        *next = got + 1;
        if want != got {
            self.find(
                Some(seq),
                record.request(),
                Rule::Completeness,
                format!("its writer had written {got} records and {want} are here"),
            );
        }
        let genesis = matches!(record.entry, Entry::Log(super::LogEvent::Genesis { .. }));
        if genesis != (seq == 0) {
            self.find(
                Some(seq),
                None,
                Rule::Completeness,
                "the log begins with its genesis, and nowhere else".to_owned(),
            );
        }
        match &record.entry {
            Entry::Unknown(kind) => *self.unknown.entry(kind.clone()).or_default() += 1,
            Entry::Log(super::LogEvent::PolicyLoaded {
                version, digest, ..
            }) => self.policy_loaded(seq, *version, *digest),
            Entry::Log(super::LogEvent::Genesis { vkey }) if *vkey != self.key.to_string() => {
                let message = "the log began with another key than the one it is verified with";
                self.find(Some(seq), None, Rule::Integrity, message.to_owned());
            }
            Entry::Log(_) => {}
            Entry::Request(request, event) => self.follow(*request, event, record, here),
        }
    }

    fn policy_loaded(&mut self, seq: u64, version: u64, digest: PolicyDigest) {
        if self.policy.is_some_and(|(last, _)| version <= last) {
            let message = format!("policy version {version} came into force after a higher one");
            self.find(Some(seq), None, Rule::Lifecycle, message);
        }
        self.policy = Some((version, digest));
    }

    fn asked(&mut self, created: &Created, request: RequestId, seq: u64) {
        let action = &created.action;
        if action.request_id != request || action.digest().ok() != Some(created.digest) {
            let message = "the digest is not that of the action on record".to_owned();
            self.find(Some(seq), Some(request), Rule::Lifecycle, message);
        }
        if self.policy.map(|(_, digest)| digest) != Some(created.policy.digest) {
            let message = "it was asked under a policy that was not in force".to_owned();
            self.find(Some(seq), Some(request), Rule::Lifecycle, message);
        }
    }

    fn follow(&mut self, request: RequestId, event: &Event, record: &AuditRecord, here: Previous) {
        let (previous, mut state) = self
            .requests
            .remove(&request)
            .map_or((None, None), |(previous, state)| (Some(previous), state));
        if record.previous != previous {
            self.find(
                Some(here.seq),
                Some(request),
                Rule::Integrity,
                "it does not follow the record of the same request in front of it".to_owned(),
            );
        }
        let verdict = match &mut state {
            Some(state) => state.apply(event).map_err(|error| error.to_string()),
            None => RequestState::begin(event, record.at)
                .map(|begun| state = Some(begun))
                .map_err(|error| error.to_string()),
        };
        if let Err(message) = verdict {
            self.find(Some(here.seq), Some(request), Rule::Lifecycle, message);
        }
        if let Event::Created(created) = event {
            self.asked(created, request, here.seq);
        }
        self.requests.insert(request, (here, state));
    }

    /// Ends the reading, against the signed head.
    #[must_use]
    pub fn finish(mut self, note: Option<&str>) -> Report {
        if self.frontier.size() == 0 {
            self.find(
                None,
                None,
                Rule::Completeness,
                "the log is empty; an empty log proves nothing".to_owned(),
            );
        }
        for head in std::mem::take(&mut self.known) {
            let size = self.frontier.size();
            if head.size > size {
                let message = format!(
                    "a head that was kept outside covers {} records, and {size} are here: the log was cut or rolled back",
                    head.size
                );
                self.find(Some(size), None, Rule::Completeness, message);
            }
        }
        match self.head(note) {
            Err(message) => self.find(None, None, Rule::Integrity, message),
            Ok(head) => self.compare(&head),
        }
        let in_doubt = |(request, (_, state)): (&RequestId, &(Previous, Option<RequestState>))| {
            matches!(
                state.as_ref()?.phase(),
                Phase::Running(_) | Phase::Finished(crate::request::Outcome::Unknown)
            )
            .then_some(*request)
        };
        Report {
            log: self.log.as_str().to_owned(),
            records: self.frontier.size(),
            requests: u64::try_from(self.requests.len()).unwrap_or(u64::MAX),
            root: self.frontier.root().to_base64(),
            integrity: self.verdict(Rule::Integrity),
            completeness: self.verdict(Rule::Completeness),
            lifecycle: self.verdict(Rule::Lifecycle),
            in_doubt: self.requests.iter().filter_map(in_doubt).collect(),
            unknown_kinds: self.unknown,
            findings: self.findings,
            more_findings: self.more,
        }
    }

    fn head(&self, note: Option<&str>) -> Result<Checkpoint, String> {
        let note = note.ok_or("there is no signed checkpoint; an unsigned log proves nothing")?;
        let note = SignedCheckpoint::parse(note).map_err(|error| error.to_string())?;
        note.verify(&self.key).map_err(|error| error.to_string())
    }

    fn compare(&mut self, head: &Checkpoint) {
        let size = self.frontier.size();
        if head.size > size {
            let message = format!(
                "the signed head covers {} records and {size} are here; the first missing one is number {size}",
                head.size
            );
            self.find(Some(size), None, Rule::Completeness, message);
        } else if head.size < size {
            let message = format!(
                "the signed head covers {} records; from number {} on nothing is signed",
                head.size, head.size
            );
            self.find(Some(head.size), None, Rule::Integrity, message);
        } else if head.root != self.frontier.root() {
            self.find(
                None,
                None,
                Rule::Integrity,
                "the records do not hash to the root that was signed".to_owned(),
            );
        }
    }

    fn verdict(&self, rule: Rule) -> Verdict {
        if self.findings.iter().any(|finding| finding.rule == rule) {
            Verdict::Fail
        } else {
            Verdict::Pass
        }
    }

    fn find(&mut self, seq: Option<u64>, request: Option<RequestId>, rule: Rule, message: String) {
        // The first of each rule is always kept, so that no verdict is lost in a flood.
        if self.findings.len() < 100 || self.verdict(rule) == Verdict::Pass {
            self.findings.push(Finding {
                seq,
                request,
                rule,
                message,
            });
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "record {seq}: {}", self.message)?,
            None => f.write_str(&self.message)?,
        }
        if let Some(request) = &self.request {
            write!(f, " ({request})")?;
        }
        Ok(())
    }
}
