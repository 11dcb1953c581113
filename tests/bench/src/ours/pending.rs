//! W4: many pending at once, on SQLite; all are asked, then all are decided with signatures.

use std::sync::Arc;
use std::time::Instant;

use approvals_core::{Gate, RequestId};
use approvals_store::sqlite::SqliteStore;

use super::{ASK, Approver, agent, ask, gate, line, new_key};
use crate::action::timed;
use crate::machine;

/// How many ask, and how many decide, at a time.
const AT_ONCE: u64 = 64;

pub(super) fn measure(n: u64) {
    let (runtime, folder) = (machine::runtime(), machine::folder());
    runtime.block_on(async {
        let store = SqliteStore::open(folder.path().join("ours.db")).expect("a store");
        let gate = gate(ASK, store, new_key()).await;
        let (before, start) = (machine::resident(), Instant::now());
        let requests = ask_all(&gate, n).await;
        let asked = start.elapsed();
        let waiters: Vec<_> = (0..n)
            .map(|i| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.enter(agent(i), timed(i)).await })
            })
            .collect();
        settle(&gate).await;
        let after = machine::resident();
        let bytes = machine::bytes_in(folder.path());
        let deciding = Instant::now();
        decide_all(&gate, requests).await;
        for waiter in waiters {
            waiter.await.expect("no panic");
        }
        let decided = deciding.elapsed();
        line("W4", "sqlite_signed")
            .stored()
            .with("n", n as f64)
            .with("rss_bytes_per", (after - before) / n as f64)
            .with("request_all_s", asked.as_secs_f64())
            .with("decide_all_s", decided.as_secs_f64())
            .with("store_bytes_per", bytes / n as f64)
            .with("peak_rss_mb", machine::peak() / 1_048_576.0)
            .print();
    });
}

async fn ask_all(gate: &Gate, n: u64) -> Vec<RequestId> {
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|caller| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let mut requests = Vec::new();
                for i in (caller..n).step_by(AT_ONCE as usize) {
                    requests.push(ask(&gate, i).await);
                }
                requests
            })
        })
        .collect();
    let mut requests = Vec::new();
    for task in tasks {
        requests.extend(task.await.expect("no panic"));
    }
    requests
}

/// Waits until the calls that wait have said so: until nothing moves any more.
async fn settle(gate: &Gate) {
    let mut used = machine::processor_us();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        gate.flush().await.expect("written");
        let now = machine::processor_us();
        if now - used < 50_000.0 {
            break;
        }
        used = now;
    }
}

async fn decide_all(gate: &Gate, requests: Vec<RequestId>) {
    let requests = Arc::new(requests);
    let tasks: Vec<_> = (0..AT_ONCE as usize)
        .map(|decider| {
            let (gate, requests) = (gate.clone(), Arc::clone(&requests));
            let approver = Approver::signing();
            tokio::spawn(async move {
                for request in requests.iter().skip(decider).step_by(AT_ONCE as usize) {
                    let card = gate.card(*request).await.expect("a card");
                    let review = approver.approve(&gate, &card);
                    gate.review(review).await.expect("counted");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}
