//! Which key signs, by the records of the log: followed here, and after other processes changed it.

use super::engine::Engine;
use super::pen::Pen;
use super::{store_error, tampered};
use crate::error::{ApprovalError, Code};
use crate::ledger::{AuditRecord, Entry, KeyChain, LogEvent, StoredRecord, VerifierKey, leaf_hash};
use crate::ports::{Head, Reader};

/// What signs a log, and what is known of its keys.
pub(super) struct Signs {
    pub(super) pen: Pen,
    pub(super) keys: KeyChain,
    /// The recovery key of a log that has not begun.
    pub(super) recovery: Option<VerifierKey>,
}

/// The keys that sign a stored log, followed from the one that it must have begun with.
///
/// Needs no right to write and no private key, and reads a record for each change of keys. What it says of the
/// records in between is only known once the log was verified.
///
/// # Errors
/// - `AuditTampered` when the log began with another key, or a change of keys does not count;
/// - `StoreUnavailable` when the store cannot be read.
pub fn key_chain(
    reader: &mut dyn Reader,
    genesis: &VerifierKey,
) -> Result<KeyChain, ApprovalError> {
    let head = reader.head().map_err(store_error)?;
    follow(reader, &head, genesis)
}

/// The keys of the log that ends with this head.
pub(super) fn follow(
    reader: &mut dyn Reader,
    head: &Head,
    genesis: &VerifierKey,
) -> Result<KeyChain, ApprovalError> {
    let mut keys = KeyChain::new(genesis.clone());
    if head.frontier.size() > 0 && head.keys.first() != Some(&0) {
        return Err(tampered(0, "it is not among the records about keys"));
    }
    for seq in &head.keys {
        let event = event(reader, *seq, genesis)?;
        keys.apply(*seq, &event)
            .map_err(|fault| tampered(*seq, &fault.to_string()))?;
        if keys.records().last() != Some(seq) {
            return Err(tampered(*seq, "it is not about keys"));
        }
    }
    Ok(keys)
}

/// The key that a log says it began with; of a log that has not begun, the key that signs now.
pub(super) fn genesis(
    reader: &mut dyn Reader,
    head: &Head,
    signs: &VerifierKey,
) -> Result<VerifierKey, ApprovalError> {
    if head.frontier.size() == 0 {
        return Ok(signs.clone());
    }
    match event(reader, 0, signs)? {
        LogEvent::Genesis { vkey, .. } => Ok(vkey),
        _ => Err(tampered(0, "it is not the one that begins a log")),
    }
}

fn event(reader: &mut dyn Reader, seq: u64, key: &VerifierKey) -> Result<LogEvent, ApprovalError> {
    let found = reader.records(seq, 1).map_err(store_error)?;
    let sound =
        |stored: &&StoredRecord| stored.seq == seq && leaf_hash(&stored.bytes) == stored.leaf;
    let stored = found.first().filter(sound);
    let stored = stored.ok_or_else(|| tampered(seq, "it is missing or was changed"))?;
    let record = AuditRecord::decode(&stored.bytes, key.name())
        .map_err(|error| tampered(seq, &error.to_string()))?;
    match record.entry {
        Entry::Log(event) => Ok(event),
        _ => Err(tampered(seq, "it is not about keys")),
    }
}

impl Engine {
    /// Follows the keys as far as the log goes.
    pub(super) fn follow_keys(&mut self, head: &Head) -> Result<(), ApprovalError> {
        if head.keys != self.keys.records() {
            self.keys = follow(&mut *self.store, head, self.keys.genesis())?;
        }
        Ok(())
    }

    /// Refuses to write with a key that is not in force, unless the one that is can be had.
    pub(super) fn take_up_the_key(&mut self) -> Result<(), ApprovalError> {
        let (mine, current) = (self.pen.vkey(), self.keys.current());
        if mine == current {
            return Ok(());
        }
        if let Some(pen) = self.pen.successor(current)? {
            tracing::info!(key = %current.id(), "the ledger key was replaced: this process signs with the new one");
            self.pen = pen;
            return Ok(());
        }
        let what = match self.keys.spans().find(|span| span.vkey() == mine) {
            Some(span) => match span.to() {
                Some(at) => format!("was replaced in record {at}"),
                None => "is not in force".to_owned(),
            },
            None => "has no part in this log".to_owned(),
        };
        let message = format!(
            "the key this process signs with ({}) {what}, and key {} is in force; give this process that key and start it again",
            mine.id(),
            current.id()
        );
        Err(ApprovalError::new(Code::AuditUnavailable, message))
    }
}
