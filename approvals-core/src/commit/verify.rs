//! Reads a whole log through the verifier.

use std::fmt;

use crate::envelope::Vault;
use crate::id::RequestId;
use crate::ledger::{Disclosures, Kept, Report, StoredRecord, Verifier};
use crate::ports::{LogSource, Reader, StoreError};

/// How many records are read at a time.
const PAGE: usize = 1_024;

/// Verifies everything in a store against its signed head, with a verifier that knows the key the
/// caller trusts and every head that was kept outside.
///
/// Needs no right to write and no private key. Values stay closed: see [`StoredLog`].
///
/// # Errors
/// [`StoreError`] when the store cannot be read; what is wrong with the log is in the report.
pub fn verify(reader: &mut dyn Reader, verifier: Verifier) -> Result<Report, StoreError> {
    verify_source(&mut StoredLog::new(reader), verifier)
}

/// Verifies everything in a log, wherever it comes from.
///
/// # Errors
/// [`StoreError`] when the source cannot be read; what is wrong with the log is in the report.
pub fn verify_source(
    source: &mut dyn LogSource,
    mut verifier: Verifier,
) -> Result<Report, StoreError> {
    let mut from = 0;
    loop {
        from = read(source, &mut verifier, from, u64::MAX)?;
        // The head is read after the records: others may write meanwhile, and what they wrote is
        // read, too, before anything is said about it.
        let note = source.note()?;
        if source.records(from, 1)?.is_empty() {
            return Ok(verifier.finish(note.as_deref()));
        }
    }
}

/// Verifies the first `size` records of a store, against a head that was signed just now.
pub(super) fn against(
    source: &mut dyn LogSource,
    mut verifier: Verifier,
    size: u64,
    note: Option<&str>,
) -> Result<Report, StoreError> {
    read(source, &mut verifier, 0, size)?;
    Ok(verifier.finish(note))
}

fn read(
    source: &mut dyn LogSource,
    verifier: &mut Verifier,
    from: u64,
    size: u64,
) -> Result<u64, StoreError> {
    let mut next = from;
    while next < size {
        let left = usize::try_from(size - next).unwrap_or(usize::MAX);
        let page = source.records(next, PAGE.min(left))?;
        let Some(last) = page.last() else { break };
        next = last.seq + 1;
        let mut values = Values {
            source: &mut *source,
            failed: None,
        };
        for stored in &page {
            verifier.push_with(stored, &mut values);
        }
        if let Some(error) = values.failed {
            return Err(error);
        }
    }
    Ok(next)
}

/// A store, as an auditor reads it.
///
/// Its values stay closed unless it is given the vault of the log; then what policies said of them
/// is said again, and not believed.
pub struct StoredLog<'a> {
    reader: &'a mut dyn Reader,
    vault: Option<Vault>,
}

impl<'a> StoredLog<'a> {
    /// The log in a store.
    pub fn new(reader: &'a mut dyn Reader) -> Self {
        Self {
            reader,
            vault: None,
        }
    }

    /// The same log, its values opened.
    #[must_use]
    pub fn opened_with(mut self, vault: Vault) -> Self {
        self.vault = Some(vault);
        self
    }
}

impl fmt::Debug for StoredLog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLog")
            .field("opened", &self.vault.is_some())
            .finish_non_exhaustive()
    }
}

impl LogSource for StoredLog<'_> {
    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.reader.records(from, limit)
    }

    fn note(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.reader.head()?.note)
    }

    fn kept(&mut self, request: RequestId) -> Result<Option<Kept>, StoreError> {
        let envelope = self.reader.disclosures(request)?;
        Ok(Some(match &self.vault {
            Some(vault) => Kept::opened(&envelope, request, vault),
            None => Kept::closed(&envelope),
        }))
    }
}

/// Asks a source for values, and keeps its first error.
struct Values<'a> {
    source: &'a mut dyn LogSource,
    failed: Option<StoreError>,
}

impl Disclosures for Values<'_> {
    fn of(&mut self, request: RequestId) -> Option<Kept> {
        match self.source.kept(request) {
            Ok(kept) => kept,
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}
