//! The ledger in one SQLite file: the embedded default.
//!
//! One file, several processes of one machine. `PRAGMA synchronous = FULL` on a write-ahead log:
//! when a commit returns it is on the disk, and `kill -9` or a power cut at any moment loses
//! nothing that was acknowledged. The file is private to its owner (mode 0600) and is not to be
//! put on a network file system, whose locks cannot be relied on.
//!
//! What people are shown lies in it as ciphertext only; the key to it does not.
//!
//! Trusted: who can write the file can destroy the log, and make a gate believe what is not so
//! until the log is verified.

mod connect;
mod error;
mod place;
mod read;
mod reader;
mod schema;
mod write;
mod writers;

use std::path::Path;
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, WrappedKey};
use approvals_core::id::{BootId, RequestId};
use approvals_core::ports::{Batch, Due, Head, Reader, Store, StoreError};
use approvals_core::request::IdempotencyKey;

pub use reader::SqliteReader;

use connect::Empty;
use error::{explain, explain_commit};
use place::Place;
use writers::Writers;

/// Keeps the ledger in an SQLite file; what it acknowledges is on the disk.
///
/// Open it as often as you like: in one process, or in several of one machine. A writer waits at
/// most two seconds for another one. After an error that leaves in doubt what is on the disk, it
/// answers everything with that error until it is opened again.
///
/// # Examples
/// ```
/// use approvals_core::ports::{Reader, Store};
/// use approvals_store::sqlite::SqliteStore;
///
/// # let scratch = tempfile::tempdir()?;
/// let mut store = SqliteStore::open(scratch.path().join("approvals.db"))?;
/// assert!(store.is_durable());
/// assert_eq!(store.head()?.frontier.size(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    /// The one connection that writes.
    db: SqliteReader,
    place: Place,
    writers: Writers,
    /// Why nothing more may be written.
    dead: Option<StoreError>,
    wrote: bool,
}

impl SqliteStore {
    /// Opens a ledger, or makes an empty one that only its owner can read.
    ///
    /// # Errors
    /// [`StoreError`] when the file is a database of another program or of a newer version of
    /// this library, when it is damaged, or when this user cannot write it or its directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::at(Place::create(path.as_ref())?, Empty::Fill)
    }

    /// Opens a ledger that must be there: a lost file is not mistaken for a new ledger.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], and when the file is missing or empty.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::at(Place::find(path.as_ref())?, Empty::Refuse)
    }

    fn at(mut place: Place, empty: Empty) -> Result<Self, StoreError> {
        place.check_private()?;
        let connection = connect::to_write(&mut place, empty)?;
        Ok(Self {
            db: SqliteReader::new(connection, place.path()),
            writers: Writers::of(place.real()),
            place,
            dead: None,
            wrote: false,
        })
    }

    /// The connection, unless it is in doubt what is on the disk.
    fn alive(&mut self) -> Result<&mut SqliteReader, StoreError> {
        match &self.dead {
            Some(error) => Err(error.clone()),
            None => Ok(&mut self.db),
        }
    }

    /// Remembers what must not be forgotten: after a fatal error nothing is written again.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && error.is_fatal()
            && self.dead.is_none()
        {
            self.dead = Some(error.clone());
            // Whatever is there now is evidence, and may not even be ours any more.
            let _ = connect::keep_log(&self.db.connection, true);
        }
        result
    }

    fn read<T>(
        &mut self,
        question: impl FnOnce(&mut SqliteReader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let answer = question(self.alive()?);
        self.noted(answer)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn lock(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        self.undo()?;
        self.place.check()?;
        self.execute("BEGIN IMMEDIATE")
            .map_err(|error| explain(self.place.path(), &error))
    }

    /// Ends the transaction; whatever goes wrong, none is open afterwards.
    fn end(&mut self, written: rusqlite::Result<()>) -> Result<(), StoreError> {
        let ended = written
            .map_err(|error| explain(self.place.path(), &error))
            .and_then(|()| self.place.check())
            .and_then(|()| {
                self.execute("COMMIT")
                    .map_err(|error| explain_commit(self.place.path(), &error))
            });
        self.db.forget();
        if let Err(error) = ended {
            self.undo()?;
            return Err(error);
        }
        // Looked at again: a file that lost its name meanwhile took the commit with it.
        self.place.check()?;
        if !self.wrote {
            self.wrote = true;
            // Who writes has verified what was there, and may tidy up.
            let tidied = connect::keep_log(&self.db.connection, false);
            tidied.map_err(|error| explain_commit(self.place.path(), &error))?;
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<(), StoreError> {
        if self.db.connection.is_autocommit() {
            return Ok(());
        }
        let undone = self.execute("ROLLBACK");
        undone.map_err(|error| explain_commit(self.place.path(), &error))
    }
}

crate::forward::reads!(SqliteStore);

impl Store for SqliteStore {
    fn is_durable(&self) -> bool {
        true
    }

    fn begin(&mut self) -> Result<Head, StoreError> {
        let begun = self.lock().and_then(|()| self.db.head());
        if begun.is_err() {
            self.rollback();
        }
        self.noted(begun)
    }

    fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError> {
        self.read(|db| db.ask(|connection| read::by_key(connection, key)))
    }

    fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError> {
        self.read(|db| db.ask(|connection| read::count(connection, counter, since)))
    }

    fn wrapped_by(
        &mut self,
        key: DisclosureKeyId,
        limit: usize,
    ) -> Result<Vec<(RequestId, WrappedKey)>, StoreError> {
        self.read(|db| db.ask(|connection| read::wrapped_by(connection, key, limit)))
    }

    fn raised(
        &mut self,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        self.read(|db| db.ask(|connection| read::raised(connection, counter, since)))
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.alive()?.connection.is_autocommit() {
            return Err(StoreError::unavailable(
                "nothing was begun, so nothing was written; call `begin` first",
            ));
        }
        let written = write::batch(&self.db.connection, batch);
        let committed = self.end(written);
        self.noted(committed)
    }

    fn rollback(&mut self) {
        let undone = self.undo();
        // An open transaction that cannot be undone is refused at the next `begin`.
        let _ = self.noted(undone);
    }

    fn scrub(&mut self, at_most: Duration) -> Result<(), StoreError> {
        self.alive()?;
        let scrubbed = self.undo().and_then(|()| {
            let path = self.place.path();
            match connect::scrub(&mut self.db.connection, at_most) {
                Ok(true) => Ok(()),
                Ok(false) => Err(StoreError::unavailable(format!(
                    "`{}` is being read, so that its log cannot be emptied now; try again",
                    path.display()
                ))),
                // What a checkpoint could not write or sync is still in the log, and is moved later.
                Err(error) => Err(explain(path, &error)),
            }
        });
        self.noted(scrubbed)
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> {
        Ok(Some(Box::new(SqliteReader::open(self.place.path())?)))
    }

    fn announce(&mut self, boot: BootId) -> Result<(), StoreError> {
        self.writers.announce(boot)
    }

    fn is_gone(&mut self, boot: BootId) -> bool {
        self.writers.is_gone(boot)
    }

    fn take_due(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError> {
        // Mostly nothing is due, and finding that out takes no lock and no sync.
        if !self.read(|db| db.ask(|connection| write::is_due(connection, channels, now)))? {
            return Ok(Vec::new());
        }
        let taken = self.lock().and_then(|()| {
            let taken = write::take_due(&self.db.connection, channels, now, lease);
            let (due, written) = match taken {
                Ok(due) => (due, Ok(())),
                Err(error) => (Vec::new(), Err(error)),
            };
            self.end(written).map(|()| due)
        });
        self.noted(taken)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if self.wrote && self.dead.is_none() {
            // Without it the log is moved when the file is opened next: only slower.
            let _ = connect::tidy(&mut self.db.connection);
        }
    }
}
