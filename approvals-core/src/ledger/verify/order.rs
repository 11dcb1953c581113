//! Whether anything is missing, stands twice, or stands in the wrong order.

use std::collections::BTreeMap;

use super::findings::{Findings, Place};
use super::rule::Rule;
use crate::clock::Timestamp;
use crate::id::BootId;
use crate::ledger::{AuditRecord, Entry, LogEvent};

#[derive(Debug, Default)]
pub(super) struct Order {
    last_at: Option<Timestamp>,
    /// What each start of a process must count next: one entry for each start.
    writers: BTreeMap<BootId, u64>,
    unknown: BTreeMap<String, u64>,
}

/// How many unknown kinds are told apart; a forger could make up any number of them.
const KINDS: usize = 100;

impl Order {
    pub(super) fn look(&mut self, seq: u64, record: &AuditRecord, findings: &mut Findings) {
        let place = Place::record(seq).of(record.request());
        if record.seq != seq {
            let message = format!("the record says it is number {}", record.seq);
            findings.add(Rule::Number, place, message);
        }
        if self.last_at.is_some_and(|last| record.at < last) {
            let message = "the record is older than the one in front of it";
            findings.add(Rule::Time, place, message);
        }
        self.last_at = Some(record.at);
        let next = self.writers.entry(record.writer.boot).or_default();
        let (want, got) = (*next, record.writer.n);
        *next = got.saturating_add(1);
        if want != got {
            let message = format!("its writer had written {got} records and {want} are here");
            findings.add(Rule::Writer, place, message);
        }
        let genesis = matches!(record.entry, Entry::Log(LogEvent::Genesis { .. }));
        if genesis != (seq == 0) {
            let message = "the log begins with its genesis, and nowhere else";
            findings.add(Rule::Genesis, place, message);
        }
        if let Entry::Unknown(kind) = &record.entry {
            self.unknown(kind, place, findings);
        }
    }

    fn unknown(&mut self, kind: &str, place: Place, findings: &mut Findings) {
        let message = format!(
            "this version does not know records of kind `{}`, and cannot say what this one allows; verify with the version that wrote it",
            crate::canonical::clip(kind)
        );
        findings.add(Rule::UnknownKind, place, message);
        if let Some(count) = self.unknown.get_mut(kind) {
            *count += 1;
        } else if self.unknown.len() < KINDS {
            self.unknown.insert(kind.to_owned(), 1);
        }
    }

    /// When the last record was written.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    pub(super) fn into_unknown(self) -> BTreeMap<String, u64> {
        self.unknown
    }
}
