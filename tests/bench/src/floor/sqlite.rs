//! W2: rows that change in plain SQLite, WAL and `synchronous=FULL`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ring::digest::{SHA256, digest};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::line;
use crate::action::{canonical, plain};
use crate::line::rate;
use crate::machine::{self, SYNCS, monotonic};

const SCHEMA: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE approvals(id INTEGER PRIMARY KEY, tool TEXT NOT NULL, args TEXT NOT NULL,
        digest BLOB NOT NULL, status TEXT NOT NULL, at INTEGER NOT NULL) STRICT;";
pub(super) const DECIDE: &str =
    "UPDATE approvals SET status='approved', at=?2 WHERE id=?1 AND status='pending'";
pub(super) const CONSUME: &str =
    "UPDATE approvals SET status='consumed', at=?2 WHERE id=?1 AND status='approved'";

pub(super) fn open(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("floor.db")).expect("a database");
    connection.execute_batch(SCHEMA).expect("a table");
    connection
}

pub(super) fn insert(connection: &Connection, i: u64) {
    let arguments = canonical(i);
    let digest = digest(&SHA256, arguments.as_bytes());
    let sql = "INSERT INTO approvals VALUES (?1, 'refund', ?2, ?3, 'pending', ?4)";
    let mut statement = connection.prepare_cached(sql).expect("prepared");
    let row = params![i as i64, arguments, digest.as_ref(), monotonic() as i64];
    statement.execute(row).expect("inserted");
}

pub(super) fn update(connection: &Connection, sql: &str, i: u64) {
    let mut statement = connection.prepare_cached(sql).expect("prepared");
    let changed = statement.execute(params![i as i64, monotonic() as i64]);
    assert_eq!(changed.expect("updated"), 1);
}

const END: &str = "UPDATE approvals SET status='done', at=?2 WHERE id=?1 AND status='consumed'";

pub(super) fn measure(n: u64) {
    one_by_one("sqlite_3_commits", n, false);
    // As many as ours makes: how it ended is on record, too.
    one_by_one("sqlite_4_commits", n, true);
    by_64(n);
    raw(n);
}

/// One commit for each step of an approval; the waiter is woken in the same process.
fn one_by_one(variant: &str, n: u64, end: bool) {
    let (runtime, folder) = (machine::runtime(), machine::folder());
    let (sync_us, before) = (machine::sync_us(folder.path()), machine::syncs(SYNCS));
    let store = Arc::new(Mutex::new(open(folder.path())));
    let start = Instant::now();
    let mut waiting = Vec::new();
    for i in 0..n {
        insert(&store.lock().expect("not poisoned"), i);
        let (wake, woken) = oneshot::channel::<()>();
        let store = Arc::clone(&store);
        let waiter = runtime.spawn(async move {
            woken.await.expect("woken");
            update(&store.lock().expect("not poisoned"), CONSUME, i);
            let began = monotonic();
            assert!(plain(&canonical(i)), "it ran");
            if end {
                update(&store.lock().expect("not poisoned"), END, i);
            }
            began
        });
        waiting.push((wake, waiter));
    }
    let asked = start.elapsed();
    let mut samples = Vec::new();
    for (i, (wake, waiter)) in (0..n).zip(waiting) {
        let decided = monotonic();
        update(&store.lock().expect("not poisoned"), DECIDE, i);
        wake.send(()).expect("it waits");
        samples.push(runtime.block_on(waiter).expect("no panic") - decided);
    }
    let (took, n) = (start.elapsed(), n as f64);
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    store
        .lock()
        .expect("not poisoned")
        .execute_batch(truncate)
        .expect("a checkpoint");
    line("W2", variant)
        .stored()
        .with("n", n)
        .syncs(SYNCS, before, n)
        .with("per_s", rate(n, took))
        .with("request_per_s", rate(n, asked))
        .with("decide_per_s", rate(n, took - asked))
        .times("wake_", &mut samples)
        .with("bytes_per", machine::bytes_in(folder.path()) / n)
        .memory()
        .with("fdatasync_us", sync_us)
        .print();
}

/// 64 approvals share each commit.
fn by_64(n: u64) {
    let folder = machine::folder();
    let (sync_us, before) = (machine::sync_us(folder.path()), machine::syncs(SYNCS));
    let store = open(folder.path());
    let start = Instant::now();
    for step in 0..3 {
        for first in (0..n).step_by(64) {
            store.execute_batch("BEGIN IMMEDIATE").expect("begun");
            for i in first..(first + 64).min(n) {
                match step {
                    0 => insert(&store, i),
                    1 => update(&store, DECIDE, i),
                    _ => update(&store, CONSUME, i),
                }
            }
            store.execute_batch("COMMIT").expect("committed");
        }
    }
    let (took, n) = (start.elapsed(), n as f64);
    line("W2", "sqlite_group_commit_64")
        .stored()
        .with("n", n)
        .syncs(SYNCS, before, n)
        .with("per_s", rate(n, took))
        .with("fdatasync_us", sync_us)
        .print();
}

/// A plain file, three appends and three syncs an approval.
fn raw(n: u64) {
    let folder = machine::folder();
    let (sync_us, before) = (machine::sync_us(folder.path()), machine::syncs(SYNCS));
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    let mut file = options.open(folder.path().join("log")).expect("a file");
    let start = Instant::now();
    for i in 0..n {
        let arguments = canonical(i);
        for _ in 0..3 {
            file.write_all(arguments.as_bytes()).expect("written");
            file.sync_data().expect("synced");
        }
    }
    let (took, n) = (start.elapsed(), n as f64);
    line("W2", "raw_3_fdatasync")
        .stored()
        .with("n", n)
        .syncs(SYNCS, before, n)
        .with("per_s", rate(n, took))
        .with("fdatasync_us", sync_us)
        .print();
}
