//! Threat 47: many small calls are one large one. A budget sums them up, in the transaction that
//! lets them through.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::{Agent, ApprovalError, Code, Gate, requires_approval};
use tokio::task::JoinSet;

use support::disk::Disk;
use support::house::House;
use support::{bot, count, verify};

/// How many replicas were made that nobody approved.
#[derive(Debug, Clone, Default)]
struct Made(Arc<AtomicU64>);

#[requires_approval(scope = "k8s.scale", skip(made))]
async fn scale(made: Made, replicas: i64) -> Result<(), ApprovalError> {
    made.0
        .fetch_add(u64::try_from(replicas).unwrap(), Ordering::SeqCst);
    Ok(())
}

fn rule(max: u64, by: &str) -> String {
    format!(
        "[[rule]]\nid = \"small\"\nscope = \"k8s.scale\"\nwhen = {{ \"args.replicas\" = {{ le = 10 }} }}\neffect = \"auto\"\nbudget = {{ arg = \"args.replicas\", max = {max}, per = \"d\", by = \"{by}\" }}\n"
    )
}

async fn call(gate: &Gate, agent: Agent, made: &Made, replicas: i64) -> Result<(), Code> {
    let agent = agent.wait(Duration::from_millis(1));
    let called = gate.enter(agent, scale(made.clone(), replicas)).await;
    called.map_err(|error| error.code())
}

async fn flood(gates: &[Gate], calls: usize, replicas: i64, made: &Made) -> usize {
    let mut tasks = JoinSet::new();
    for number in 0..calls {
        let (gate, made) = (gates[number % gates.len()].clone(), made.clone());
        let agent = bot().run(number.to_string());
        tasks.spawn(async move { call(&gate, agent, &made, replicas).await });
    }
    let answers = tasks.join_all().await;
    let ran = answers.iter().filter(|answer| answer.is_ok()).count();
    let rest = answers.iter().filter(|answer| **answer != Ok(()));
    assert!(rest.into_iter().all(|answer| *answer == Err(Code::Pending)));
    ran
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_47_ten_times_nine_replicas_are_ninety() {
    let house = House::new().rules(&rule(50, "agent"));
    let gate = house.open().await;
    let made = Made::default();
    assert_eq!(flood(std::slice::from_ref(&gate), 10, 9, &made).await, 5);
    assert_eq!(made.0.load(Ordering::SeqCst), 45);
    // What is left is enough for a smaller one, and then for nothing.
    assert_eq!(call(&gate, bot(), &made, 6).await, Err(Code::Pending));
    assert_eq!(call(&gate, bot(), &made, 5).await, Ok(()));
    assert_eq!(call(&gate, bot(), &made, 1).await, Err(Code::Pending));
    assert_eq!(made.0.load(Ordering::SeqCst), 50);
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_47_two_hundred_at_once_over_three_processes_stay_within_it() {
    let house = House::new()
        .disk(&Disk::threaded())
        .rules(&rule(100, "all"));
    let gates = [house.open().await, house.open().await, house.open().await];
    let made = Made::default();
    assert_eq!(flood(&gates, 200, 3, &made).await, 33);
    assert_eq!(made.0.load(Ordering::SeqCst), 99);
    assert_eq!(count(&gates[0], "request.auto_approved").await, 33);
    let report = verify(&gates[0], house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn threat_47_a_budget_slides_and_survives_restarts_and_is_each_agents_own() {
    let house = House::new().rules(&rule(20, "agent"));
    let gate = house.open().await;
    let made = Made::default();
    let hour = Duration::from_secs(3_600);
    assert_eq!(call(&gate, bot(), &made, 10).await, Ok(()));
    tokio::time::sleep(12 * hour).await;
    assert_eq!(call(&gate, bot(), &made, 10).await, Ok(()));
    let gate = house.open().await;
    assert_eq!(call(&gate, bot(), &made, 1).await, Err(Code::Pending));
    let other = || Agent::new("other-bot").on_behalf_of("u_alice");
    assert_eq!(call(&gate, other(), &made, 10).await, Ok(()));
    tokio::time::sleep(11 * hour).await;
    assert_eq!(call(&gate, bot(), &made, 1).await, Err(Code::Pending));
    tokio::time::sleep(2 * hour).await;
    assert_eq!(call(&gate, bot(), &made, 10).await, Ok(()));
    assert_eq!(call(&gate, bot(), &made, 1).await, Err(Code::Pending));
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test(start_paused = true)]
async fn threat_47_what_a_budget_cannot_hold_asks_people_and_takes_nothing() {
    let gate = House::new().rules(&rule(20, "agent")).open().await;
    let made = Made::default();
    for replicas in [-1, -10, i64::MIN] {
        let asked = call(&gate, bot(), &made, replicas).await;
        assert_eq!(asked, Err(Code::Pending), "{replicas}");
    }
    // A negative number does not give anything back.
    assert_eq!(call(&gate, bot(), &made, 10).await, Ok(()));
    assert_eq!(call(&gate, bot(), &made, -10).await, Err(Code::Pending));
    assert_eq!(call(&gate, bot(), &made, 10).await, Ok(()));
    assert_eq!(call(&gate, bot(), &made, 1).await, Err(Code::Pending));
    assert_eq!(
        call(&gate, bot(), &made, 0).await,
        Ok(()),
        "nothing takes nothing"
    );
    assert_eq!(made.0.load(Ordering::SeqCst), 20);
}
