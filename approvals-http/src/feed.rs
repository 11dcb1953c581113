//! The log as it grows: what streams and counters follow. Records hold no values, and so does this.

use approvals_core::ledger::{AuditRecord, Entry};
use approvals_core::{ApprovalError, Code, Gate};

/// How many records are read at once.
const PAGE: usize = 256;

/// Where the log ends now.
pub(crate) async fn end(gate: &Gate) -> Result<u64, ApprovalError> {
    let journal = gate.journal();
    journal
        .read(|reader| Ok(reader.head()?.frontier.size()))
        .await
}

/// The records from `from` on that are about a request, a page at most, and where the next page
/// begins.
pub(crate) async fn page(gate: &Gate, from: u64) -> Result<(Vec<AuditRecord>, u64), ApprovalError> {
    let journal = gate.journal();
    let stored = journal
        .read(move |reader| reader.records(from, PAGE))
        .await?;
    let next = from.saturating_add(u64::try_from(stored.len()).unwrap_or(0));
    let mut records = Vec::with_capacity(stored.len());
    for stored in &stored {
        let record = AuditRecord::decode(&stored.bytes, journal.log())
            .map_err(|error| ApprovalError::new(Code::AuditTampered, error.to_string()))?;
        if matches!(record.entry, Entry::Request(..)) {
            records.push(record);
        }
    }
    Ok((records, next))
}
