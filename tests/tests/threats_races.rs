//! Threats 29, 30 and 32: one request, many hands, one outcome.

mod support;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use approvals_core::directory::{Directory, DirectoryError};
use approvals_core::lifecycle::{Event, Phase};
use approvals_core::request::Outcome;
use approvals_core::testing::TestGate;
use approvals_core::{
    Agent, ApprovalError, Approved, Code, Gate, IdentityKey, PersonId, RequestId, Standing, Status,
    Vote, approve, requires_approval,
};
use tokio::task::{JoinSet, yield_now};

use support::disk::Disk;
use support::house::{House, policy};
use support::people::{Crew, vote};
use support::{Effects, ask, bot, count, drop_table, events, hasty, kinds, verify};

/// How a round varies: who is held back, and for how many turns.
async fn hold_back(turns: usize) {
    for _ in 0..turns {
        yield_now().await;
    }
}

fn patient() -> Agent {
    bot().idempotency_key("k").wait(Duration::from_secs(30))
}

async fn run(gate: Gate, agent: Agent, effects: Effects) -> Result<usize, ApprovalError> {
    gate.enter(agent, drop_table(effects, "users".to_owned()))
        .await
}

// 29: veto skew.

/// The last approval, a denial and the call itself, at once.
async fn veto_round(round: usize) -> bool {
    let gate = House::new()
        .policy(policy(1, "").replace("n = 1", "n = 2"))
        .open()
        .await;
    let effects = Effects::default();
    let request = ask(&gate, patient(), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();

    let cast = |who: &'static str, verb: Vote, turns: usize| {
        let gate = gate.clone();
        async move {
            hold_back(turns).await;
            vote(&gate, who, request, verb)
                .await
                .map(|_| ())
                .map_err(|error| error.code())
        }
    };
    let mut votes = JoinSet::new();
    let approval = votes.spawn(cast("u_2", Vote::Approve, round % 5)).id();
    votes.spawn(cast("u_3", Vote::Deny, round / 5 % 7));
    let mut call = JoinSet::new();
    call.spawn(run(gate.clone(), patient(), effects.clone()));

    let ran = call.join_next().await.unwrap().unwrap();
    let (mut approved, mut denied) = (Ok(()), Ok(()));
    while let Some(answer) = votes.join_next_with_id().await {
        let (id, answer) = answer.unwrap();
        *(if id == approval {
            &mut approved
        } else {
            &mut denied
        }) = answer;
    }
    let events = events(&gate, request).await;
    let has = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let (denials, uses) = (
        has(|event| matches!(event, Event::Denied(_))),
        has(|event| matches!(event, Event::Consumed(_))),
    );
    assert_eq!(denials + uses, 1, "one end: {events:?}");
    assert_eq!(
        (effects.count(), ran.is_ok()),
        (uses, uses == 1),
        "round {round}"
    );
    match denied {
        Ok(()) => {
            assert_eq!(denials, 1, "a denial that counts before the use wins");
            assert_eq!(ran.unwrap_err().code(), Code::Denied);
            assert!(
                matches!(approved, Ok(()) | Err(Code::Denied)),
                "{approved:?}"
            );
        }
        Err(code) => assert_eq!((code, approved), (Code::AlreadyConsumed, Ok(()))),
    }
    assert!(verify(&gate, House::new().key()).await.passed());
    denials == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_29_a_denial_and_the_last_approval_have_one_outcome() {
    let mut denied = 0;
    for round in 0..210 {
        denied += usize::from(veto_round(round).await);
    }
    assert!(denied > 0, "a denial that came first was among them");
}

#[tokio::test(start_paused = true)]
async fn threat_29_a_denial_between_permit_and_use_wins() {
    use approvals_core::ApprovalGate;
    static CALL: approvals_core::action::GuardedFn = support::guarded("app.call");
    let (gate, _) = House::new().approving(&["u_1"]).await;
    let call = approvals_core::gate::Call::of(support::shown(&CALL, &1), bot()).unwrap();
    let permit = gate.authorize(call).await.unwrap();
    vote(&gate, "u_2", permit.request(), Vote::Deny)
        .await
        .unwrap();
    let request = permit.request();
    assert_eq!(permit.start().await.unwrap_err().code(), Code::Denied);
    assert_eq!(gate.card(request).await.unwrap().status, Status::Denied);
}

// 30: double consume.

/// Many tasks, over these gates, present the same call.
async fn claim(
    gates: &[Gate],
    effects: &Effects,
    tasks: usize,
) -> Vec<Result<usize, ApprovalError>> {
    let mut claims = JoinSet::new();
    for task in 0..tasks {
        let (gate, effects) = (gates[task % gates.len()].clone(), effects.clone());
        claims.spawn(async move {
            hold_back(task % 3).await;
            run(gate, patient(), effects).await
        });
    }
    claims.join_all().await
}

fn one_ran(answers: &[Result<usize, ApprovalError>], effects: &Effects) {
    assert_eq!(
        answers.iter().filter(|answer| answer.is_ok()).count(),
        1,
        "{answers:?}"
    );
    assert_eq!(effects.count(), 1);
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(error.code(), Code::AlreadyConsumed, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_30_sixteen_tasks_and_one_approval() {
    for round in 0..40 {
        let gate = House::new().open().await;
        let effects = Effects::default();
        let request = ask(&gate, patient(), &effects).await;
        let late = async {
            // In half of the rounds they wait for the decision, in the others it is there.
            if round % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        };
        let gates = [gate.clone()];
        let (answers, ()) = tokio::join!(claim(&gates, &effects, 16), late);
        one_ran(&answers, &effects);
        assert_eq!(count(&gate, "permit.consumed").await, 1);
        let replay = run(gate.clone(), patient(), effects.clone()).await;
        assert_eq!(replay.unwrap_err().code(), Code::AlreadyConsumed);
        assert_eq!(effects.count(), 1);
        assert!(verify(&gate, House::new().key()).await.passed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_30_three_processes_and_one_approval() {
    for _ in 0..8 {
        let house = House::new().disk(&Disk::threaded());
        let gates = [house.open().await, house.open().await, house.open().await];
        let effects = Effects::default();
        let request = ask(&gates[0], patient(), &effects).await;
        let late = async {
            vote(&gates[1], "u_1", request, Vote::Approve)
                .await
                .unwrap()
        };
        let (answers, _) = tokio::join!(claim(&gates, &effects, 24), late);
        one_ran(&answers, &effects);
        assert_eq!(count(&gates[2], "permit.consumed").await, 1);
        assert!(verify(&gates[0], house.key()).await.passed());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_30_a_restart_makes_nothing_usable_again() {
    let house = House::new();
    let effects = Effects::default();
    let gate = house.open().await;
    let request = ask(&gate, hasty().idempotency_key("k"), &effects).await;
    drop(gate);
    let gate = house.open().await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    drop(gate);
    let gate = house.open().await;
    assert_eq!(
        run(gate, hasty().idempotency_key("k"), effects.clone())
            .await
            .unwrap(),
        1
    );
    for _ in 0..2 {
        let gate = house.open().await;
        let replay = run(gate, hasty().idempotency_key("k"), effects.clone()).await;
        assert_eq!(replay.unwrap_err().code(), Code::AlreadyConsumed);
    }
    assert_eq!(effects.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_30_equal_calls_are_so_many_actions() {
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        calls.spawn(run(gate.gate().clone(), bot().run("r"), effects.clone()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = gate
        .gate()
        .list(approvals_core::ports::Filter::pending())
        .await
        .unwrap();
    assert_eq!(asked.len(), 16, "each of them asks");
    gate.decide("u_tester_1", asked[0].id, Vote::Approve, None)
        .await
        .unwrap();
    let answers = calls.join_all().await;
    assert_eq!(
        answers.iter().filter(|answer| answer.is_ok()).count(),
        1,
        "one approval, one run"
    );
    assert_eq!(effects.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn threat_30_one_permit_starts_once() {
    use approvals_core::ApprovalGate;
    static CALL: approvals_core::action::GuardedFn = support::guarded("app.call");
    let (gate, _) = House::new().approving(&["u_1"]).await;
    let permit = || async {
        let agent = bot().idempotency_key("k");
        let call = approvals_core::gate::Call::of(support::shown(&CALL, &1), agent).unwrap();
        gate.authorize(call).await
    };
    // Two permits for one approval: the store knows better.
    let (first, second) = (permit().await.unwrap(), permit().await.unwrap());
    assert_eq!(first.request(), second.request());
    let running = first
        .start()
        .await
        .unwrap()
        .check(support::shown(&CALL, &1))
        .unwrap();
    assert_eq!(
        second.start().await.unwrap_err().code(),
        Code::AlreadyConsumed
    );
    running.finish(Outcome::Succeeded).await.unwrap();
    assert_eq!(permit().await.unwrap_err().code(), Code::AlreadyConsumed);
}

// 32: cancelled run.

/// Takes its time in the body, too.
#[requires_approval(scope = "slow.drop", skip(effects))]
async fn slow(effects: Effects, table: String) -> Result<usize, ApprovalError> {
    let count = effects.happen();
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(count + table.len())
}

/// Polls a call so often, a second apart, and then drops it; tells whether it was done.
async fn poll_and_drop<F: Future>(call: F, polls: usize) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        if poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    false
}

async fn only_request(gate: &Gate) -> Option<RequestId> {
    let rows = gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap();
    assert!(rows.len() <= 1, "{rows:?}");
    rows.first().map(|row| row.id)
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_call_can_be_dropped_at_any_moment() {
    let mut ends = Vec::new();
    for polls in 0..16 {
        let gate = TestGate::script()
            .approve_after("*", Duration::from_secs(5))
            .start()
            .await;
        let effects = Effects::default();
        let call = gate.enter(bot(), slow(effects.clone(), "users".to_owned()));
        let done = poll_and_drop(call, polls).await;
        gate.gate().flush().await.unwrap();
        // Whatever people do from now on, nothing starts.
        let before = effects.count();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(effects.count(), before);
        let Some(request) = only_request(gate.gate()).await else {
            assert_eq!(
                (polls, before),
                (0, 0),
                "a call that was never polled asks nothing"
            );
            continue;
        };
        let state = gate.gate().journal().state(request).await.unwrap().unwrap();
        let end = match state.phase() {
            Phase::Cancelled => (0, "withdrawn"),
            Phase::Finished(Outcome::Unknown) => (1, "unknown"),
            Phase::Finished(Outcome::Succeeded) => (1, "done"),
            phase => panic!("dropped after {polls} polls: {phase:?}"),
        };
        assert_eq!(
            (before, done),
            (end.0, end.1 == "done"),
            "dropped after {polls} polls"
        );
        let late = gate
            .decide("u_tester_2", request, Vote::Approve, None)
            .await;
        let code = if end.0 == 0 {
            Code::Cancelled
        } else {
            Code::AlreadyConsumed
        };
        assert_eq!(late.unwrap_err().code(), code);
        ends.push(end.1);
    }
    ends.dedup();
    assert_eq!(
        ends,
        ["withdrawn", "unknown", "done"],
        "every moment was tried"
    );
}

#[tokio::test(start_paused = true)]
async fn threat_32_dropping_a_call_withdraws_it() {
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    let agent = || bot().idempotency_key("k");
    let call = gate.enter(agent(), drop_table(effects.clone(), "users".to_owned()));
    let _ = tokio::time::timeout(Duration::from_secs(5), call)
        .await
        .unwrap_err();
    gate.gate().flush().await.unwrap();
    let request = only_request(gate.gate()).await.unwrap();
    assert_eq!(
        kinds(gate.gate(), request).await.last().unwrap(),
        "request.cancelled"
    );
    for cast in [Vote::Approve, Vote::Deny] {
        let late = gate.decide("u_tester_1", request, cast, None).await;
        assert_eq!(late.unwrap_err().code(), Code::Cancelled);
    }
    let again = gate
        .enter(agent(), drop_table(effects.clone(), "users".to_owned()))
        .await;
    assert_eq!(again.unwrap_err().code(), Code::Cancelled);
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_withdrawn_request_takes_its_permits_along() {
    use approvals_core::ApprovalGate;
    static CALL: approvals_core::action::GuardedFn = support::guarded("app.call");
    let (gate, _) = House::new().approving(&["u_1"]).await;
    let call = || approvals_core::gate::Call::of(support::shown(&CALL, &1), bot()).unwrap();
    let permit = gate.authorize(call()).await.unwrap();
    gate.cancel(permit.request()).await.unwrap();
    assert_eq!(permit.start().await.unwrap_err().code(), Code::Cancelled);

    // A permit that nobody uses is withdrawn, too.
    let permit = gate.authorize(call()).await.unwrap();
    let request = permit.request();
    drop(permit);
    assert_eq!(gate.card(request).await.unwrap().status, Status::Cancelled);
}

#[derive(approvals_core::Action)]
#[action(scope = "typed.drop")]
struct DropTable {
    table: String,
}

#[tokio::test(start_paused = true)]
async fn threat_32_an_approved_action_that_is_dropped_is_withdrawn() {
    let gate = TestGate::approving();
    let approved: Approved<DropTable> = gate
        .enter(
            bot(),
            approve(DropTable {
                table: "users".to_owned(),
            }),
        )
        .await
        .unwrap();
    let request = approved.request();
    drop(approved);
    assert_eq!(
        kinds(gate.gate(), request).await.last().unwrap(),
        "request.cancelled"
    );

    let approved: Approved<DropTable> = gate
        .enter(
            bot(),
            approve(DropTable {
                table: "users".to_owned(),
            }),
        )
        .await
        .unwrap();
    let request = approved.request();
    gate.gate().cancel(request).await.unwrap();
    let ran: Result<usize, ApprovalError> = approved
        .run(|DropTable { table }| async move { Ok(table.len()) })
        .await;
    assert_eq!(ran.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_detached_call_stays_and_is_attached_to() {
    let house = House::new();
    let effects = Effects::default();
    let gate = house.open().await;
    let call = gate.detach(
        bot().run("r"),
        drop_table(effects.clone(), "users".to_owned()),
    );
    let _ = tokio::time::timeout(Duration::from_secs(5), call)
        .await
        .unwrap_err();
    gate.flush().await.unwrap();
    let request = only_request(&gate).await.unwrap();
    assert_eq!(kinds(&gate, request).await, ["request.created"]);
    drop(gate);

    // The process starts again.
    let gate = house.open().await;
    let decision = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    };
    let (ran, ()) = tokio::join!(run(gate.clone(), bot().run("r"), effects.clone()), decision);
    assert_eq!(ran.unwrap(), 1);
    assert_eq!(
        only_request(&gate).await,
        Some(request),
        "nobody was asked twice"
    );
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_32_who_attached_withdraws_it_by_leaving() {
    let house = House::new();
    let (gate, effects) = (house.open().await, Effects::default());
    let request = ask(&gate, bot().run("r"), &effects).await;
    let call = run(gate.clone(), bot().run("r"), effects.clone());
    let _ = tokio::time::timeout(Duration::from_secs(5), call)
        .await
        .unwrap_err();
    gate.flush().await.unwrap();
    let late = vote(&gate, "u_1", request, Vote::Approve).await;
    assert_eq!(late.unwrap_err().code(), Code::Cancelled);
}

/// A directory that takes a second for every answer.
#[derive(Debug)]
struct Slow(Crew);

#[async_trait::async_trait]
impl Directory for Slow {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.resolve(identity).await
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.standing(person).await
    }
}

#[tokio::test(start_paused = true)]
async fn threat_32_leaving_while_the_permit_is_used_withdraws_it() {
    for polls in 0..12 {
        let house = House::new().people(Slow(Crew::new()));
        let gate = house.open().await;
        let effects = Effects::default();
        let keyed = || bot().idempotency_key("k").wait(Duration::from_secs(60));
        let request = ask(&gate, keyed(), &effects).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        let done = poll_and_drop(run(gate.clone(), keyed(), effects.clone()), polls).await;
        gate.flush().await.unwrap();
        let state = gate.journal().state(request).await.unwrap().unwrap();
        match state.phase() {
            // It left before it could show that it is the same call.
            Phase::Approved { .. } => assert!(polls <= 2, "dropped after {polls} polls"),
            Phase::Cancelled => assert_eq!(effects.count(), 0),
            Phase::Finished(_) => assert!(done && effects.count() == 1),
            phase => panic!("dropped after {polls} polls: {phase:?}"),
        }
        assert!(verify(&gate, house.key()).await.passed());
    }
}
