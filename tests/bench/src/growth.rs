//! What an operation costs as policy, pending requests and ledger grow; none may grow faster than
//! their logarithm.

use std::fmt::Write as _;
use std::time::Instant;

use approvals_core::ports::Filter;
use approvals_core::{ForgetfulStore, Gate};
use approvals_store::sqlite::SqliteStore;

use crate::action::call;
use crate::line::{percentile, since};
use crate::machine;
use crate::ours::{ASK, Approver, agent, ask, gate, integrity, line, new_key, size};

/// How often each operation is timed.
const TIMES: u64 = 200;

/// Numbers of calls that no other part of a measurement uses.
const FRESH: u64 = 1 << 40;

/// Measures up to 100,000 pending requests and a million records, or ten times as many.
pub(crate) fn measure(words: &[&str]) -> bool {
    let more = match words {
        [] => 1,
        ["--full"] => 10,
        _ => return false,
    };
    let runtime = machine::runtime();
    let mut curves = Vec::new();
    for rules in [10, 100, 1_000, 10_000] {
        runtime.block_on(against_rules(rules, &mut curves));
    }
    runtime.block_on(against_pending(100_000 * more, &mut curves));
    runtime.block_on(against_ledger(1_000_000 * more, &mut curves));
    print(&curves);
    true
}

/// One point: what grows, how large it is, the operation, and its microseconds.
struct Point(&'static str, u64, &'static str, f64);

/// A policy of so many rules, the last of which fits.
async fn against_rules(rules: u64, curves: &mut Vec<Point>) {
    let mut policy = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n".to_owned();
    for rule in 1..rules {
        let text = "[[rule]]\nid = \"r\"\nscope = \"tool.s\"\nrequire = [{ group = \"ops\" }]\n";
        let text = text.replace("\"r\"", &format!("\"r{rule}\""));
        policy.push_str(&text.replace("tool.s", &format!("tool.s{rule}")));
    }
    policy.push_str("[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\neffect = \"auto\"\n");
    let gate = gate(&policy, ForgetfulStore::new(), new_key()).await;
    let took = p50(async |i| allowed(&gate, i).await).await;
    curves.push(Point("rules", rules, "allowed call", took));
}

async fn allowed(gate: &Gate, i: u64) {
    let done = gate.enter(agent(FRESH + i), call(i)).await;
    assert!(done.expect("approved"), "it ran");
}

/// Refunds are asked about; reading is allowed.
async fn against_pending(most: u64, curves: &mut Vec<Point>) {
    let folder = machine::folder();
    let store = SqliteStore::open(folder.path().join("ours.db")).expect("a store");
    let gate = gate(ASK, store, new_key()).await;
    let (mut pending, mut step) = (0, 10);
    while step <= most {
        together(
            step - pending,
            async |gate: Gate, i| {
                ask(&gate, i + pending).await;
            },
            &gate,
        )
        .await;
        pending = step;
        operations("pending", pending, &gate, curves).await;
        step *= 10;
    }
}

/// Every refund is allowed, until the ledger is long.
async fn against_ledger(most: u64, curves: &mut Vec<Point>) {
    let folder = machine::folder();
    let path = folder.path().join("ours.db");
    let key = || approvals_core::ledger::LedgerKey::from_seed(&[7; 32]).expect("a key");
    let allow = format!(
        "{ASK}[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\nwhen = {{ agent = \"filler\" }}\neffect = \"auto\"\n"
    );
    let store = SqliteStore::open(path).expect("a store");
    let gate = gate(&allow, store, key()).await;
    let (mut done, mut step) = (0, 1_000);
    while step <= most {
        while size(&gate).await < step {
            let missing = (step - size(&gate).await).div_ceil(4).max(64);
            together(
                missing,
                async |gate: Gate, i| {
                    let filler = approvals_core::Agent::new("filler").on_behalf_of("u_alice");
                    assert!(
                        gate.enter(filler, call(i)).await.expect("approved"),
                        "it ran"
                    );
                },
                &gate,
            )
            .await;
            done += missing;
        }
        operations("records", step, &gate, curves).await;
        let records = size(&gate).await as f64;
        let each = 1e6 / integrity(&gate).await;
        curves.push(Point("records", step, "verify, each record", each));
        println!("records: {records} after {done} calls");
        step *= 10;
    }
}

/// Does something so often, 64 at a time.
async fn together<F>(times: u64, work: F, gate: &Gate)
where
    F: AsyncFn(Gate, u64),
{
    let lanes = (0..64.min(times)).map(|lane| {
        let work = &work;
        async move {
            for i in (lane..times).step_by(64) {
                work(gate.clone(), i).await;
            }
        }
    });
    futures_util::future::join_all(lanes).await;
}

/// Asking, deciding, listing and proving, at this size.
async fn operations(what: &'static str, at: u64, gate: &Gate, curves: &mut Vec<Point>) {
    let base = FRESH + at * TIMES;
    let mut asked = Vec::new();
    let took = p50(async |i| asked.push(ask(gate, base + i).await)).await;
    curves.push(Point(what, at, "ask", took));
    let approver = Approver::signing();
    let mut reviews = Vec::new();
    for request in &asked {
        let card = gate.card(*request).await.expect("a card");
        reviews.push(approver.approve(gate, &card));
    }
    let mut reviews = reviews.into_iter();
    let took = p50(async |_| {
        let review = reviews.next().expect("one for each");
        gate.review(review).await.expect("counted");
    })
    .await;
    curves.push(Point(what, at, "decide", took));
    let took = p50(async |_| {
        gate.list(Filter::pending()).await.expect("a list");
    })
    .await;
    curves.push(Point(what, at, "list", took));
    let mut asked = asked.into_iter();
    let took = p50(async |_| {
        let request = asked.next().expect("one for each");
        gate.receipt(request).await.expect("a receipt");
    })
    .await;
    curves.push(Point(what, at, "receipt", took));
}

async fn p50(mut work: impl AsyncFnMut(u64)) -> f64 {
    let mut samples = Vec::new();
    for i in 0..TIMES {
        let start = Instant::now();
        work(i).await;
        samples.push(since(start));
    }
    percentile(&mut samples, 0.5)
}

fn print(curves: &[Point]) {
    let mut names: Vec<_> = curves.iter().map(|point| (point.0, point.2)).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    println!("\n| what grows | operation | µs at each size | growth over all |\n|---|---|---|---|");
    for (what, operation) in names {
        let points = curves
            .iter()
            .filter(|point| (point.0, point.2) == (what, operation));
        let points: Vec<_> = points.map(|point| (point.1 as f64, point.3)).collect();
        let mut row = String::new();
        for (at, took) in &points {
            write!(row, "10^{:.0}: {took:.1}  ", at.log10()).expect("memory");
            line("growth", operation)
                .with(what, *at)
                .with("p50_us", *took)
                .print();
        }
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            continue;
        };
        let times = last.1 / first.1;
        println!(
            "| {what} | {operation} | {row}| {times:.1} × for {:.0} × |",
            last.0 / first.0
        );
    }
}
