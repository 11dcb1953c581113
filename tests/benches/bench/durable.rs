//! Durable approvals on SQLite: asked, decided, used, ended, each durable before the next.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use approvals_core::ledger::LedgerKey;
use approvals_core::principal::IdentityKey;
use approvals_core::review::Evidence;
use approvals_core::testing::Everybody;
use approvals_core::{
    Agent, ApprovalError, Assurance, Gate, Policy, Review, VerifiedApprover, Vote,
    requires_approval,
};
use approvals_store::sqlite::SqliteStore;

use crate::floor;
use crate::table::{Table, percentile};

#[requires_approval(scope = "pay.refund", reason = "refund {order}")]
async fn refund(amount_cents: u64, order: String) -> Result<bool, ApprovalError> {
    // Absent when the call only asks, and then the body does not run.
    let _ = BEGAN.try_with(|began| began.set(Instant::now()));
    Ok(amount_cents > 0)
}

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    let sync = floor::sync_ms(dir.path());
    table.row(
        "floor: append 500 B + fdatasync, p50",
        sync,
        "ms",
        "raw file",
    );
    let one = floor::sqlite_per_second(dir.path(), 1, 400);
    let batch = floor::sqlite_per_second(dir.path(), 256, 60);
    table.row(
        "floor: SQLite, 1 record a commit",
        one,
        "/s",
        "WAL, synchronous=FULL",
    );
    table.row(
        "floor: SQLite, 256 records a commit",
        batch,
        "/s",
        "WAL, synchronous=FULL",
    );
    runtime.block_on(async {
        let mut alone = 0.0;
        for (callers, each) in [(1, 150), (64, 12), (256, 6)] {
            if std::env::var("BENCH_CALLERS").is_ok_and(|only| only != callers.to_string()) {
                continue;
            }
            let run = run(dir.path(), callers, each).await;
            let name = format!("SQLite, {callers} callers");
            table.row(
                &format!("{name}: approvals"),
                run.approvals,
                "/s",
                "asked, decided, used, ended",
            );
            table.row(
                &format!("{name}: records"),
                run.records,
                "/s",
                "each under a signed head and a returned sync",
            );
            table.row(
                &format!("{name}: decision to first statement, p50"),
                run.wake_ms,
                "ms",
                format!("{:.1} syncs of the raw file", run.wake_ms / sync),
            );
            table.row(
                &format!("{name}: bytes an approval"),
                run.bytes,
                "B",
                "database after a checkpoint, log included",
            );
            match callers {
                1 => {
                    alone = run.records;
                    table.row(
                        "G1: one caller / raw one-record commits",
                        run.records / one,
                        "x",
                        "goal 0.40",
                    );
                }
                64 => table.row(
                    "G2: 64 callers / one caller",
                    run.records / alone,
                    "x",
                    "goal 15",
                ),
                _ => table.row(
                    "G3: 256 callers / raw batches of 256",
                    run.records / batch,
                    "x",
                    "goal 0.50",
                ),
            }
            assert!(
                run.covered,
                "G6: the signed head covers every acknowledged record"
            );
            table.row(
                &format!("G6: {name}: records under the signed head"),
                100.0,
                "%",
                "asserted",
            );
        }
    });
}

struct Run {
    approvals: f64,
    records: f64,
    wake_ms: f64,
    bytes: f64,
    covered: bool,
}

async fn run(dir: &Path, callers: usize, each: usize) -> Run {
    let path = dir.join(format!("ours-{callers}.db"));
    let gate = open(&path).await;
    let before = size(&gate).await;
    let wakes = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (gate, wakes) = (gate.clone(), Arc::clone(&wakes));
            tokio::spawn(async move {
                for number in 0..each {
                    one(&gate, caller, number, &wakes).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let seconds = start.elapsed().as_secs_f64();
    let written = size(&gate).await - before;
    let report = gate.journal().verify().await.expect("readable");
    let total = (callers * each) as f64;
    drop(gate);
    Run {
        approvals: total / seconds,
        records: written as f64 / seconds,
        wake_ms: percentile(&mut wakes.lock().expect("not poisoned"), 0.5),
        bytes: bytes(&path) / total,
        covered: report.passed(),
    }
}

/// One approval: asked until it is stored, then waited for, decided, used, ended.
async fn one(gate: &Gate, caller: usize, number: usize, wakes: &Mutex<Vec<f64>>) {
    let agent = Agent::new(format!("bench-{caller}"))
        .on_behalf_of("u_alice")
        .tool_call(format!("{caller}-{number}"));
    let order = format!("ord_{caller:04}_{number:06}");
    let stored = gate
        .enter(
            agent.clone().wait(Duration::ZERO),
            refund(4_200, order.clone()),
        )
        .await;
    let request = stored
        .expect_err("nobody has decided")
        .request()
        .expect("it is stored");
    let waiter = gate.clone();
    let waiting = tokio::spawn(async move { waiter.enter(agent, started(order)).await });
    let card = gate.card(request).await.expect("a card");
    let approver = VerifiedApprover::assertion(
        IdentityKey::new("test", "", "u_ops").expect("a name"),
        Assurance::A3,
        Evidence::new("test"),
    );
    let review = Review::new(
        approver,
        card.request,
        card.digest,
        card.policy,
        Vote::Approve,
    );
    let start = Instant::now();
    gate.review(review).await.expect("counted");
    let began = waiting.await.expect("no panic");
    wakes
        .lock()
        .expect("not poisoned")
        .push(began.saturating_duration_since(start).as_secs_f64() * 1e3);
}

tokio::task_local! {
    static BEGAN: std::cell::Cell<Instant>;
}

/// When the first statement of the body ran.
async fn started(order: String) -> Instant {
    BEGAN
        .scope(std::cell::Cell::new(Instant::now()), async move {
            assert!(refund(4_200, order).await.expect("approved"));
            BEGAN.with(std::cell::Cell::get)
        })
        .await
}

async fn open(path: &Path) -> Gate {
    let text = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n";
    let groups = ["ops".parse().expect("a name")].into();
    Gate::builder()
        .policy(Policy::parse(text, &groups, &[]).expect("a policy"))
        .people(Everybody::new().member(
            "u_ops".parse().expect("a name"),
            "ops".parse().expect("a name"),
        ))
        .store(SqliteStore::open(path).expect("a store"))
        .ledger_key(
            LedgerKey::generate().expect("a key"),
            &"bench.invalid/log".parse().expect("a name"),
        )
        .open()
        .await
        .expect("a gate")
}

async fn size(gate: &Gate) -> u64 {
    gate.journal()
        .read(|reader| reader.head())
        .await
        .expect("readable")
        .frontier
        .size()
}

fn bytes(path: &Path) -> f64 {
    let connection = rusqlite::Connection::open(path).expect("readable");
    let _: Result<i64, _> =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    std::fs::metadata(path).map_or(f64::NAN, |meta| meta.len() as f64)
}
