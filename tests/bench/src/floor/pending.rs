//! W4: tasks that wait on a channel, alone and with rows of SQLite behind them.

use std::time::Instant;

use tokio::sync::oneshot;

use super::line;
use super::sqlite::{CONSUME, DECIDE, insert, open, update};
use crate::action::{canonical, plain};
use crate::machine;

pub(super) fn measure(n: u64) {
    tasks(n);
    tasks_and_rows(n);
}

type Waiting = (oneshot::Sender<bool>, tokio::task::JoinHandle<bool>);

fn tasks(n: u64) {
    let runtime = machine::runtime();
    let (before, start) = (machine::resident(), Instant::now());
    let waiting: Vec<Waiting> = (0..n).map(|i| wait(&runtime, i)).collect();
    let (asked, after) = (start.elapsed(), machine::resident());
    let deciding = Instant::now();
    finish(&runtime, waiting);
    line("W4", "tokio_tasks")
        .with("n", n as f64)
        .with("rss_bytes_per", (after - before) / n as f64)
        .with("request_all_s", asked.as_secs_f64())
        .with("decide_all_s", deciding.elapsed().as_secs_f64())
        .with("peak_rss_mb", machine::peak() / 1_048_576.0)
        .print();
}

fn tasks_and_rows(n: u64) {
    let (runtime, folder) = (machine::runtime(), machine::folder());
    let store = open(folder.path());
    let (before, start) = (machine::resident(), Instant::now());
    let mut waiting = Vec::new();
    for first in (0..n).step_by(64) {
        store.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for i in first..(first + 64).min(n) {
            insert(&store, i);
            waiting.push(wait(&runtime, i));
        }
        store.execute_batch("COMMIT").expect("committed");
    }
    let (asked, after) = (start.elapsed(), machine::resident());
    store
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("a checkpoint");
    let bytes = machine::bytes_in(folder.path());
    let deciding = Instant::now();
    for first in (0..n).step_by(64) {
        for sql in [DECIDE, CONSUME] {
            store.execute_batch("BEGIN IMMEDIATE").expect("begun");
            (first..(first + 64).min(n)).for_each(|i| update(&store, sql, i));
            store.execute_batch("COMMIT").expect("committed");
        }
    }
    finish(&runtime, waiting);
    line("W4", "tokio_plus_sqlite_group_commit")
        .stored()
        .with("n", n as f64)
        .with("rss_bytes_per", (after - before) / n as f64)
        .with("request_all_s", asked.as_secs_f64())
        .with("decide_all_s", deciding.elapsed().as_secs_f64())
        .with("store_bytes_per", bytes / n as f64)
        .with("peak_rss_mb", machine::peak() / 1_048_576.0)
        .print();
}

fn wait(runtime: &tokio::runtime::Runtime, i: u64) -> Waiting {
    let (wake, woken) = oneshot::channel();
    let arguments = canonical(i);
    let waiter = runtime.spawn(async move { woken.await.expect("woken") && plain(&arguments) });
    (wake, waiter)
}

fn finish(runtime: &tokio::runtime::Runtime, waiting: Vec<Waiting>) {
    let mut waiters = Vec::with_capacity(waiting.len());
    for (wake, waiter) in waiting {
        wake.send(true).expect("it waits");
        waiters.push(waiter);
    }
    runtime.block_on(async {
        for waiter in waiters {
            assert!(waiter.await.expect("no panic"), "it ran");
        }
    });
}
