//! W4: many requests that wait at once, in memory: what each takes, and how long deciding all of them takes.

use std::time::Instant;

use approvals_core::ledger::LedgerKey;
use approvals_core::principal::IdentityKey;
use approvals_core::review::Evidence;
use approvals_core::testing::Everybody;
use approvals_core::{
    Agent, ApprovalError, Assurance, ForgetfulStore, Gate, Policy, Review, VerifiedApprover, Vote,
    requires_approval,
};

use crate::table::Table;

#[requires_approval(scope = "pay.refund", reason = "refund {order}")]
async fn refund(amount_cents: u64, order: String) -> Result<bool, ApprovalError> {
    Ok(amount_cents > 0 && !order.is_empty())
}

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    for n in [1_000, 10_000] {
        runtime.block_on(many(n, table));
    }
}

async fn many(n: usize, table: &mut Table) {
    let gate = open().await;
    let before = resident();
    let start = Instant::now();
    let tasks: Vec<_> = (0..n)
        .map(|i| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let agent = Agent::new(format!("bench-{i}")).on_behalf_of("u_alice");
                gate.enter(agent, refund(4_200, format!("ord_{i:08}")))
                    .await
            })
        })
        .collect();
    let mut asked = Vec::new();
    while asked.len() < n {
        tokio::task::yield_now().await;
        let all = gate.journal().read(move |reader| {
            let mut filter = approvals_core::ports::Filter::pending();
            filter.limit = n;
            reader.requests(&filter)
        });
        asked = all.await.expect("readable");
    }
    let requested = start.elapsed().as_secs_f64();
    let grown = resident().saturating_sub(before);
    let policy = gate.policy().digest();
    let mut digests = Vec::with_capacity(n);
    for row in &asked {
        let state = gate.journal().state(row.id).await.expect("readable");
        digests.push((row.id, state.expect("there").digest()));
    }
    let start = Instant::now();
    for (request, digest) in digests {
        let approver = VerifiedApprover::assertion(
            IdentityKey::new("test", "", "u_ops").expect("a name"),
            Assurance::A3,
            Evidence::new("test"),
        );
        let review = Review::new(approver, request, digest, policy, Vote::Approve);
        gate.review(review).await.expect("counted");
    }
    for task in tasks {
        assert!(task.await.expect("no panic").expect("approved"));
    }
    let decided = start.elapsed().as_secs_f64();
    table.row(
        &format!("W4 {n} pending: memory of each"),
        grown as f64 / n as f64,
        "B",
        "resident; request, records, waiting call",
    );
    table.row(&format!("W4 {n} pending: ask for all"), requested, "s", "");
    table.row(
        &format!("W4 {n} pending: decide and run all"),
        decided,
        "s",
        "one after another",
    );
}

async fn open() -> Gate {
    let text = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n";
    let groups = ["ops".parse().expect("a name")].into();
    Gate::builder()
        .policy(Policy::parse(text, &groups, &[]).expect("a policy"))
        .people(Everybody::new().member(
            "u_ops".parse().expect("a name"),
            "ops".parse().expect("a name"),
        ))
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::generate().expect("a key"),
            &"bench.invalid/log".parse().expect("a name"),
        )
        .open()
        .await
        .expect("a gate")
}

/// What this process has in memory now, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}
