//! Freezes: a calendar holds when something is asked, and again when an approval is used.

mod support;

use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::{Agent, ApprovalGate, Code, Gate, RequestId, Status, Vote};

use support::house::{House, policy};
use support::people::{Channel, vote};
use support::trap::HandClock;
use support::{Effects, bot, count, drop_table, guarded, kinds, shown, verify};

const MINUTE: Duration = Duration::from_secs(60);
const MICRO: Duration = Duration::from_micros(1);

/// The hand clock starts at midnight of 2026-01-01, ten minutes before this freeze of ten.
const FREEZE: &str = r#"
[calendar.freeze]
windows = [{ from = "2026-01-01T00:10:00Z", to = "2026-01-01T00:20:00Z" }]
[[rule]]
id = "freeze"
scope = "*"
when = { env = "prod", calendar = "freeze" }
effect = "deny"
"#;

const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

fn house(rules: &str, clock: &HandClock) -> House {
    House::new()
        .policy(policy(1, &format!("{FREEZE}{rules}")))
        .environment("prod")
        .clock(clock.clone())
}

async fn call(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let call = gate.enter(agent, drop_table(effects.clone(), "users".to_owned()));
    let answer = tokio::time::timeout(Duration::from_secs(5), call).await;
    answer.expect("an answer").map_err(|error| error.code())
}

/// A request of an agent that goes away at once, and that somebody approves.
async fn approved(gate: &Gate, effects: &Effects) -> RequestId {
    let call = gate.detach(
        bot().idempotency_key("k"),
        drop_table(effects.clone(), "users".to_owned()),
    );
    let _ = tokio::time::timeout(Duration::from_secs(1), call)
        .await
        .expect_err("it waits");
    let request = gate.list(Filter::all()).await.unwrap()[0].id;
    vote(gate, "u_1", request, Vote::Approve).await.unwrap();
    request
}

#[tokio::test(start_paused = true)]
async fn a_freeze_refuses_what_is_asked_and_nobody_is_disturbed() {
    for rules in ["", AUTO] {
        for (after, frozen) in [
            (10 * MINUTE - MICRO, false),
            (10 * MINUTE, true),
            (20 * MINUTE - MICRO, true),
            (20 * MINUTE, false),
        ] {
            let (clock, channel) = (HandClock::new(), Channel::of(&["u_1"]));
            let house = house(rules, &clock).channel(channel.clone());
            let gate = house.open().await;
            channel.serve(&gate);
            clock.advance(after);
            let effects = Effects::default();
            let answer = call(&gate, bot(), &effects).await;
            let want = if frozen { Err(Code::Frozen) } else { Ok(1) };
            assert_eq!(answer, want, "{rules} {after:?}");
            gate.deliver().await.unwrap();
            let drawn = channel.seen().len();
            assert_eq!(drawn > 0, !frozen && rules.is_empty(), "{rules} {after:?}");
            let request = gate.list(Filter::all()).await.unwrap()[0].id;
            let kinds = kinds(&gate, request).await;
            let ended = kinds == ["request.created", "request.denied"];
            assert_eq!(ended, frozen, "{kinds:?}");
            assert!(verify(&gate, house.key()).await.passed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_freeze_says_so_to_whoever_asks_by_the_same_key_later() {
    let clock = HandClock::new();
    let gate = house("", &clock).open().await;
    clock.advance(15 * MINUTE);
    let effects = Effects::default();
    let agent = || bot().idempotency_key("k");
    let first = gate.enter(agent(), drop_table(effects.clone(), "users".to_owned()));
    let error = first.await.unwrap_err();
    assert_eq!(error.code(), Code::Frozen);
    assert!(
        error
            .to_string()
            .contains("until 2026-01-01T00:20:00.000000Z"),
        "{error}"
    );
    // What was asked can be looked at, and so can the no.
    let card = gate.card(error.request().unwrap()).await.unwrap();
    assert_eq!((card.status, card.params.len()), (Status::Denied, 1));
    clock.advance(10 * MINUTE);
    // The key names that one call, and that one was refused.
    assert_eq!(call(&gate, agent(), &effects).await, Err(Code::Frozen));
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_approval_does_not_outlive_the_beginning_of_a_freeze() {
    for (after, want) in [
        (10 * MINUTE - MICRO, Ok(1)),
        (10 * MINUTE, Err(Code::Frozen)),
        (14 * MINUTE, Err(Code::Frozen)),
    ] {
        let clock = HandClock::new();
        let house = house("", &clock);
        let gate = house.open().await;
        let effects = Effects::default();
        let request = approved(&gate, &effects).await;
        clock.advance(after);
        let agent = bot().idempotency_key("k");
        assert_eq!(call(&gate, agent, &effects).await, want, "{after:?}");
        let card = gate.card(request).await.unwrap();
        let kinds = kinds(&gate, request).await;
        let last = |count| kinds[kinds.len() - count..].to_vec();
        match want {
            Ok(_) => assert_eq!(last(2), ["permit.consumed", "outcome.succeeded"]),
            Err(_) => {
                let end = ["permit.refused", "review.voided", "request.cancelled"];
                assert_eq!(last(3), end, "it ends, and its approval is void");
                assert_eq!(card.status, Status::Cancelled);
            }
        }
        assert_eq!(effects.count(), want.iter().count());
        assert!(verify(&gate, house.key()).await.passed());
    }
}

/// The lock is had when the freeze has begun, and was asked for before.
#[tokio::test(start_paused = true)]
async fn a_freeze_that_begins_while_the_store_is_waited_for_holds() {
    static CALL: approvals_core::action::GuardedFn = guarded("app.slow");
    let clock = HandClock::new();
    let house = house("", &clock);
    let (gate, _) = house.clone().approving(&["u_1"]).await;
    clock.advance(10 * MINUTE - MICRO);
    let asked = approvals_core::gate::Call::of(shown(&CALL, &1), bot()).unwrap();
    let permit = gate.authorize(asked).await.unwrap();
    let slow = clock.clone();
    house.disk.while_locked(move || slow.advance(MICRO));
    assert_eq!(permit.start().await.unwrap_err().code(), Code::Frozen);
    assert_eq!(count(&gate, "permit.consumed").await, 0);
    assert_eq!(count(&gate, "permit.refused").await, 1);
}

/// What a rule lets through by itself is no older than its use, either.
#[tokio::test(start_paused = true)]
async fn what_was_let_through_by_a_rule_is_asked_again_too() {
    static CALL: approvals_core::action::GuardedFn = guarded("db.drop");
    let clock = HandClock::new();
    let gate = house(AUTO, &clock).open().await;
    let asked = approvals_core::gate::Call::of(shown(&CALL, &1), bot()).unwrap();
    let permit = gate.authorize(asked).await.unwrap();
    clock.advance(11 * MINUTE);
    assert_eq!(permit.start().await.unwrap_err().code(), Code::Frozen);
    assert_eq!(count(&gate, "permit.consumed").await, 0);
}
