//! W1: a guarded call that policy allows, and one that is asked and approved at once, in memory.

use std::hint::black_box;
use std::time::Instant;

use approvals_core::ledger::LedgerKey;
use approvals_core::testing::{Everybody, TestGate};
use approvals_core::{Agent, ApprovalError, ForgetfulStore, Gate, Policy, requires_approval};

use crate::table::{Table, percentile};

#[requires_approval(scope = "pay.refund", reason = "refund {order}")]
async fn refund(
    amount_cents: u64,
    currency: &str,
    customer: String,
    order: String,
    reason: &str,
    ticket: String,
) -> Result<bool, ApprovalError> {
    Ok(plain(
        amount_cents,
        currency,
        &customer,
        &order,
        reason,
        &ticket,
    ))
}

#[inline(never)]
fn plain(
    amount_cents: u64,
    currency: &str,
    customer: &str,
    order: &str,
    reason: &str,
    ticket: &str,
) -> bool {
    black_box((amount_cents, currency, customer, order, reason, ticket));
    true
}

const WORDS: &str = "item arrived damaged, photos attached to ticket";

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let unguarded = time(20_000, |i| async move {
            black_box(plain(
                4_200 + i % 1_000,
                "EUR",
                &format!("cus_{i:08}"),
                &format!("ord_{i:08}"),
                WORDS,
                &format!("T-{i:08}"),
            ));
        })
        .await;
        table.row(
            "W1 unguarded call, p50",
            unguarded,
            "ns",
            "the same call, with its arguments built",
        );
        let oneshot = time(20_000, |i| async move {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            tokio::spawn(async move { sender.send(i) });
            black_box(receiver.await.ok());
        })
        .await;
        table.row(
            "W1 bare tokio oneshot round trip, p50",
            oneshot,
            "ns",
            "a task that answers, and nothing else",
        );
        let gate = allowing().await;
        let allowed = guarded(
            &gate,
            std::env::var("BENCH_N")
                .ok()
                .and_then(|n| n.parse().ok())
                .unwrap_or(20_000),
        )
        .await;
        table.row(
            "W1 guarded call that policy allows, p50",
            allowed,
            "ns",
            "four full records, hashed, in memory",
        );
        table.row("W1 allowed / oneshot", allowed / oneshot, "x", "");
        let test = TestGate::approving();
        let asked = guarded(test.gate(), 3_000).await;
        table.row(
            "W1 guarded call, asked and approved at once, p50",
            asked,
            "ns",
            "card, review, quorum, six records",
        );
    });
}

async fn allowing() -> Gate {
    let text = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\neffect = \"auto\"\n";
    let groups = ["ops".parse().expect("a name")].into();
    Gate::builder()
        .policy(Policy::parse(text, &groups, &[]).expect("a policy"))
        .people(Everybody::new())
        .store(ForgetfulStore::new())
        .ledger_key(
            LedgerKey::generate().expect("a key"),
            &"bench.invalid/log".parse().expect("a name"),
        )
        .open()
        .await
        .expect("a gate")
}

async fn guarded(gate: &Gate, n: u64) -> f64 {
    let agent = Agent::new("bench").on_behalf_of("u_alice");
    gate.enter(agent, async {
        time(n, |i| async move {
            let done = refund(
                4_200 + i % 1_000,
                "EUR",
                format!("cus_{i:08}"),
                format!("ord_{i:08}"),
                WORDS,
                format!("T-{i:08}"),
            )
            .await;
            assert!(done.expect("approved"));
        })
        .await
    })
    .await
}

async fn time<F: Future<Output = ()>>(n: u64, call: impl Fn(u64) -> F) -> f64 {
    let mut samples = Vec::with_capacity(n as usize);
    for i in 0..n {
        let start = Instant::now();
        call(i).await;
        samples.push(start.elapsed().as_nanos() as f64);
    }
    percentile(&mut samples, 0.5)
}
