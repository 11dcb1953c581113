//! The tables, and how an older ledger becomes a newer one.

use approvals_core::ports::StoreError;

use super::error::damaged;
use super::link::Step;
use super::session::Session;

/// Each entry takes a ledger one version further. An entry that was released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// Gives the roles what they need, as far as there are any.
const GRANTS: &str = include_str!("grants.sql");

/// What is in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No ledger yet.
    Fresh,
    /// A ledger of this or an older version.
    Ledger(usize),
}

/// What this version of the library reads and writes.
pub(super) fn newest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// The same, as [`Kind::Ledger`] counts.
pub(super) fn newest_index() -> usize {
    MIGRATIONS.len()
}

/// Refuses a ledger that another version of this library has changed since it was opened.
pub(super) fn same_version(version: i32) -> Result<(), String> {
    match version.cmp(&newest()) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(format!(
            "was written by a newer version of this library (format {version}, this one knows {}); upgrade this program",
            newest()
        )),
        std::cmp::Ordering::Less => Err(format!(
            "holds a ledger of format {version}, and this program needs format {}; call `PostgresStore::migrate` as the role that owns it",
            newest()
        )),
    }
}

/// Looks at a database without writing to it.
pub(super) fn look(session: &mut Session) -> Result<Kind, StoreError> {
    let there = session.rows(THERE, Vec::new())?;
    let (ours, tables) = match there.first() {
        Some(row) => (
            row.try_get("ours").unwrap_or(false),
            row.try_get("tables").unwrap_or(0_i64),
        ),
        None => (false, 0),
    };
    if !ours && tables == 0 {
        return Ok(Kind::Fresh);
    }
    if !ours {
        return Err(StoreError::unavailable(format!(
            "`{}` has a schema `approvals` of another program; choose another database",
            session.target()
        )));
    }
    let version = session.rows(VERSION, Vec::new())?;
    let version: Option<i32> = version.first().and_then(|row| row.try_get(0).ok());
    match version {
        Some(version) if version > newest() => same_version(version)
            .map(|()| Kind::Fresh)
            .map_err(|why| StoreError::unavailable(format!("`{}` {why}", session.target()))),
        Some(version) if version > 0 => Ok(Kind::Ledger(usize::try_from(version).unwrap_or(0))),
        _ => Err(damaged(session.target(), &"its format has no version")),
    }
}

/// Brings a database to the newest version, in one transaction.
///
/// Whoever comes second waits and finds it done.
pub(super) fn migrate(session: &mut Session) -> Result<(), StoreError> {
    let migrated = begin(session).and_then(|()| {
        let from = match look(session)? {
            Kind::Fresh => 0,
            Kind::Ledger(version) => version,
        };
        apply(session, from)
    });
    if migrated.is_err() {
        // Whatever was begun there is undone with the connection.
        session.hang_up();
    }
    migrated
}

fn begin(session: &mut Session) -> Result<(), StoreError> {
    let steps = [
        Step::Say("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"),
        Step::Say("SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 0"),
    ];
    session.send_anew(&steps)?;
    // One migration at a time, and while it goes on nobody writes.
    for lock in [MIGRATING, super::turn::WRITING] {
        let locked = session.send(&[Step::Ask(lock, Vec::new())]);
        locked.map_err(|failed| failed.explain(session.target()))?;
    }
    Ok(())
}

fn apply(session: &mut Session, from: usize) -> Result<(), StoreError> {
    let mut steps = Vec::new();
    if from == 0 {
        steps.push(Step::Say(SCHEMA));
    }
    for (version, migration) in (1_i32..).zip(MIGRATIONS).skip(from) {
        steps.push(Step::Say(migration));
        let value = super::link::Value::new(version);
        steps.push(Step::Ask(
            "INSERT INTO approvals.versions (version) VALUES ($1)",
            vec![value],
        ));
    }
    steps.push(Step::Say(GRANTS));
    // Not sent together: the statements are only known when the tables are there.
    for step in steps {
        let done = session.send(&[step]);
        done.map_err(|failed| failed.explain(session.target()))?;
    }
    let ended = session.send(&[Step::Say("COMMIT")]);
    ended
        .map(drop)
        .map_err(|failed| failed.explain(session.target()))
}

// Whoever made the schema beforehand has chosen who owns it.
const SCHEMA: &str = "DO $$ BEGIN \
    IF to_regnamespace('approvals') IS NULL THEN CREATE SCHEMA approvals; END IF; END $$";

const MIGRATING: &str = "SELECT pg_advisory_xact_lock(1634759286, 2)";

const THERE: &str = "SELECT to_regclass('approvals.versions') IS NOT NULL AS ours, \
    (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('approvals')) AS tables";

const VERSION: &str = "SELECT max(version) FROM approvals.versions";
