//! Threats 26 and 27, and the three clocks: each of them ends in a no.

mod support;

use std::time::Duration;

use approvals_core::clock::Clock as _;
use approvals_core::lifecycle::Event;
use approvals_core::ports::Filter;
use approvals_core::testing::TestGate;
use approvals_core::{Code, Gate, RequestId, Status, Vote};

use support::house::House;
use support::people::vote;
use support::trap::{HandClock, Lasting};
use support::{Effects, ask, bot, drop_table, hasty, kinds};

const MINUTE: Duration = Duration::from_secs(60);
const MICRO: Duration = Duration::from_micros(1);

async fn go_on(
    gate: &Gate,
    agent: approvals_core::Agent,
    effects: &Effects,
) -> Result<usize, Code> {
    let call = drop_table(effects.clone(), "users".to_owned());
    // The clock of the house may stand still, so that only the test's own time ends a wait.
    let call = tokio::time::timeout(24 * 60 * MINUTE, gate.enter(agent, call));
    let answer = call.await.expect("an answer");
    answer.map_err(|error| error.code())
}

/// A house with a clock that the test moves.
async fn house() -> (House, Gate, HandClock, Effects) {
    let clock = HandClock::new();
    let house = House::new().clock(clock.clone());
    let gate = house.open().await;
    (house, gate, clock, Effects::default())
}

/// A request of an agent that goes away at once. The clock of these houses stands still, so the
/// agent leaves by being stopped; its request stays.
async fn left(gate: &Gate, agent: approvals_core::Agent, effects: &Effects) -> RequestId {
    let call = gate.detach(agent, drop_table(effects.clone(), "users".to_owned()));
    let _ = tokio::time::timeout(Duration::from_secs(1), call)
        .await
        .expect_err("it waits");
    gate.list(Filter::all()).await.unwrap()[0].id
}

// 26: expiry under lock.

#[tokio::test(start_paused = true)]
async fn threat_26_a_lock_held_past_the_deadline_ends_in_expiry() {
    let (house, gate, clock, effects) = house().await;
    let request = left(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    clock.advance(15 * MINUTE - Duration::from_secs(2));

    // Whoever waits for the lock from now on gets it when the approval is over.
    let slow = clock.clone();
    house
        .disk
        .while_locked(move || slow.advance(Duration::from_secs(1)));
    assert_eq!(
        go_on(&gate, bot().idempotency_key("k"), &effects).await,
        Err(Code::Expired)
    );
    assert_eq!(effects.count(), 0);
    let kinds = kinds(&gate, request).await;
    assert!(!kinds.contains(&"permit.consumed".to_owned()), "{kinds:?}");
    assert!(kinds.contains(&"request.expired".to_owned()), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn threat_26_a_vote_that_waits_for_the_lock_is_late() {
    let (house, gate, clock, effects) = house().await;
    let request = left(&gate, bot().idempotency_key("k"), &effects).await;
    clock.advance(15 * MINUTE - MICRO);
    let slow = clock.clone();
    house.disk.while_locked(move || slow.advance(MICRO));
    let late = vote(&gate, "u_1", request, Vote::Approve).await;
    assert_eq!(late.unwrap_err().code(), Code::Expired);
    assert_eq!(
        kinds(&gate, request).await,
        ["request.created", "request.expired", "review.refused"]
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_26_the_last_moment_counts_and_the_next_does_not() {
    for (after, want) in [
        (15 * MINUTE - MICRO, Ok(1)),
        (15 * MINUTE, Err(Code::Expired)),
        (15 * MINUTE + MICRO, Err(Code::Expired)),
    ] {
        let (_, gate, clock, effects) = house().await;
        let request = left(&gate, bot().idempotency_key("k"), &effects).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        clock.advance(after);
        assert_eq!(
            go_on(&gate, bot().idempotency_key("k"), &effects).await,
            want,
            "{after:?}"
        );
    }
}

/// Time passes between the permit and its use.
#[tokio::test(start_paused = true)]
async fn threat_26_a_permit_in_the_hand_goes_stale() {
    use approvals_core::ApprovalGate;
    static CALL: approvals_core::action::GuardedFn = support::guarded("app.slow");
    for (after, fresh) in [
        (15 * MINUTE - MICRO, true),
        (15 * MINUTE, false),
        (24 * 60 * MINUTE, false),
    ] {
        let clock = HandClock::new();
        let (gate, _) = House::new().clock(clock.clone()).approving(&["u_1"]).await;
        let call = approvals_core::gate::Call::of(support::shown(&CALL, &1), bot()).unwrap();
        let permit = gate.authorize(call).await.unwrap();
        let request = permit.request();
        clock.advance(after);
        let started = permit.start().await;
        assert_eq!(
            started.as_ref().err().map(|error| error.code()),
            (!fresh).then_some(Code::Expired),
            "{after:?}"
        );
        drop(started);
        let kinds = kinds(&gate, request).await;
        assert_eq!(
            kinds.contains(&"permit.consumed".to_owned()),
            fresh,
            "{kinds:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_for_which_policy_was_asked_is_on_record() {
    let (house, gate, clock, effects) = house().await;
    let asked_at = gate.now();
    let slow = clock.clone();
    house.disk.while_locked(move || slow.advance(MINUTE));
    let request = left(&gate, bot(), &effects).await;
    let record = gate.journal().history(request).await.unwrap().remove(0);
    let written_at = record.at;
    let Some(Event::Created(created)) = support::event(record) else {
        panic!("a request begins with its making");
    };
    assert_eq!(created.asked_at, asked_at, "not when the lock was had");
    assert!(written_at >= asked_at.after(MINUTE), "{written_at}");
    assert_eq!(created.action.expires_at, asked_at.after(15 * MINUTE));
}

// 27: late click.

#[tokio::test(start_paused = true)]
async fn threat_27_a_late_click_is_too_late_and_says_so() {
    let late = [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_secs(1),
        MINUTE,
        24 * 60 * MINUTE,
    ];
    for after in late {
        for cast in [Vote::Approve, Vote::Deny] {
            let (_, gate, clock, effects) = house().await;
            let request = left(&gate, bot().idempotency_key("k"), &effects).await;
            clock.advance(15 * MINUTE + after);
            let error = vote(&gate, "u_1", request, cast).await.unwrap_err();
            assert_eq!(error.code(), Code::Expired, "{after:?}");
            assert!(error.to_string().contains("nothing ran"), "{error}");
            let kinds = kinds(&gate, request).await;
            assert_eq!(
                kinds,
                ["request.created", "request.expired", "review.refused"],
                "the log never says that somebody approved"
            );
            let card = gate.card(request).await.unwrap();
            assert_eq!((card.status, card.votes.len()), (Status::Expired, 0));
            assert_eq!(
                go_on(&gate, bot().idempotency_key("k"), &effects).await,
                Err(Code::Expired)
            );
            assert_eq!(effects.count(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_27_half_a_quorum_does_not_outlive_the_deadline() {
    let text = support::house::policy(1, "").replace("n = 1", "n = 2");
    let clock = HandClock::new();
    let gate = House::new().policy(text).clock(clock.clone()).open().await;
    let effects = Effects::default();
    let request = left(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    clock.advance(15 * MINUTE);
    assert_eq!(
        vote(&gate, "u_2", request, Vote::Approve)
            .await
            .unwrap_err()
            .code(),
        Code::Expired
    );
    assert!(
        !kinds(&gate, request)
            .await
            .contains(&"request.approved".to_owned())
    );
}

// The three clocks.

#[tokio::test(start_paused = true)]
async fn clock_one_the_callers_wait_ends_and_the_request_stays() {
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    for wait in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_secs(5),
        14 * MINUTE,
    ] {
        let before = tokio::time::Instant::now();
        let agent = bot().run("r").tool_call(format!("{wait:?}"));
        let call = gate.enter(
            agent.clone().wait(wait),
            drop_table(effects.clone(), "users".to_owned()),
        );
        let error = call.await.unwrap_err();
        assert_eq!(error.code(), Code::Pending, "{wait:?}");
        assert!(
            before.elapsed() < wait + Duration::from_secs(1),
            "{:?} for {wait:?}",
            before.elapsed()
        );
        let request = error.request().unwrap();
        assert_eq!(
            gate.gate().card(request).await.unwrap().status,
            Status::Pending
        );

        // The same call of the same run attaches to it, and runs once it is approved.
        let again = ask(gate.gate(), agent.clone(), &effects).await;
        assert_eq!(again, request);
        let ran = effects.count();
        gate.decide("u_tester_1", request, Vote::Approve, None)
            .await
            .unwrap();
        let call = gate.enter(agent, drop_table(effects.clone(), "users".to_owned()));
        assert_eq!(call.await.unwrap(), ran + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn clock_one_is_the_callers_own() {
    let gate = TestGate::script().approve_after("*", MINUTE).start().await;
    let effects = Effects::default();
    let impatient = gate.enter(
        bot().run("r").wait(Duration::from_secs(30)),
        drop_table(effects.clone(), "users".to_owned()),
    );
    assert_eq!(impatient.await.unwrap_err().code(), Code::Pending);
    let patient = gate.enter(
        bot().run("r").wait(2 * MINUTE),
        drop_table(effects.clone(), "users".to_owned()),
    );
    assert_eq!(patient.await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn clock_two_nobody_decides_in_time() {
    let gate = TestGate::script().stall("*").start().await;
    let (effects, before) = (Effects::default(), tokio::time::Instant::now());
    let call = gate.enter(bot(), drop_table(effects.clone(), "users".to_owned()));
    let error = call.await.unwrap_err();
    assert_eq!((error.code(), effects.count()), (Code::Expired, 0));
    let waited = before.elapsed();
    assert!(
        (15 * MINUTE..15 * MINUTE + Duration::from_secs(1)).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(
        kinds(gate.gate(), error.request().unwrap())
            .await
            .last()
            .unwrap(),
        "request.expired"
    );
}

#[tokio::test(start_paused = true)]
async fn clock_two_is_longer_than_a_wait_beyond_it() {
    let gate = TestGate::script().stall("*").start().await;
    let call = gate.enter(
        bot().wait(60 * MINUTE),
        drop_table(Effects::default(), "users".to_owned()),
    );
    assert_eq!(call.await.unwrap_err().code(), Code::Expired);
}

#[tokio::test(start_paused = true)]
async fn clock_three_an_approval_is_used_in_time_or_not_at_all() {
    for (idle, want) in [
        (15 * MINUTE - Duration::from_secs(1), Ok(1)),
        (15 * MINUTE, Err(Code::Expired)),
        (60 * MINUTE, Err(Code::Expired)),
    ] {
        let gate = TestGate::script().stall("*").start().await;
        let effects = Effects::default();
        let agent = || bot().idempotency_key("k");
        let request = ask(gate.gate(), agent(), &effects).await;
        gate.decide("u_tester_1", request, Vote::Approve, None)
            .await
            .unwrap();
        let until = gate.gate().card(request).await.unwrap().approved_until;
        assert_eq!(until, Some(gate.gate().now().after(15 * MINUTE)));
        tokio::time::sleep(idle).await;
        assert_eq!(
            go_on(gate.gate(), agent(), &effects).await,
            want,
            "{idle:?}"
        );
        assert_eq!(effects.count(), want.iter().count());
    }
}

/// A run has no name for its one call: when the approval is over, people are asked anew.
#[tokio::test(start_paused = true)]
async fn clock_three_a_run_asks_anew_after_it() {
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    let request = ask(gate.gate(), bot().run("r"), &effects).await;
    gate.decide("u_tester_1", request, Vote::Approve, None)
        .await
        .unwrap();
    tokio::time::sleep(16 * MINUTE).await;
    let second = ask(gate.gate(), bot().run("r"), &effects).await;
    assert_ne!(second, request);
    assert_eq!(
        gate.gate().card(request).await.unwrap().status,
        Status::Expired
    );
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_clocks_do_not_lend_each_other_time() {
    // Two minutes to decide, one to use it.
    let text = "version = 1\ndefault = { require = [{ group = \"ops\" }], ttl = \"2m\", use_within = \"1m\" }\n";
    let clock = HandClock::new();
    let gate = House::new().policy(text).clock(clock.clone()).open().await;
    let effects = Effects::default();
    let request = left(&gate, hasty().idempotency_key("k"), &effects).await;
    clock.advance(MINUTE);
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let card = gate.card(request).await.unwrap();
    assert_eq!(card.approved_until, Some(gate.now().after(MINUTE)));
    // The time to decide is not over yet, but the time to use it is.
    clock.advance(MINUTE);
    assert_eq!(
        go_on(&gate, hasty().idempotency_key("k"), &effects).await,
        Err(Code::Expired)
    );
    assert_eq!(effects.count(), 0);
}

/// A clock that was set back does not make an old approval young.
#[tokio::test(start_paused = true)]
async fn threat_35_a_clock_that_goes_back_ends_in_a_no() {
    let (_, gate, clock, effects) = house().await;
    let request = left(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    clock.set_back(60 * MINUTE);
    assert_eq!(
        go_on(&gate, bot().idempotency_key("k"), &effects).await,
        Err(Code::ClockRegression)
    );
    assert_eq!(
        vote(&gate, "u_2", request, Vote::Deny)
            .await
            .unwrap_err()
            .code(),
        Code::ClockRegression
    );
    assert_eq!(effects.count(), 0);
    clock.advance(60 * MINUTE);
    assert_eq!(
        go_on(&gate, bot().idempotency_key("k"), &effects).await,
        Ok(1)
    );
}

// 35: the store's clock decides where there is one, and a machine whose clock is off writes nothing.

#[tokio::test(start_paused = true)]
async fn threat_35_the_clock_of_the_store_decides() {
    for (off, want) in [
        (Duration::ZERO, Ok(1)),
        (Duration::from_secs(4), Err(Code::Expired)),
    ] {
        let (house, gate, clock, effects) = house().await;
        let request = left(&gate, bot().idempotency_key("k"), &effects).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        // By the clock of this machine there are two seconds left.
        clock.advance(15 * MINUTE - Duration::from_secs(2));
        let own = clock.clone();
        house.disk.clock(move || own.now().after(off));
        let got = go_on(&gate, bot().idempotency_key("k"), &effects).await;
        assert_eq!(got, want, "{off:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn threat_35_a_machine_whose_clock_is_off_writes_nothing() {
    let off = Duration::from_secs(90);
    for (ahead, behind) in [(off, Duration::ZERO), (Duration::ZERO, off)] {
        let (house, gate, clock, effects) = house().await;
        let own = clock.clone();
        house
            .disk
            .clock(move || own.now().after(ahead).before(behind));
        let before = house.disk.stored().len();
        let got = go_on(&gate, bot(), &effects).await;
        assert_eq!(got, Err(Code::ClockRegression));
        assert_eq!((effects.count(), house.disk.stored().len()), (0, before));
        let own = clock.clone();
        house.disk.clock(move || own.now());
        left(&gate, bot(), &effects).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_35_what_cannot_be_recorded_now_does_not_keep_others_from_writing() {
    let (house, gate, clock, effects) = house().await;
    let request = left(&gate, bot().idempotency_key("k"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    house.disk.trap().arm("commit refused", 1, Lasting::Once);
    // It ran, and that is owed to the log; then the clock goes back.
    let ran = go_on(&gate, bot().idempotency_key("k"), &effects).await;
    assert!(ran.is_err() && effects.count() == 1, "{ran:?}");
    clock.set_back(60 * MINUTE);
    let got = go_on(&gate, bot(), &effects).await;
    assert_eq!(got, Err(Code::ClockRegression));
    assert!(!house.disk.is_locked());
}
