//! Several gates on one ledger: a decision made through one wakes the call that waits at another.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::time::{Duration, Instant};

use approvals_core::{Agent, Code, Gate, Vote};
use support::{Effects, bot, decide, drop_table, home, pending};
use tempfile::TempDir;

async fn two_gates(directory: &TempDir) -> (Gate, Gate) {
    let home = home(&directory.path().join("home"));
    let one = home.gate().unwrap().open().await.unwrap();
    let other = home.gate().unwrap().open().await.unwrap();
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_through_one_gate_wakes_a_call_at_another() {
    let directory = TempDir::new().unwrap();
    let (one, other) = two_gates(&directory).await;
    let mut waits = Vec::new();
    for (round, vote) in (0..12).zip(
        [Vote::Approve, Vote::Approve, Vote::Deny]
            .into_iter()
            .cycle(),
    ) {
        let effects = Effects::default();
        // An agent of its own: what one was denied, it cannot ask again for a while.
        let agent = Agent::new(format!("bot-{round}")).on_behalf_of("u_alice");
        let call = one.enter(agent, drop_table(effects.clone(), "users".into()));
        let decision = async {
            let request = pending(&other).await;
            // Let it wait in earnest first.
            tokio::time::sleep(Duration::from_millis(30)).await;
            decide(&other, request, vote).await.unwrap();
            Instant::now()
        };
        let (ended, decided) = tokio::join!(async { (call.await, Instant::now()) }, decision);
        let (result, at) = ended;
        match vote {
            Vote::Approve => assert_eq!(result.unwrap(), 1),
            Vote::Deny => assert_eq!(result.unwrap_err().code(), Code::Denied),
        }
        assert_eq!(effects.count(), usize::from(vote == Vote::Approve));
        waits.push(at.saturating_duration_since(decided));
    }
    waits.sort();
    let worst = waits.last().copied().unwrap();
    println!(
        "from decision to the end of the call, across gates: median {:?}, worst {worst:?}",
        waits[waits.len() / 2]
    );
    // The goal is 100 ms; a busy machine is given more.
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    for gate in [one, other] {
        let report = gate.journal().verify().await.unwrap();
        assert!(report.passed(), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_through_one_gate_ends_a_call_at_another() {
    let directory = TempDir::new().unwrap();
    let (one, other) = two_gates(&directory).await;
    let effects = Effects::default();
    let call = one.enter(bot(), drop_table(effects.clone(), "users".into()));
    let withdrawal = async {
        let request = pending(&other).await;
        other.cancel(request).await.unwrap();
    };
    let (result, ()) = tokio::join!(call, withdrawal);
    assert_eq!(result.unwrap_err().code(), Code::Cancelled);
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_approval_is_used_once_whoever_asks() {
    let directory = TempDir::new().unwrap();
    let (one, other) = two_gates(&directory).await;
    let effects = Effects::default();
    let agent = || bot().idempotency_key("the same call");
    let call = |gate: &Gate| {
        let (gate, effects) = (gate.clone(), effects.clone());
        async move {
            gate.enter(agent(), drop_table(effects, "users".into()))
                .await
        }
    };
    let decision = async {
        let request = pending(&other).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        decide(&other, request, Vote::Approve).await.unwrap();
    };
    let (a, b, c, ()) = tokio::join!(call(&one), call(&other), call(&one), decision);
    let results = [a, b, c];
    assert_eq!(
        results.iter().filter(|result| result.is_ok()).count(),
        1,
        "{results:?}"
    );
    assert_eq!(effects.count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.code(), Code::AlreadyConsumed, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_open_while_others_write() {
    let directory = TempDir::new().unwrap();
    let home = home(&directory.path().join("home"));
    let writer = home.gate().unwrap().open().await.unwrap();
    let asking = async {
        for number in 0..60 {
            let agent = bot()
                .tool_call(number.to_string())
                .wait(Duration::from_millis(1));
            let error = writer
                .enter(agent, drop_table(Effects::default(), "users".into()))
                .await
                .unwrap_err();
            assert_eq!(error.code(), Code::Pending, "{error}");
        }
    };
    let opening = async {
        for _ in 0..40 {
            home.gate().unwrap().open().await.unwrap();
        }
    };
    tokio::join!(asking, opening);
    let report = writer.journal().verify().await.unwrap();
    assert!(report.passed(), "{report:?}");
}
