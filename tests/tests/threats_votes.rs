//! Threats 22, 23 and 24: a vote counts for what was shown, while whoever gave it may give it, and
//! as strong as it was proven.

mod support;

use std::time::Duration;

use approvals_core::ledger::{Entry, Rule};
use approvals_core::lifecycle::Event;
use approvals_core::{Agent, Assurance, Code, Gate, RequestId, Review, Status, Vote};

use support::forge::Forger;
use support::house::{House, SEED, origin, policy};
use support::people::{Crew, account, verified, vote};
use support::trap::{Lasting, Trap};
use support::{Effects, ask, bot, check, drop_table, events, kinds, stored, verify};

const TWO: &str =
    "[[rule]]\nid = \"two\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2 }]\n";
const DENY: &str = "[[rule]]\nid = \"never\"\nscope = \"db.drop\"\neffect = \"deny\"\n";

async fn go_on(gate: &Gate, agent: Agent, effects: &Effects) -> Result<usize, Code> {
    let agent = agent.wait(Duration::from_millis(1));
    let call = drop_table(effects.clone(), "users".to_owned());
    gate.enter(agent, call).await.map_err(|error| error.code())
}

/// Whose approvals of a request are void, and why.
async fn voided(gate: &Gate, request: RequestId) -> Vec<(String, Code)> {
    let voided = |event: Event| match event {
        Event::Voided(voided) => Some((voided.person.to_string(), voided.code)),
        _ => None,
    };
    let events = events(gate, request).await;
    events.into_iter().filter_map(voided).collect()
}

// 22: stale authority.

#[tokio::test(start_paused = true)]
async fn threat_22_who_leaves_before_the_use_voids_their_vote() {
    for leave in [
        |crew: &Crew| crew.disable("u_1"),
        |crew: &Crew| crew.join("u_1", &[]),
        |crew: &Crew| crew.join("u_1", &["security"]),
    ] {
        let crew = Crew::new();
        let house = House::new().people(crew.clone()).rules(TWO);
        let gate = house.open().await;
        let effects = Effects::default();
        let request = ask(&gate, bot().run("r"), &effects).await;
        for person in ["u_1", "u_2"] {
            vote(&gate, person, request, Vote::Approve).await.unwrap();
        }
        leave(&crew);
        assert_eq!(
            go_on(&gate, bot().run("r"), &effects).await,
            Err(Code::NotEligible)
        );
        assert_eq!(
            voided(&gate, request).await,
            [("u_1".to_owned(), Code::NotEligible)]
        );
        let kinds = kinds(&gate, request).await;
        let end = ["permit.refused", "review.voided", "request.cancelled"];
        assert!(kinds.ends_with(&end.map(str::to_owned)), "{kinds:?}");
        assert!(!kinds.contains(&"permit.consumed".to_owned()));
        // The reason of a void vote would still be erased with the rest: it is not forgotten.
        let card = gate.card(request).await.unwrap();
        assert_eq!(card.status, Status::Cancelled);
        // Asking again asks people again.
        assert_eq!(
            go_on(&gate, bot().run("r"), &effects).await,
            Err(Code::Pending)
        );
        assert_eq!(effects.count(), 0);
        assert!(verify(&gate, house.key()).await.passed());
    }
}

#[tokio::test(start_paused = true)]
async fn threat_22_who_leaves_before_the_last_vote_leaves_the_request_open() {
    let crew = Crew::new();
    let house = House::new().people(crew.clone()).rules(TWO);
    let gate = house.open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    crew.disable("u_1");
    let tally = vote(&gate, "u_2", request, Vote::Approve).await.unwrap();
    assert_eq!(tally.status, Status::Pending, "one of two is gone");
    let have: Vec<_> = tally.progress[0]
        .have
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(have, ["u_2"]);
    assert_eq!(
        voided(&gate, request).await,
        [("u_1".to_owned(), Code::NotEligible)]
    );
    assert_eq!(
        kinds(&gate, request).await,
        [
            "request.created",
            "review.recorded",
            "review.voided",
            "review.recorded"
        ]
    );
    assert_eq!(
        go_on(&gate, bot().run("r"), &effects).await,
        Err(Code::Pending)
    );
    // Who is back votes again, once.
    crew.join("u_1", &["ops"]);
    let tally = vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    assert_eq!(tally.status, Status::Approved);
    assert_eq!(go_on(&gate, bot().run("r"), &effects).await, Ok(1));
    assert!(verify(&gate, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn threat_22_a_directory_that_cannot_tell_completes_nothing() {
    let trap = Trap::default();
    let gate = House::new()
        .people(Crew::new().with(trap.clone()))
        .rules(TWO)
        .open()
        .await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    // The second question is about who has approved already.
    trap.arm("standing", 1, Lasting::Once);
    let error = vote(&gate, "u_2", request, Vote::Approve)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::IdentityUnresolved);
    assert_eq!(
        go_on(&gate, bot().run("r"), &effects).await,
        Err(Code::Pending)
    );
    // To stop it, nobody else needs to be known.
    trap.arm("standing", 1, Lasting::Once);
    vote(&gate, "u_2", request, Vote::Deny).await.unwrap();
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn threat_22_rules_that_got_stricter_void_every_vote() {
    for (rules, code) in [(TWO, Code::PolicyChanged), (DENY, Code::PolicyChanged)] {
        let house = House::new();
        let gate = house.open().await;
        let effects = Effects::default();
        let request = ask(&gate, bot().run("r"), &effects).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        drop(gate);
        let house = house.policy(policy(2, rules));
        let gate = house.open().await;
        assert_eq!(go_on(&gate, bot().run("r"), &effects).await, Err(code));
        assert_eq!(voided(&gate, request).await, [("u_1".to_owned(), code)]);
        assert_eq!(effects.count(), 0);
        assert!(verify(&gate, house.key()).await.passed());
    }
}

/// The owner of the log lets a void vote count.
#[tokio::test(start_paused = true)]
async fn threat_22_a_void_vote_lets_nothing_run() {
    let crew = Crew::new();
    let house = House::new().people(crew.clone());
    let gate = house.open().await;
    let effects = Effects::default();
    let ran = ask(&gate, bot().run("ran"), &effects).await;
    vote(&gate, "u_2", ran, Vote::Approve).await.unwrap();
    go_on(&gate, bot().run("ran"), &effects).await.unwrap();
    let request = ask(&gate, bot().run("r"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    crew.disable("u_1");
    go_on(&gate, bot().run("r"), &effects).await.unwrap_err();
    let honest = Forger::of(&stored(&gate).await, SEED, &origin());
    let used = |forger: &mut Forger| {
        let consumed = forger.at(ran, "permit.consumed", 0);
        let Event::Consumed(mut used) = forger.event(consumed).clone() else {
            panic!("no use")
        };
        let created = forger.at(request, "request.created", 0);
        let Event::Created(asked) = forger.event(created).clone() else {
            panic!("no ask")
        };
        let place = forger.at(request, "request.cancelled", 0);
        used.digest = asked.digest;
        used.by.record = forger.records[place].id;
        used.by.boot = forger.records[place].writer.boot;
        forger.records[place].entry = Entry::Request(request, Event::Consumed(used));
    };
    let found = |forge: &dyn Fn(&mut Forger)| {
        let mut forger = honest.clone();
        forge(&mut forger);
        let log = forger.seal();
        let report = check(house.key(), &log.records, Some(&log.note));
        report.findings.first().map(|finding| finding.rule)
    };
    assert_eq!(found(&|_| {}), None);
    assert_eq!(found(&used), Some(Rule::Quorum));
    let odd = |forger: &mut Forger| {
        let place = forger.at(request, "review.voided", 0);
        let Event::Voided(voided) = forger.event(place) else {
            panic!("no void vote")
        };
        voided.code = Code::Denied;
    };
    assert_eq!(found(&odd), Some(Rule::Lifecycle));
    let of_another = |forger: &mut Forger| {
        let place = forger.at(request, "review.voided", 0);
        let Event::Voided(voided) = forger.event(place) else {
            panic!("no void vote")
        };
        voided.person = "u_3".parse().unwrap();
    };
    assert_eq!(found(&of_another), Some(Rule::Lifecycle));
}

// 23: edit, then approve.

#[tokio::test(start_paused = true)]
async fn threat_23_an_edited_call_is_another_request_and_the_editor_stands_behind_it() {
    let house = House::new().rules(TWO);
    let gate = house.open().await;
    let effects = Effects::default();
    let agent = || bot().idempotency_key("k");
    let request = ask(&gate, agent(), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let before = gate.card(request).await.unwrap();
    // One of the approvers changes the arguments. Under the old name that is refused.
    let edited = |agent: Agent| {
        let agent = agent.wait(Duration::from_millis(1));
        gate.enter(agent, drop_table(effects.clone(), "payments".to_owned()))
    };
    let error = edited(agent()).await.unwrap_err();
    assert_eq!(error.code(), Code::ActionMismatch);
    // Under a new one it is a new request: another digest, no votes, and the editor behind it.
    let editor = Agent::new("bot").on_behalf_of("u_1").owned_by("u_olga");
    let error = edited(editor).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending);
    let new = error.request().unwrap();
    let card = gate.card(new).await.unwrap();
    assert_ne!((card.request, card.digest), (before.request, before.digest));
    assert!(
        card.progress
            .iter()
            .all(|progress| progress.have.is_empty())
    );
    let own = vote(&gate, "u_1", new, Vote::Approve).await.unwrap_err();
    assert_eq!(own.code(), Code::SelfApproval);
    assert_eq!(
        kinds(&gate, new).await,
        ["request.created", "review.refused"]
    );
    // A vote on what was shown before is no vote on this.
    let approver = verified(account("test", "", "u_2"), Assurance::A3);
    let stale = Review::new(approver, new, before.digest, before.policy, Vote::Approve);
    let error = gate.review(stale).await.unwrap_err();
    assert_eq!(error.code(), Code::ActionMismatch);
    vote(&gate, "u_2", new, Vote::Approve).await.unwrap();
    assert_eq!(gate.card(new).await.unwrap().status, Status::Pending);
    assert_eq!(effects.count(), 0);
    assert!(verify(&gate, house.key()).await.passed());
}

// 24: weak assurance.

#[tokio::test(start_paused = true)]
async fn threat_24_a_weak_proof_is_refused_and_says_how_to_step_up() {
    let levels = [Assurance::A1, Assurance::A2, Assurance::A3];
    for (want, name) in levels.into_iter().zip(["A1", "A2", "A3"]) {
        let rule = format!(
            "[[rule]]\nid = \"r\"\nscope = \"db.drop\"\nrequire = [{{ group = \"ops\", min_assurance = \"{name}\" }}]\n"
        );
        for have in levels {
            let house = House::new().rules(&rule);
            let gate = house.open().await;
            let effects = Effects::default();
            let request = ask(&gate, bot().run("r"), &effects).await;
            let card = gate.card(request).await.unwrap();
            let by = |assurance| {
                let approver = verified(account("test", "", "u_1"), assurance);
                Review::new(
                    approver,
                    card.request,
                    card.digest,
                    card.policy,
                    Vote::Approve,
                )
            };
            let answer = gate.review(by(have)).await;
            if have >= want {
                assert_eq!(
                    answer.unwrap().status,
                    Status::Approved,
                    "{have} for {want}"
                );
                continue;
            }
            let error = answer.unwrap_err();
            assert_eq!(error.code(), Code::AssuranceTooLow, "{have} for {want}");
            assert!(
                error.message().contains("decide with your own key"),
                "{error}"
            );
            assert_eq!(
                kinds(&gate, request).await.last().unwrap(),
                "review.refused"
            );
            assert_eq!(
                go_on(&gate, bot().run("r"), &effects).await,
                Err(Code::Pending)
            );
            // The refused vote is none: the same person steps up, and counts once.
            let tally = gate.review(by(want)).await.unwrap();
            assert_eq!(tally.status, Status::Approved);
            assert_eq!(go_on(&gate, bot().run("r"), &effects).await, Ok(1));
            assert!(verify(&gate, house.key()).await.passed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_24_the_weaker_of_two_proofs_does_not_ride_on_the_stronger() {
    let rule = "[[rule]]\nid = \"r\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\", n = 2, min_assurance = \"A3\" }]\n";
    let gate = House::new().rules(rule).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    let card = gate.card(request).await.unwrap();
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let weak = |vote| {
        let approver = verified(account("test", "", "u_2"), Assurance::A1);
        Review::new(approver, card.request, card.digest, card.policy, vote)
    };
    let error = gate.review(weak(Vote::Approve)).await.unwrap_err();
    assert_eq!(error.code(), Code::AssuranceTooLow);
    assert_eq!(
        go_on(&gate, bot().run("r"), &effects).await,
        Err(Code::Pending)
    );
    // A weak no only makes it safer.
    gate.review(weak(Vote::Deny)).await.unwrap();
    assert_eq!(effects.count(), 0);
}
