//! W2: asked, decided, used, ended, on SQLite; the signed log is in the same commits.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use approvals_core::{Card, Gate};
use approvals_store::sqlite::SqliteStore;

use super::{ASK, Approver, agent, ask, gate, line, new_key};
use crate::action::timed;
use crate::line::rate;
use crate::machine::{self, SYNCS, monotonic};

pub(super) fn measure(n: u64) {
    let runtime = machine::runtime();
    runtime.block_on(sequential(n));
    runtime.block_on(together(n.max(64 * 8)));
}

async fn open(folder: &Path) -> Gate {
    let store = SqliteStore::open(folder.join("ours.db")).expect("a store");
    gate(ASK, store, new_key()).await
}

/// Asks for number `i`, and leaves a call that waits for it.
async fn waiting(gate: &Gate, i: u64) -> (Card, tokio::task::JoinHandle<u64>) {
    let request = ask(gate, i).await;
    let waiter = {
        let gate = gate.clone();
        tokio::spawn(async move { gate.enter(agent(i), timed(i)).await })
    };
    (gate.card(request).await.expect("a card"), waiter)
}

/// One after the other: all are asked, then all are decided.
async fn sequential(n: u64) {
    let folder = machine::folder();
    let (sync_us, before) = (machine::sync_us(folder.path()), machine::syncs(SYNCS));
    let gate = open(folder.path()).await;
    let approver = Approver::believed();
    let start = Instant::now();
    let mut requests = Vec::new();
    for i in 0..n {
        requests.push(waiting(&gate, i).await);
    }
    let asked = start.elapsed();
    let mut samples = Vec::new();
    for (card, waiter) in requests {
        let review = approver.approve(&gate, &card);
        let decided = monotonic();
        gate.review(review).await.expect("counted");
        samples.push(waiter.await.expect("no panic") - decided);
    }
    let took = start.elapsed();
    gate.flush().await.expect("written");
    drop(gate);
    let n = n as f64;
    line("W2", "sqlite")
        .stored()
        .with("n", n)
        .syncs(SYNCS, before, n)
        .with("per_s", rate(n, took))
        .with("request_per_s", rate(n, asked))
        .with("decide_per_s", rate(n, took - asked))
        .times("wake_", &mut samples)
        .with("bytes_per", truncated(folder.path()) / n)
        .memory()
        .with("fdatasync_us", sync_us)
        .print();
}

/// 64 at once.
async fn together(n: u64) {
    let folder = machine::folder();
    let before = machine::syncs(SYNCS);
    let gate = open(folder.path()).await;
    let took = at_once(&gate, 0..n).await;
    let n = n as f64;
    line("W2", "sqlite_conc64")
        .stored()
        .with("n", n)
        .syncs(SYNCS, before, n)
        .with("per_s", rate(n, took))
        .memory()
        .print();
}

/// How long it takes until these were asked, decided and used by 64 callers; then all of it is written.
pub(super) async fn at_once(gate: &Gate, numbers: Range<u64>) -> Duration {
    let start = Instant::now();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let (gate, numbers) = (gate.clone(), numbers.clone());
            let approver = Approver::believed();
            tokio::spawn(async move {
                for i in numbers.skip(caller).step_by(64) {
                    let (card, waiter) = waiting(&gate, i).await;
                    let review = approver.approve(&gate, &card);
                    gate.review(review).await.expect("counted");
                    waiter.await.expect("no panic");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    let took = start.elapsed();
    gate.flush().await.expect("written");
    took
}

/// The bytes of the database, when its log of writes is folded in.
fn truncated(folder: &Path) -> f64 {
    let connection = rusqlite::Connection::open(folder.join("ours.db")).expect("readable");
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    let _: Result<i64, _> = connection.query_row(truncate, [], |row| row.get(0));
    machine::bytes_in(folder)
}
