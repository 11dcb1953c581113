//! Receipts of what is stored.

use std::fmt::Display;

use super::nodes::StoredNodes;
use super::{keys, store_error};
use crate::error::{ApprovalError, Code};
use crate::ledger::{NoteError, ProofError, Receipt, ReceiptError, SignedCheckpoint, VerifierKey};
use crate::ports::Reader;

/// The receipt of one stored record, under the newest signed head; checked before it is given.
///
/// `genesis` is the key that the log began with; the key that signed the head follows from its records.
///
/// Reads O(log n) of the store, and needs no right to write and no private key.
///
/// # Errors
/// - `NotFound` when the log has no such record;
/// - `AuditTampered` when the store does not prove it: the record, the hashes beside the records,
///   or the head were changed;
/// - `StoreUnavailable` when the store cannot be read.
pub fn receipt(
    reader: &mut dyn Reader,
    genesis: &VerifierKey,
    seq: u64,
) -> Result<Receipt, ApprovalError> {
    let head = reader.head().map_err(store_error)?;
    let keys = keys::follow(reader, &head, genesis)?;
    under(reader, keys.current(), seq, head.note.as_deref())
}

/// The receipt of one stored record, under this head of the store.
pub(super) fn under(
    reader: &mut dyn Reader,
    key: &VerifierKey,
    seq: u64,
    note: Option<&str>,
) -> Result<Receipt, ApprovalError> {
    let stored = reader.records(seq, 1).map_err(store_error)?;
    // A store that lost the record may give the next one in its place.
    let stored = stored.first().filter(|stored| stored.seq == seq);
    let Some(stored) = stored else {
        return Err(absent(seq, key, note));
    };
    let head = note.map_or(Err(NoteError::Unsigned), SignedCheckpoint::parse);
    let head = head.map_err(|error| unproven(seq, &error))?;
    let mut nodes = StoredNodes::new(reader);
    let proven = Receipt::prove(stored, head, key, &nodes);
    nodes.finish().map_err(store_error)?;
    proven.map_err(|error| match error {
        // Written after the head was signed: the next one covers it.
        ReceiptError::Proof(ProofError::NoSuchLeaf { .. }) => unknown(seq),
        error => unproven(seq, &error),
    })
}

/// Why a store does not have a record: nobody wrote it, or it is gone.
fn absent(seq: u64, key: &VerifierKey, note: Option<&str>) -> ApprovalError {
    let head = note.map(|note| SignedCheckpoint::parse(note).and_then(|note| note.verify(key)));
    match head {
        None => unknown(seq),
        Some(Ok(head)) if seq >= head.size => unknown(seq),
        Some(Ok(_)) => unproven(seq, &"it is missing"),
        Some(Err(error)) => unproven(seq, &error),
    }
}

fn unknown(seq: u64) -> ApprovalError {
    let message = format!(
        "the log has no record number {seq}; `approvals show` has the numbers of a request's records"
    );
    ApprovalError::new(Code::NotFound, message)
}

fn unproven(seq: u64, why: &dyn Display) -> ApprovalError {
    let message = format!(
        "the store does not prove that record {seq} is in the log ({why}); run `approvals verify`"
    );
    ApprovalError::new(Code::AuditTampered, message)
}
