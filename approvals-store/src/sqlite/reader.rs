//! Reading a database while others write to it.

use std::path::{Path, PathBuf};

use approvals_core::clock::Timestamp;
use approvals_core::envelope::Envelope;
use approvals_core::id::{BootId, RequestId};
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::ports::{Backlog, Filter, Head, Reader, RequestRow, StoreError};
use rusqlite::{Connection, Result};

use super::connect;
use super::error::explain;
use super::place::Place;
use super::read;

/// Reads a ledger and cannot write to it: for auditors, exports and waiting processes.
///
/// Sees what is committed and nothing else. It never changes the database file; SQLite may put
/// its own files beside it while it is open.
///
/// # Examples
/// ```
/// use approvals_core::ports::Reader;
/// use approvals_store::sqlite::{SqliteReader, SqliteStore};
///
/// # let scratch = tempfile::tempdir()?;
/// # let path = scratch.path().join("approvals.db");
/// let writer = SqliteStore::open(&path)?;
/// let mut reader = SqliteReader::open(&path)?;
/// assert_eq!(reader.head()?.frontier.size(), 0);
/// # drop(writer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteReader {
    pub(super) connection: Connection,
    path: PathBuf,
    seen: Option<Seen>,
}

/// What the last look found; it still holds while the version is the same.
#[derive(Debug, Clone, Copy)]
struct Seen {
    version: i64,
    size: u64,
}

impl SqliteReader {
    /// Opens a ledger to read it.
    ///
    /// # Errors
    /// [`StoreError`] when there is no such file, when it is not a ledger or one of a newer
    /// version, or when this user cannot read it or cannot make SQLite's files beside it: then
    /// copy it, with its `-wal` file if there is one, to a directory of your own.
    pub fn open(path: impl AsRef<Path>) -> std::result::Result<Self, StoreError> {
        let place = Place::find(path.as_ref())?;
        let connection = connect::to_read(place.path())?;
        Ok(Self::new(connection, place.path()))
    }

    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        Self {
            connection,
            path: path.to_owned(),
            seen: None,
        }
    }

    /// What was seen may be old: this very connection has written, which it does not notice.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Asks one question.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        question(&self.connection).map_err(|error| explain(&self.path, &error))
    }
}

impl Reader for SqliteReader {
    fn head(&mut self) -> std::result::Result<Head, StoreError> {
        self.ask(read::head)
    }

    fn records(
        &mut self,
        from: u64,
        limit: usize,
    ) -> std::result::Result<Vec<StoredRecord>, StoreError> {
        self.ask(|connection| read::records(connection, from, limit))
    }

    fn leaves(&mut self, from: u64, limit: usize) -> std::result::Result<Vec<Hash>, StoreError> {
        self.ask(|connection| read::leaves(connection, from, limit))
    }

    fn subtrees(
        &mut self,
        level: u8,
        from: u64,
        limit: usize,
    ) -> std::result::Result<Vec<Hash>, StoreError> {
        self.ask(|connection| read::subtrees(connection, level, from, limit))
    }

    fn records_of(
        &mut self,
        request: RequestId,
    ) -> std::result::Result<Vec<StoredRecord>, StoreError> {
        self.ask(|connection| read::records_of(connection, request))
    }

    fn log_records(
        &mut self,
        before: u64,
        limit: usize,
    ) -> std::result::Result<Vec<StoredRecord>, StoreError> {
        self.ask(|connection| read::log_records(connection, before, limit))
    }

    fn disclosures(&mut self, request: RequestId) -> std::result::Result<Envelope, StoreError> {
        self.ask(|connection| read::disclosures(connection, request))
    }

    fn requests(&mut self, filter: &Filter) -> std::result::Result<Vec<RequestRow>, StoreError> {
        self.ask(|connection| read::requests(connection, filter))
    }

    fn overdue(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> std::result::Result<Vec<RequestId>, StoreError> {
        self.ask(|connection| read::overdue(connection, now, limit))
    }

    fn running(&mut self) -> std::result::Result<Vec<(RequestId, BootId)>, StoreError> {
        self.ask(read::running)
    }

    fn touched(
        &mut self,
        from: u64,
    ) -> std::result::Result<(Vec<(RequestId, u64)>, u64), StoreError> {
        // The version is read first: what is committed after that is found by the next look.
        let version = self.ask(read::data_version)?;
        if let Some(seen) = self.seen
            && seen.version == version
            && from >= seen.size
        {
            return Ok((Vec::new(), seen.size));
        }
        // Likewise the size: a request may then be named twice, but never missed.
        let size = self.ask(read::size)?;
        let touched = self.ask(|connection| read::touched(connection, from))?;
        self.seen = Some(Seen { version, size });
        Ok((touched, size))
    }

    fn backlogs(&mut self) -> std::result::Result<Vec<Backlog>, StoreError> {
        self.ask(read::backlogs)
    }
}
