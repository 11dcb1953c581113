//! The log as it grows: what streams and counters follow. Records hold no values, and so does this.

use approvals_core::ledger::{AuditRecord, Entry, Origin, StoredRecord};
use approvals_core::{ApprovalError, Code, Gate, Timestamp};

/// How many records are read at once.
const PAGE: usize = 256;

/// Where the log ends now.
pub(crate) async fn end(gate: &Gate) -> Result<u64, ApprovalError> {
    let journal = gate.journal();
    journal
        .read(|reader| Ok(reader.head()?.frontier.size()))
        .await
}

/// When a record was written; none when there is no such record.
pub(crate) async fn time(gate: &Gate, seq: u64) -> Result<Option<Timestamp>, ApprovalError> {
    let journal = gate.journal();
    let stored = journal.read(move |reader| reader.records(seq, 1)).await?;
    let stored = stored.first();
    let record = stored.map(|stored| decode(stored, journal.log()));
    Ok(record.transpose()?.map(|record| record.at))
}

/// The records from `from` on, a page at most, and where the next page begins.
pub(crate) async fn stored(
    gate: &Gate,
    from: u64,
) -> Result<(Vec<StoredRecord>, u64), ApprovalError> {
    let journal = gate.journal();
    let stored = journal
        .read(move |reader| reader.records(from, PAGE))
        .await?;
    let next = from.saturating_add(u64::try_from(stored.len()).unwrap_or(0));
    Ok((stored, next))
}

/// The records from `from` on that are about a request, a page at most, and where the next page
/// begins.
pub(crate) async fn page(gate: &Gate, from: u64) -> Result<(Vec<AuditRecord>, u64), ApprovalError> {
    let (stored, next) = stored(gate, from).await?;
    let mut records = Vec::with_capacity(stored.len());
    for stored in &stored {
        let record = decode(stored, gate.journal().log())?;
        if matches!(record.entry, Entry::Request(..)) {
            records.push(record);
        }
    }
    Ok((records, next))
}

pub(crate) fn decode(stored: &StoredRecord, log: &Origin) -> Result<AuditRecord, ApprovalError> {
    AuditRecord::decode(&stored.bytes, log)
        .map_err(|error| ApprovalError::new(Code::AuditTampered, error.to_string()))
}
