//! Threat 49: breaking the glass lifts a freeze and nothing else, is stricter in everything, and
//! stays open until somebody who had no part in it has signed that they looked.

mod support;

use std::time::Duration;

use approvals_core::lifecycle::{Event, Glass};
use approvals_core::ports::Filter;
use approvals_core::review::{PostReview, commit_reason};
use approvals_core::{Agent, ApprovalError, Assurance, Code, Gate, RequestId, Status, Vote};

use support::house::{House, policy};
use support::people::{Channel, account, verified, vote};
use support::trap::HandClock;
use support::{Effects, bot, count, drop_table, events, kinds, verify};

const MINUTE: Duration = Duration::from_secs(60);

/// The hand clock starts in this freeze, which lasts an hour.
const FREEZE: &str = r#"
[calendar.freeze]
windows = [{ from = "2026-01-01T00:00:00Z", to = "2026-01-01T01:00:00Z" }]
[[rule]]
id = "freeze"
scope = "db.*"
when = { env = "prod", calendar = "freeze", break_glass = false }
effect = "deny"
"#;

const NEVER: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\nwhen = { \"args.table\" = \"audit\" }\neffect = \"deny\"\n";

fn house(rules: &str, clock: &HandClock) -> House {
    House::new()
        .policy(policy(1, &format!("{FREEZE}{rules}")))
        .environment("prod")
        .clock(clock.clone())
}

fn breaking() -> Agent {
    bot().break_glass("prod is down")
}

async fn enter(
    gate: &Gate,
    agent: Agent,
    table: &str,
    effects: &Effects,
) -> Result<usize, ApprovalError> {
    let call = gate.enter(agent, drop_table(effects.clone(), table.to_owned()));
    let answer = tokio::time::timeout(Duration::from_secs(5), call).await;
    answer.expect("an answer")
}

/// A request of an agent that leaves it open.
async fn left(gate: &Gate, agent: Agent, effects: &Effects) -> RequestId {
    let call = gate.detach(agent, drop_table(effects.clone(), "users".to_owned()));
    let _ = tokio::time::timeout(Duration::from_secs(1), call)
        .await
        .expect_err("it waits");
    gate.list(Filter::pending()).await.unwrap()[0].id
}

/// A broken glass that `u_1` approved and that ran; its review is open.
async fn used(gate: &Gate, agent: fn() -> Agent, key: &str, effects: &Effects) -> RequestId {
    let agent = || agent().idempotency_key(key);
    let request = left(gate, agent(), effects).await;
    vote(gate, "u_1", request, Vote::Approve).await.unwrap();
    enter(gate, agent(), "users", effects).await.unwrap();
    request
}

async fn post(
    gate: &Gate,
    person: &str,
    assurance: Assurance,
    request: RequestId,
) -> Result<(), Code> {
    let card = gate.card(request).await.unwrap();
    let approver = verified(account("test", "", person), assurance);
    let reason = commit_reason("it was down").unwrap();
    let review = PostReview::new(approver, request, card.digest, reason);
    let reviewed = gate.post_review(review).await;
    reviewed.map_err(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn threat_49_without_a_reason_a_rule_or_a_signature_nothing_breaks() {
    let clock = HandClock::new();
    let house = house(NEVER, &clock);
    let gate = house.open().await;
    let effects = Effects::default();
    for reason in ["", "  ", "\n"] {
        let agent = bot().break_glass(reason);
        let error = enter(&gate, agent, "users", &effects).await.unwrap_err();
        assert_eq!(error.code(), Code::PolicyDenied, "{error}");
        let kinds = kinds(&gate, error.request().unwrap()).await;
        assert_eq!(kinds, ["request.created", "request.denied"], "on record");
    }
    // A hard no stays one, and so does the policy of a house that lets nobody break anything.
    let error = enter(&gate, breaking(), "audit", &effects)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied, "{error}");
    assert!(error.message().contains("`never`"), "{error}");
    let strict = House::new().clock(clock.clone()).open().await;
    let error = enter(&strict, breaking(), "users", &effects)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied, "{error}");
    let error = enter(&gate, bot(), "users", &effects).await.unwrap_err();
    assert_eq!(error.code(), Code::Frozen, "whole, it is frozen");

    let request = left(&gate, breaking(), &effects).await;
    let card = gate.card(request).await.unwrap();
    for weak in [Assurance::A1, Assurance::A2] {
        let approver = verified(account("test", "", "u_1"), weak);
        let review =
            approvals_core::Review::new(approver, request, card.digest, card.policy, Vote::Approve);
        let error = gate.review(review).await.unwrap_err();
        assert_eq!(error.code(), Code::AssuranceTooLow);
    }
    for own in ["u_alice", "u_olga"] {
        let error = vote(&gate, own, request, Vote::Approve).await.unwrap_err();
        assert_eq!(error.code(), Code::SelfApproval);
    }
    assert_eq!(effects.count(), 0);
    assert_eq!(count(&gate, "breakglass.used").await, 0);
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_49_its_use_is_on_record_told_to_everybody_and_open() {
    let (clock, channel) = (HandClock::new(), Channel::of(&[]));
    let house = house("", &clock).channel(channel.clone());
    let gate = house.open().await;
    let effects = Effects::default();
    let request = used(&gate, breaking, "k", &effects).await;
    assert_eq!(effects.count(), 1);
    let kinds = kinds(&gate, request).await;
    let consumed = kinds.iter().position(|kind| kind == "permit.consumed");
    assert_eq!(
        kinds.get(consumed.unwrap() + 1).map(String::as_str),
        Some("breakglass.used")
    );
    gate.deliver().await.unwrap();
    let drawn = channel.seen().pop().unwrap().card;
    assert_eq!(drawn.glass, Glass::Open);
    let text = drawn.to_text();
    assert!(text.contains("BREAK GLASS"), "{text}");
    assert!(
        text.contains("\"prod is down\"  (the agent says, unverified)"),
        "{text}"
    );
    assert!(text.contains("the review of it is open"), "{text}");
    let open = gate.list(Filter::unreviewed()).await.unwrap();
    assert_eq!(open.iter().map(|row| row.id).collect::<Vec<_>>(), [request]);
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
    assert_eq!(report.unreviewed, [request], "an auditor sees it, too");
}

#[tokio::test(start_paused = true)]
async fn threat_49_it_stays_open_until_another_person_signs_and_bars_the_next() {
    let clock = HandClock::new();
    let house = house("", &clock);
    let gate = house.open().await;
    let effects = Effects::default();
    let request = used(&gate, breaking, "k", &effects).await;

    let error = enter(&gate, breaking(), "users", &effects)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied);
    assert!(error.message().contains(&request.to_string()), "{error}");
    for (person, assurance, want) in [
        ("u_alice", Assurance::A3, Code::SelfApproval),
        ("u_olga", Assurance::A3, Code::SelfApproval),
        ("u_1", Assurance::A3, Code::NotEligible),
        ("u_gone", Assurance::A3, Code::NotEligible),
        ("u_2", Assurance::A2, Code::AssuranceTooLow),
        ("u_nobody", Assurance::A3, Code::IdentityUnresolved),
    ] {
        let refused = post(&gate, person, assurance, request).await;
        assert_eq!(refused, Err(want), "{person}");
    }
    assert_eq!(count(&gate, "review.refused").await, 6);
    // Restarts and other processes do not forget it, nor does time.
    let other = house.open().await;
    clock.advance(30 * MINUTE);
    let error = enter(&other, breaking(), "users", &effects)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied);
    // Another agent is another agent.
    let elsewhere = || {
        Agent::new("other-bot")
            .on_behalf_of("u_bob")
            .break_glass("down")
    };
    used(&other, elsewhere, "k2", &effects).await;

    post(&other, "u_eve", Assurance::A3, request).await.unwrap();
    let again = post(&gate, "u_2", Assurance::A3, request).await;
    assert_eq!(again, Err(Code::DuplicateVote));
    let card = gate.card(request).await.unwrap();
    assert_eq!(card.glass, Glass::Reviewed("u_eve".parse().unwrap()));
    assert_eq!(card.status, Status::Approved);
    let reviewed = events(&gate, request)
        .await
        .into_iter()
        .find_map(|event| match event {
            Event::PostReviewed(review) => Some(review),
            _ => None,
        });
    let reviewed = reviewed.unwrap();
    assert_eq!(reviewed.person.as_str(), "u_eve");
    assert_eq!(reviewed.digest, card.digest);
    assert_eq!(reviewed.assurance, Assurance::A3);
    let third = used(&gate, breaking, "k3", &effects).await;
    assert_eq!(effects.count(), 3);
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
    assert!(report.unreviewed.contains(&third) && !report.unreviewed.contains(&request));
}

/// Two are approved while none is used: the second one waits for the review of the first.
#[tokio::test(start_paused = true)]
async fn threat_49_two_at_once_are_one_and_then_the_other() {
    let clock = HandClock::new();
    let gate = house("", &clock).open().await;
    let effects = Effects::default();
    let agent = |key: &str| breaking().idempotency_key(key);
    let one = left(&gate, agent("1"), &effects).await;
    vote(&gate, "u_1", one, Vote::Approve).await.unwrap();
    let two = left(&gate, agent("2"), &effects).await;
    vote(&gate, "u_1", two, Vote::Approve).await.unwrap();
    enter(&gate, agent("1"), "users", &effects).await.unwrap();
    let error = enter(&gate, agent("2"), "users", &effects)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::PolicyDenied, "{error}");
    assert!(error.message().contains(&one.to_string()), "{error}");
    assert_eq!(effects.count(), 1);
    post(&gate, "u_2", Assurance::A3, one).await.unwrap();
    // The second approval went with the refusal: people look again at what is still needed.
    let error = enter(&gate, agent("2"), "users", &effects).await;
    assert_eq!(error.unwrap_err().code(), Code::Cancelled);
    used(&gate, breaking, "3", &effects).await;
    assert_eq!(effects.count(), 2);
}

/// The words are part of what is approved, and whether there are any is part of what is asked.
#[tokio::test(start_paused = true)]
async fn threat_49_a_call_does_not_turn_into_a_broken_glass_nor_back() {
    let clock = HandClock::new();
    let gate = house("", &clock).open().await;
    let effects = Effects::default();
    let request = left(&gate, breaking().idempotency_key("k"), &effects).await;
    let shown = gate.card(request).await.unwrap();
    assert_eq!(shown.break_glass.unwrap().raw(), "prod is down");
    let whole = enter(&gate, bot().idempotency_key("k"), "users", &effects).await;
    assert_eq!(whole.unwrap_err().code(), Code::ActionMismatch);
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    // Said in other words it is the same call: those on record count.
    let rephrased = bot().break_glass("it is still down").idempotency_key("k");
    assert_eq!(enter(&gate, rephrased, "users", &effects).await.unwrap(), 1);

    clock.advance(60 * MINUTE);
    let request = left(&gate, bot().idempotency_key("w"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let broken = enter(&gate, breaking().idempotency_key("w"), "users", &effects).await;
    assert_eq!(broken.unwrap_err().code(), Code::ActionMismatch);
}
