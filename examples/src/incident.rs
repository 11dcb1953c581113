//! The incident: the session store is full. Real work on real files, behind guards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use approvals_core::requires_approval;
use approvals_store::home::Home;
use rusqlite::Connection;

use crate::Failure;

/// The log that the examples ship.
pub const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/service.log");
const BEFORE: &str = "2026-11-14";
const TABLE: &str = include_str!("../data/sessions.csv");

/// Counts errors by component. Reads only, so the demo's policy lets it through by itself.
#[requires_approval(scope = "log.scan", reason = "find what fails in {path}")]
pub async fn scan_log(path: &str) -> Result<BTreeMap<String, usize>, Failure> {
    let mut errors = BTreeMap::new();
    for line in fs::read_to_string(path)?.lines() {
        let mut words = line.split(' ').skip(1);
        if let (Some("ERROR"), Some(component)) = (words.next(), words.next()) {
            *errors.entry(component.to_owned()).or_default() += 1;
        }
    }
    Ok(errors)
}

/// Exports the sessions that began before a day to a file.
#[requires_approval(
    scope = "db.export",
    reason = "keep a copy of {table} from before {before}, as we are about to delete it",
    resource = "sqlite table {table}",
    skip(db)
)]
pub async fn export(
    db: &Connection,
    table: &str,
    before: &str,
    to: PathBuf,
) -> Result<usize, Failure> {
    let rows = old_rows(db, before)?;
    let part = to.with_extension("part");
    let mut file = fs::File::create(&part)?;
    writeln!(file, "id,account,started_on,bytes")?;
    rows.iter().try_for_each(|row| writeln!(file, "{row}"))?;
    file.sync_all()?;
    // Whoever sees the file sees all of it.
    fs::rename(part, to)?;
    Ok(rows.len())
}

/// Deletes the sessions that began before a day.
#[requires_approval(
    scope = "db.purge",
    reason = "free the disk: delete {expected} rows of {table} from before {before}",
    resource = "sqlite table {table}",
    skip(db)
)]
pub async fn purge(
    db: &Connection,
    table: &str,
    before: &str,
    expected: u32,
) -> Result<u32, Failure> {
    let deleted = db.execute("DELETE FROM sessions WHERE started_on < ?1", [before])?;
    let deleted = u32::try_from(deleted)?;
    if deleted == expected {
        Ok(deleted)
    } else {
        Err(format!("{deleted} rows were deleted and {expected} were expected").into())
    }
}

/// All of it, in order; each step waits for whoever decides it.
pub async fn runbook(home: &Home) -> Result<(), Failure> {
    println!("1. what fails?");
    for (component, errors) in scan_log(LOG).await? {
        println!("   {component}: {errors} errors");
    }
    let db = open_sessions(home.path())?;
    let old = count_old(&db, BEFORE)?;
    let file = home.path().join("incident-4711-sessions.csv");
    println!("2. export {old} old sessions to {}", file.display());
    if file.exists() {
        println!("   it is there already");
    } else {
        let rows = export(&db, "sessions", BEFORE, file).await?;
        println!("   {rows} rows written");
    }
    println!("3. delete them");
    if old == 0 {
        println!("   they are gone already");
    } else {
        println!(
            "   {} rows deleted",
            purge(&db, "sessions", BEFORE, old).await?
        );
    }
    Ok(())
}

/// How many sessions began before a day.
pub fn count_old(db: &Connection, before: &str) -> Result<u32, Failure> {
    Ok(db.query_row(
        "SELECT count(*) FROM sessions WHERE started_on < ?1",
        [before],
        |row| row.get(0),
    )?)
}

/// Opens the session store, and fills it from the shipped table when it is new.
pub fn open_sessions(dir: &Path) -> Result<Connection, Failure> {
    let path = dir.join("sessions.db");
    let new = !path.exists();
    let db = Connection::open(path)?;
    if new {
        db.execute_batch("BEGIN; CREATE TABLE sessions(id INTEGER PRIMARY KEY, account TEXT, started_on TEXT, bytes INTEGER)")?;
        for line in TABLE.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            db.execute(
                "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params_from_iter(cells),
            )?;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(db)
}

fn old_rows(db: &Connection, before: &str) -> Result<Vec<String>, Failure> {
    let mut query = db.prepare("SELECT id || ',' || account || ',' || started_on || ',' || bytes FROM sessions WHERE started_on < ?1 ORDER BY id")?;
    let rows = query.query_map([before], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
