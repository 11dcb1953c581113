//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use approvals_core::ports::StoreError;
use rusqlite::Connection;

use super::error::{damaged, explain};

/// Each entry takes a file one version further. An entry that was released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// Marks the file as ours: `aprv` in ASCII.
const APPLICATION: i32 = 0x6170_7276;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is in it yet.
    Fresh,
    /// A ledger of this or an older version.
    Ledger(usize),
}

/// Looks at a file without writing to it.
pub(super) fn look(connection: &Connection, path: &Path) -> Result<Kind, StoreError> {
    let read = || -> rusqlite::Result<(i32, i64, i64)> {
        Ok((
            connection.pragma_query_one(None, "application_id")?,
            connection.pragma_query_one(None, "user_version")?,
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    let (application, version, tables) = read().map_err(|error| explain(path, &error))?;
    let newest = MIGRATIONS.len();
    match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Ok(Kind::Fresh),
        (APPLICATION, Ok(version)) if (1..=newest).contains(&version) => Ok(Kind::Ledger(version)),
        (APPLICATION, Ok(version)) if version > newest => Err(StoreError::unavailable(format!(
            "`{}` was written by a newer version of this library (format {version}, this one knows {newest}); upgrade this program",
            path.display()
        ))),
        (APPLICATION, _) => Err(damaged(&path.display(), &"its format has no version")),
        _ => Err(StoreError::unavailable(format!(
            "`{}` is a database of another program; choose another path",
            path.display()
        ))),
    }
}

/// Brings a file to the newest version, in one transaction.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if look(connection, path)? == Kind::Ledger(MIGRATIONS.len()) {
        return Ok(());
    }
    let failed = |error| explain(path, &error);
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    // Another process may have been first.
    let done = match look(connection, path) {
        Ok(Kind::Fresh) => apply(connection, 0).map_err(failed),
        Ok(Kind::Ledger(version)) => apply(connection, version).map_err(failed),
        Err(error) => Err(error),
    };
    let ended = done.and_then(|()| connection.execute_batch("COMMIT").map_err(failed));
    if ended.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(failed)?;
    }
    ended
}

fn apply(connection: &Connection, from: usize) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().skip(from) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(
        None,
        "user_version",
        i64::try_from(MIGRATIONS.len()).unwrap_or(0),
    )
}
