//! A policy in the place of another, by whoever holds the online key.

use std::time::Duration;

use approvals_core::ledger::{Entry, LogEvent, PolicyChange, Rule, policy_records};
use approvals_core::lifecycle::Event;
use approvals_core::policy::PolicyName;
use approvals_core::{Policy, PolicyDigest, Vote};

use super::super::support::forge::Forger;
use super::super::support::history::{Cast, History, agent, rules};
use super::super::{check, read};

const KEEPERS: &str =
    "change = { require = [{ group = \"ops\", n = 2, min_assurance = \"A3\" }], ttl = \"4h\" }\n";

fn text(version: u32, refund: u8) -> String {
    let rules = rules(version, refund);
    let (first, rest) = rules.split_once('\n').unwrap();
    format!("{first}\n{KEEPERS}{rest}")
}

/// A log in which a policy was replaced as it must be.
async fn replaced() -> History {
    let cast = Cast::new(&text(1, 1));
    let gate = cast.house.open().await;
    let next = Policy::on_record(&text(2, 2)).unwrap();
    let hasty = agent("x").wait(Duration::from_millis(1));
    let asked = gate.propose_policy(hasty.clone(), next.clone()).await;
    let request = asked.unwrap_err().request().unwrap();
    let other = Policy::on_record(&text(2, 3)).unwrap();
    let open = gate.propose_policy(hasty, other).await.unwrap_err();
    cast.signs(&gate, "u_1", request, Vote::Approve).await;
    cast.signs(&gate, "u_2", request, Vote::Approve).await;
    gate.propose_policy(agent("x"), next).await.unwrap();
    let named = [("change", request), ("open", open.request().unwrap())];
    History::of(cast, &gate, named.into()).await
}

fn change(forger: &mut Forger) -> (usize, &mut PolicyChange) {
    let place = forger.log_at("policy.changed", 0);
    match &mut forger.records[place].entry {
        Entry::Log(LogEvent::PolicyChanged(change)) => (place, change),
        other => panic!("{other:?} is no change"),
    }
}

/// Puts a policy into force in front of a place.
fn load(forger: &mut Forger, place: usize, text: &str) {
    let digest = PolicyDigest::of(text.as_bytes());
    let version = Policy::on_record(text).unwrap().version();
    for event in policy_records(version, digest, text).into_iter().rev() {
        forger.insert(place, Entry::Log(event));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_43_a_policy_that_was_swapped_by_hand_is_found() {
    let history = replaced().await;
    let honest = read(history.auditor(), &history.sealed());
    assert!(honest.passed(), "{:#?}", honest.findings);
    check(&history, "nothing says who approved it", |forger| {
        let place = forger.log_at("policy.changed", 0);
        forger.records.remove(place);
        (Rule::PolicyChange, place)
    });
    check(&history, "a weaker one, swapped in at the end", |forger| {
        let place = forger.records.len();
        load(forger, place, &text(3, 1));
        (Rule::PolicyChange, place)
    });
    check(&history, "and one that has no keepers", |forger| {
        let place = forger.records.len();
        load(forger, place, &rules(3, 1));
        (Rule::PolicyChange, place)
    });
    check(
        &history,
        "another text than the one that was approved",
        |forger| {
            let place = forger.log_at("policy.loaded", 1);
            let other = text(2, 1);
            let Entry::Log(LogEvent::PolicyLoaded { digest, text, .. }) =
                &mut forger.records[place].entry
            else {
                unreachable!()
            };
            *digest = PolicyDigest::of(other.as_bytes());
            *text = other;
            (Rule::PolicyChange, place)
        },
    );
    check(&history, "that, and its name", |forger| {
        let place = forger.log_at("policy.loaded", 1);
        let other = text(2, 1);
        let name = PolicyName::new(2, PolicyDigest::of(other.as_bytes()));
        change(forger).1.new = name;
        let Entry::Log(LogEvent::PolicyLoaded { digest, text, .. }) =
            &mut forger.records[place].entry
        else {
            unreachable!()
        };
        *digest = name.digest;
        *text = other;
        (Rule::PolicyChange, place)
    });
    check(&history, "announced, and never in force", |forger| {
        let loaded = forger.log_at("policy.loaded", 1);
        forger.records.remove(loaded);
        (Rule::PolicyChange, loaded - 1)
    });
    check(&history, "announced again at the end", |forger| {
        let place = forger.log_at("policy.changed", 0);
        let again = forger.records[place].clone();
        let place = forger.records.len();
        forger.insert(place, again.entry);
        (Rule::PolicyChange, place)
    });
}

#[tokio::test(start_paused = true)]
async fn threat_43_an_authority_that_is_none_is_found() {
    let history = replaced().await;
    let (request, open) = (history.request("change"), history.request("open"));
    let loaded = |forger: &Forger| forger.log_at("policy.loaded", 1);
    check(&history, "another request", |forger| {
        change(forger).1.authority = open;
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "another action", |forger| {
        let place = forger.at(open, "request.created", 0);
        let Event::Created(created) = forger.event(place) else {
            unreachable!()
        };
        let digest = created.digest;
        change(forger).1.digest = digest;
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "another policy in its place before", |forger| {
        change(forger).1.old = PolicyName::new(1, PolicyDigest::of(b""));
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "what people saw is not there", |forger| {
        change(forger).1.opened.clear();
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "nor what differs", |forger| {
        change(forger).1.opened.pop();
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "its approval was never used", |forger| {
        let used = forger.at(request, "permit.consumed", 0);
        forger.records.remove(used);
        let done = forger.at(request, "outcome.succeeded", 0);
        forger.records.remove(done);
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "it was used up before", |forger| {
        let done = forger.at(request, "outcome.succeeded", 0);
        let done = forger.records.remove(done);
        let place = forger.log_at("policy.changed", 0);
        forger.records.insert(place, done);
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "one of the two never approved", |forger| {
        let vote = forger.at(request, "review.recorded", 1);
        forger.records.remove(vote);
        (Rule::PolicyChange, loaded(forger))
    });
    check(&history, "it was asked of fewer", |forger| {
        let place = forger.at(request, "request.created", 0);
        let Event::Created(created) = forger.event(place) else {
            unreachable!()
        };
        let requirement = created.requirement.clone().unwrap();
        let weaker = serde_json::to_string(&requirement)
            .unwrap()
            .replace("\"need\":2", "\"need\":1");
        created.requirement = Some(serde_json::from_str(&weaker).unwrap());
        assert_ne!(created.requirement.as_ref(), Some(&requirement), "{weaker}");
        (Rule::Requirement, place)
    });
}
