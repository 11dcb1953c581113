//! Reads a whole store through the verifier.

use crate::ledger::{Report, Verifier};
use crate::ports::{Reader, StoreError};

/// How many records are read at a time.
const PAGE: usize = 1_024;

/// Verifies everything in a store against its signed head, with a verifier that knows the key the
/// caller trusts and every head that was kept outside.
///
/// Needs no right to write and no private key.
///
/// # Errors
/// [`StoreError`] when the store cannot be read; what is wrong with the log is in the report.
pub fn verify(reader: &mut dyn Reader, mut verifier: Verifier) -> Result<Report, StoreError> {
    let mut from = 0;
    loop {
        from = read(reader, &mut verifier, from, u64::MAX)?;
        // The head is read after the records: others may write meanwhile, and what they wrote is
        // read, too, before anything is said about it.
        let head = reader.head()?;
        if head.frontier.size() <= from || reader.records(from, 1)?.is_empty() {
            return Ok(verifier.finish(head.note.as_deref()));
        }
    }
}

/// Verifies the first `size` records of a store, against a head that was signed just now.
pub(super) fn against(
    reader: &mut dyn Reader,
    mut verifier: Verifier,
    size: u64,
    note: Option<&str>,
) -> Result<Report, StoreError> {
    read(reader, &mut verifier, 0, size)?;
    Ok(verifier.finish(note))
}

fn read(
    reader: &mut dyn Reader,
    verifier: &mut Verifier,
    from: u64,
    size: u64,
) -> Result<u64, StoreError> {
    let mut next = from;
    while next < size {
        let left = usize::try_from(size - next).unwrap_or(usize::MAX);
        let page = reader.records(next, PAGE.min(left))?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        page.iter().for_each(|stored| verifier.push(stored));
    }
    Ok(next)
}
