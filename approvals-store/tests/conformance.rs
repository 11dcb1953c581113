//! The published suite, over SQLite.
#![cfg(feature = "sqlite")]

use std::cell::RefCell;

use approvals_core::testing::conformance;
use approvals_store::sqlite::SqliteStore;
use tempfile::TempDir;

#[test]
fn sqlite_keeps_every_promise() {
    let scratch = RefCell::new(Vec::new());
    conformance::check(|| {
        let directory = TempDir::new().unwrap();
        let store = SqliteStore::open(directory.path().join("approvals.db")).unwrap();
        scratch.borrow_mut().push(directory);
        store
    });
}

#[test]
fn sqlite_keeps_every_promise_to_processes_that_share_it() {
    let scratch = RefCell::new(Vec::new());
    conformance::check_shared(|| {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("approvals.db");
        scratch.borrow_mut().push(directory);
        (
            SqliteStore::open(&path).unwrap(),
            SqliteStore::open(&path).unwrap(),
        )
    });
}
