//! Escalation: when nobody decides, more people may, and nothing gets weaker.

mod support;

use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::{Code, Gate, RequestId, Status, Vote};
use tokio::time::sleep;

use support::house::House;
use support::people::{Channel, Crew, account, review, verified, vote};
use support::trap::HandClock;
use support::{Effects, bot, drop_table, kinds, verify};

const MINUTE: Duration = Duration::from_secs(60);

const WIDENING: &str = "version = 1\ndefault = { require = [{ group = \"ops\", n = 1 }], ttl = \"15m\", \
    use_within = \"15m\", escalate = [{ after = \"5m\", groups = [\"security\"] }] }\n";

fn call(gate: &Gate, effects: &Effects) -> tokio::task::JoinHandle<Result<usize, Code>> {
    let (gate, effects) = (gate.clone(), effects.clone());
    tokio::spawn(async move {
        let call = gate.enter(
            bot().idempotency_key("k"),
            drop_table(effects, "users".to_owned()),
        );
        call.await.map_err(|error| error.code())
    })
}

async fn pending(gate: &Gate) -> RequestId {
    gate.list(Filter::pending()).await.unwrap()[0].id
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_wakes_for_it_and_every_copy_is_drawn_again() {
    let channel = Channel::of(&[]);
    let house = House::new().policy(WIDENING).channel(channel.clone());
    let gate = house.open().await;
    let effects = Effects::default();
    let waiting = call(&gate, &effects);
    sleep(MINUTE).await;
    let request = pending(&gate).await;
    let asked_at = gate.card(request).await.unwrap().created_at;

    let early = vote(&gate, "u_6", request, Vote::Approve)
        .await
        .unwrap_err();
    assert_eq!(early.code(), Code::NotEligible);
    let from = asked_at.after(5 * MINUTE);
    assert!(
        early.message().contains(&format!("from {from} on")),
        "{early}"
    );
    let card = gate.card(request).await.unwrap();
    assert!(card.progress[0].also.is_empty());
    assert_eq!(
        card.progress[0].later,
        [("security".parse().unwrap(), from)]
    );
    assert!(card.to_text().contains("1 of group ops, none so far"));
    assert!(card.to_text().contains("members of security, too, from"));
    assert_eq!(channel.seen().len(), 1);

    sleep(5 * MINUTE).await;
    // Nobody called anything: the call that waits had it recorded, and the channel drew it.
    assert_eq!(
        kinds(&gate, request)
            .await
            .iter()
            .filter(|kind| *kind == "request.escalated")
            .count(),
        1
    );
    let drawn = channel.seen().pop().unwrap().card;
    assert_eq!(drawn.status, Status::Pending);
    assert_eq!(drawn.progress[0].who(), "ops or security");
    assert!(drawn.progress[0].later.is_empty());

    vote(&gate, "u_6", request, Vote::Approve).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(1));
    assert!(verify(&gate, house.key()).await.passed());
}

/// Nobody waits: a sweep of whichever process brings it on record, once.
#[tokio::test(start_paused = true)]
async fn a_sweep_brings_it_on_record_once() {
    let clock = HandClock::new();
    let house = House::new().policy(WIDENING).clock(clock.clone());
    let (one, other) = (house.open().await, house.open().await);
    let effects = Effects::default();
    let detached = one.detach(bot(), drop_table(effects.clone(), "users".to_owned()));
    let _ = tokio::time::timeout(Duration::from_secs(1), detached).await;
    let request = pending(&one).await;
    clock.advance(5 * MINUTE - Duration::from_micros(1));
    one.sweep().await.unwrap();
    assert_eq!(kinds(&one, request).await, ["request.created"]);
    let row = one.list(Filter::pending()).await.unwrap().remove(0);
    let card = one.card(request).await.unwrap();
    assert_eq!(
        row.deadline,
        Some(card.expires_at),
        "people have the whole time"
    );
    clock.advance(Duration::from_micros(1));
    for gate in [&other, &one, &other] {
        gate.sweep().await.unwrap();
        assert_eq!(
            kinds(gate, request).await,
            ["request.created", "request.escalated"]
        );
    }
    clock.advance(10 * MINUTE);
    one.sweep().await.unwrap();
    assert_eq!(
        kinds(&one, request).await.last().unwrap(),
        "request.expired"
    );
    assert!(verify(&one, house.key()).await.passed());
}

/// What stands in is held to everything that the first ones are held to.
#[tokio::test(start_paused = true)]
async fn threat_25_escalation_is_no_way_around_anything() {
    let text = WIDENING.replace(", n = 1", ", n = 2, min_assurance = \"A3\"");
    let crew = Crew::new();
    crew.join("u_both", &["ops", "security"]);
    let clock = HandClock::new();
    let house = House::new().policy(text).people(crew.clone());
    let gate = house.clock(clock.clone()).open().await;
    let effects = Effects::default();
    let call = || drop_table(effects.clone(), "users".to_owned());
    let asked = gate.detach(bot().idempotency_key("k"), call());
    let _ = tokio::time::timeout(Duration::from_secs(1), asked).await;
    let request = pending(&gate).await;
    clock.advance(6 * MINUTE);
    let card = gate.card(request).await.unwrap();
    let check = async |who: &str, want: Code| {
        let error = vote(&gate, who, request, Vote::Approve).await.unwrap_err();
        assert_eq!(error.code(), want, "{who}");
    };
    // Alice and Olga are in both groups, and behind the request.
    check("u_alice", Code::SelfApproval).await;
    check("u_olga", Code::SelfApproval).await;
    check("u_eve", Code::NotEligible).await;
    check("u_gone", Code::NotEligible).await;
    let weak = verified(account("test", "", "u_6"), approvals_core::Assurance::A2);
    let weak = approvals_core::Review::new(weak, request, card.digest, card.policy, Vote::Approve);
    assert_eq!(
        gate.review(weak).await.unwrap_err().code(),
        Code::AssuranceTooLow
    );
    vote(&gate, "u_both", request, Vote::Approve).await.unwrap();
    check("u_both", Code::DuplicateVote).await;
    let tally = gate
        .review(review(account("test", "", "u_6"), &card, Vote::Approve))
        .await
        .unwrap();
    assert_eq!(tally.status, Status::Approved);
    // Who stood in and has left since does not count when the approval is used.
    crew.join("u_6", &[]);
    let error = gate.enter(bot().idempotency_key("k"), call()).await;
    assert_eq!(error.unwrap_err().code(), Code::NotEligible);
    assert_eq!(effects.count(), 0);
}
