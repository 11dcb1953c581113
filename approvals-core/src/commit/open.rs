//! Looks at the end of a log before anything is added to it.

use crate::error::{ApprovalError, Code};
use crate::ledger::{Frontier, SignedCheckpoint, VerifierKey, leaf_hash};
use crate::ports::{Head, Store};

use super::store_error;

/// At least this many of the last records are hashed again.
const TAIL: u64 = 256;

/// And never more than this many, so that opening stays quick.
const MOST: u64 = 65_536;

/// Refuses a log whose head is not signed by the key, or whose last records are not the ones that
/// were signed. Writes nothing.
pub(super) fn check_tail(store: &mut dyn Store, key: &VerifierKey) -> Result<(), ApprovalError> {
    let head = store.head().map_err(store_error)?;
    let size = head.frontier.size();
    if !store.records(size, 1).map_err(store_error)?.is_empty() {
        return Err(tampered(&format!(
            "there are records from number {size} on that no checkpoint covers"
        )));
    }
    if size == 0 {
        return Ok(());
    }
    if store.is_durable() {
        check_note(&head, key)?;
    }
    check_records(store, &head.frontier)
}

fn check_note(head: &Head, key: &VerifierKey) -> Result<(), ApprovalError> {
    let note = head
        .note
        .as_deref()
        .ok_or_else(|| tampered("it has records and no signed checkpoint"))?;
    let signed = SignedCheckpoint::parse(note)
        .and_then(|note| note.verify(key))
        .map_err(|error| tampered(&error.to_string()))?;
    if signed.size != head.frontier.size() || signed.root != head.frontier.root() {
        return Err(tampered(
            "the signed checkpoint is not about the records that are there",
        ));
    }
    Ok(())
}

/// Hashes the smallest subtrees at the right edge again, until enough records are covered.
fn check_records(store: &mut dyn Store, frontier: &Frontier) -> Result<(), ApprovalError> {
    let mut end = frontier.size();
    let mut covered = 0;
    for peak in frontier.peaks().iter().rev() {
        let width = 1_u64 << end.trailing_zeros();
        if covered >= TAIL || covered + width > MOST {
            break;
        }
        let from = end - width;
        let count = usize::try_from(width).unwrap_or(usize::MAX);
        let mut subtree = Frontier::new();
        for (place, stored) in (from..).zip(store.records(from, count).map_err(store_error)?) {
            if stored.seq != place || leaf_hash(&stored.bytes) != stored.leaf {
                return Err(tampered(&format!(
                    "record {place} is missing or is not the one that was written"
                )));
            }
            subtree.push(stored.leaf);
        }
        if subtree.size() != width || subtree.root() != *peak {
            return Err(tampered(&format!(
                "records {from} to {} do not hash to what was signed",
                end - 1
            )));
        }
        covered += width;
        end = from;
    }
    Ok(())
}

fn tampered(what: &str) -> ApprovalError {
    let message = format!(
        "the log does not verify: {what}; it is left untouched as evidence, run `approvals verify` and restore from a backup that verifies"
    );
    ApprovalError::new(Code::AuditTampered, message)
}
