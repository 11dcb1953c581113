//! Connections, set up so that a commit that returns is on the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use approvals_core::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::explain;
use super::place::Place;
use super::schema::{self, Kind};

/// How long a writer waits for another one before it gives up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pages of the log after which a commit moves them into the database file.
const LOG_PAGES: i64 = 4_000;

/// What to do about a file with nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// A new ledger begins there.
    Fill,
    /// A ledger was lost there.
    Refuse,
}

/// Opens the connection that writes; makes the tables when there are none.
pub(super) fn to_write(place: &mut Place, empty: Empty) -> Result<Connection, StoreError> {
    let path = place.path().to_owned();
    let failed = |error| explain(&path, &error);
    let left_over = place.has_log();
    let mut connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // Until the log has been verified, nothing may change the files: they may be evidence.
    keep_log(&connection, left_over).map_err(failed)?;
    wait_at_most(&mut connection, PATIENCE).map_err(failed)?;
    // Looked at before anything is written: it may be somebody else's database.
    if schema::look(&connection, &path)? == Kind::Fresh && empty == Empty::Refuse {
        return Err(is_empty(&path));
    }
    let mode = write_ahead(&connection).map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::unavailable(format!(
            "the file system of `{}` cannot keep a write-ahead log; move the database to a local disk",
            path.display()
        )));
    }
    durable(&connection).map_err(failed)?;
    connection
        .pragma_update(None, "secure_delete", true)
        .map_err(failed)?;
    schema::migrate(&connection, &path)?;
    place.opened()?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(super) fn to_read(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| explain(path, &error);
    let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    keep_log(&connection, true).map_err(failed)?;
    wait_at_most(&mut connection, PATIENCE).map_err(failed)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(failed)?;
    if schema::look(&connection, path)? == Kind::Fresh {
        return Err(is_empty(path));
    }
    Ok(connection)
}

fn is_empty(path: &Path) -> StoreError {
    StoreError::unavailable(format!(
        "`{}` is empty where a ledger should be; restore it from a backup",
        path.display()
    ))
}

/// Sets whether the last connection leaves the log beside the database as it is.
pub(super) fn keep_log(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(|_| ())
}

/// Moves the log into the database file, as far as nobody else is in the way.
pub(super) fn tidy(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Moves the log into the database file and empties it, so that no older page is left in it.
/// Whether that could be done: others may be reading from it.
pub(super) fn scrub(connection: &mut Connection, at_most: Duration) -> rusqlite::Result<bool> {
    wait_at_most(connection, at_most)?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let done = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    wait_at_most(connection, PATIENCE)?;
    done.map(|busy| busy == 0)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time; SQLite need not lock it again.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A database from a stranger cannot make this process do anything but read and write it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A plan never depends on the values: otherwise SQLite plans anew whenever one is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Waits in short naps: whoever holds the lock has it for a millisecond, and a person has just
/// decided.
fn wait_at_most(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let nap = if tries < 20 { 100 } else { 1_000 };
        std::thread::sleep(Duration::from_micros(nap));
        since.elapsed() < patience
    }))
}

fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let since = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            // SQLite does not wait by itself when two processes make the same new file.
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && since.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

fn durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain sync does not reach the disk; elsewhere these do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_returns_is_on_the_disk() {
        let directory = tempfile::TempDir::new().unwrap();
        let mut place = Place::create(&directory.path().join("approvals.db")).unwrap();
        let connection = to_write(&mut place, Empty::Fill).unwrap();
        let ask = |name| connection.pragma_query_one::<String>(None, name);
        assert_eq!(ask("journal_mode").unwrap(), "wal");
        let number = |name| connection.pragma_query_one::<i64>(None, name).unwrap();
        // 2 is FULL: the log is synced before a commit returns.
        for (name, value) in [
            ("synchronous", 2),
            ("fullfsync", 1),
            ("checkpoint_fullfsync", 1),
        ] {
            assert_eq!(number(name), value, "{name}");
        }
        let reader = to_read(place.path()).unwrap();
        let write = "CREATE TABLE mine (a)";
        assert!(reader.execute_batch(write).is_err());
        assert!(connection.execute_batch(write).is_ok());
    }
}
