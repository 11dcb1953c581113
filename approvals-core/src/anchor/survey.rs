//! What of the log others have seen already, by what the log itself says.

use crate::clock::Timestamp;
use crate::commit::{Relation, key_chain, relate};
use crate::ledger::{
    AuditRecord, Checkpoint, Entry, KeyChain, LogEvent, Origin, SignedCheckpoint, StoredRecord,
    VerifierKey, WitnessPolicy, Witnessed,
};
use crate::ports::{Reader, StoreError};

/// How many records are read at a time.
const PAGE: usize = 64;

/// How many records about the log itself are looked through for an anchor at most.
const DEEP: usize = 4_096;

/// What a look begins from, and is judged by.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    /// The key that the log began with.
    pub(super) genesis: VerifierKey,
    pub(super) policy: WitnessPolicy,
    /// So many records are known to be covered.
    pub(super) covered: u64,
    /// So many records have been looked through for anchors.
    pub(super) scanned: u64,
}

/// A head, and the key that has signed it.
pub(super) struct Newest {
    pub(super) note: SignedCheckpoint,
    pub(super) head: Checkpoint,
    pub(super) key: VerifierKey,
}

/// What a look found.
pub(super) struct Sight {
    /// The newest head; none while the log is empty.
    pub(super) newest: Option<Newest>,
    /// The largest head with a quorum that is on record and was not known before.
    pub(super) anchor: Option<Witnessed>,
    /// When the first record was written that no anchor covers and that is news.
    pub(super) oldest: Option<Timestamp>,
    /// A head on record that is none of this log, which no honest writer leaves there.
    pub(super) foreign: bool,
}

impl Survey {
    pub(super) fn look(&self, reader: &mut dyn Reader) -> Result<Sight, StoreError> {
        let head = reader.head()?;
        let size = head.frontier.size();
        let keys = keys(reader, &self.genesis)?;
        let mut sight = Sight {
            newest: head.note.as_deref().and_then(|note| newest(note, &keys)),
            anchor: None,
            oldest: None,
            foreign: false,
        };
        for note in self.anchors(reader, size)? {
            let Some(seen) = self.judge(&note, &keys) else {
                continue;
            };
            let fits = relate(reader, &head, seen.head())?;
            if !matches!(fits, Relation::Same | Relation::Behind) {
                sight.foreign = true;
            } else if seen.is_enough() && seen.head().size > self.covered {
                // The first that is found is the newest.
                sight.anchor = Some(seen);
                break;
            }
        }
        let covered = sight
            .anchor
            .as_ref()
            .map_or(self.covered, |seen| seen.head().size);
        sight.oldest = oldest(reader, self.genesis.name(), covered, size)?;
        Ok(sight)
    }

    /// Whether an anchor of at least this size has come on record since the last look: another process was quicker.
    pub(super) fn is_recorded(
        &self,
        reader: &mut dyn Reader,
        size: u64,
    ) -> Result<bool, StoreError> {
        let all = reader.head()?.frontier.size();
        let keys = keys(reader, &self.genesis)?;
        let anchors = self.anchors(reader, all)?;
        let mut seen = anchors.iter().filter_map(|note| self.judge(note, &keys));
        Ok(seen.any(|seen| seen.is_enough() && seen.head().size >= size))
    }

    fn judge(&self, note: &SignedCheckpoint, keys: &KeyChain) -> Option<Witnessed> {
        let key = keys.of_record(note.claim().size.checked_sub(1)?);
        self.policy.satisfied_by(note, key).ok()
    }

    /// The anchors on record that were not there at the last look, newest first.
    fn anchors(
        &self,
        reader: &mut dyn Reader,
        size: u64,
    ) -> Result<Vec<SignedCheckpoint>, StoreError> {
        let (mut found, mut before, mut read) = (Vec::new(), size, 0);
        while before > self.scanned && read < DEEP {
            let page = reader.log_records(before, PAGE)?;
            let Some(last) = page.last() else { break };
            before = last.seq;
            read += page.len();
            let new = page.iter().filter(|stored| stored.seq >= self.scanned);
            found.extend(new.filter_map(|stored| anchor(stored, self.genesis.name())));
        }
        Ok(found)
    }
}

/// The keys that sign the log, as far as it goes now.
fn keys(reader: &mut dyn Reader, genesis: &VerifierKey) -> Result<KeyChain, StoreError> {
    key_chain(reader, genesis).map_err(|error| StoreError::unavailable(error.to_string()))
}

fn newest(note: &str, keys: &KeyChain) -> Option<Newest> {
    let note = SignedCheckpoint::parse(note).ok()?;
    let head = keys.verify(&note).ok()?;
    let key = keys.of_record(head.size.checked_sub(1)?).clone();
    Some(Newest { note, head, key })
}

/// The time of the first record from `covered` on that is news.
fn oldest(
    reader: &mut dyn Reader,
    log: &Origin,
    covered: u64,
    size: u64,
) -> Result<Option<Timestamp>, StoreError> {
    let mut next = covered;
    while next < size {
        let page = reader.records(next, PAGE)?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        if let Some(stored) = page.iter().find(|stored| is_news(stored, log)) {
            let record = AuditRecord::decode(&stored.bytes, log);
            // What cannot be read is not for the one who anchors to judge.
            let at = record.map_or(Timestamp::from_micros(0), |record| record.at);
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn is_news(stored: &StoredRecord, log: &Origin) -> bool {
    match AuditRecord::decode(&stored.bytes, log) {
        Ok(record) => !matches!(record.entry, Entry::Log(event) if event.is_upkeep()),
        Err(_) => true,
    }
}

fn anchor(stored: &StoredRecord, log: &Origin) -> Option<SignedCheckpoint> {
    match AuditRecord::decode(&stored.bytes, log).ok()?.entry {
        Entry::Log(LogEvent::Anchored(note)) => Some(note),
        _ => None,
    }
}
