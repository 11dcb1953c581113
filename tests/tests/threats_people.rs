//! Threats 14 to 21: decisions come from verified people, and people count once.

mod support;

use std::time::Duration;

use approvals_core::directory::People;
use approvals_core::gate::Tally;
use approvals_core::lifecycle::Event;
use approvals_core::review::Evidence;
use approvals_core::testing::TestGate;
use approvals_core::{
    Agent, ApprovalError, Assurance, Code, Gate, IdentityKey, Policy, RequestId, Review, Status,
    Vote,
};

use support::house::{House, policy};
use support::people::{Crew, account, decide, proven, review, verified, vote};
use support::{Effects, ask, bot, drop_table, events, kinds};

/// A house in which ops decides, twice if need be, and a request that waits in it.
async fn waiting(need: u8) -> (Gate, RequestId, Crew, Effects) {
    let crew = Crew::new();
    let text = policy(1, "").replace("n = 1", &format!("n = {need}"));
    let gate = House::new().policy(text).people(crew.clone()).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    (gate, request, crew, effects)
}

/// The refusal of a vote, which is on record, and which changes nothing.
async fn refused(gate: &Gate, request: RequestId, answer: Result<Tally, ApprovalError>) -> Code {
    let error = answer.expect_err("this vote must not count");
    assert_eq!(error.request(), Some(request));
    let last = events(gate, request).await.pop();
    let Some(Event::ReviewRefused(on_record)) = last else {
        panic!("the refusal is not on record: {last:?}")
    };
    assert_eq!(on_record.code, error.code());
    let state = gate.journal().state(request).await.unwrap().unwrap();
    assert_eq!(state.status(), Status::Pending);
    error.code()
}

/// The call goes on once the others have approved, and only then.
async fn runs(gate: &Gate, effects: &Effects) -> bool {
    let agent = bot().run("r").wait(Duration::from_millis(1));
    let before = effects.count();
    let ran = gate
        .enter(agent, drop_table(effects.clone(), "users".to_owned()))
        .await;
    assert_eq!(effects.count() - before, usize::from(ran.is_ok()));
    ran.is_ok()
}

// 14 and 15: whoever is behind the request.

#[tokio::test(start_paused = true)]
async fn threat_14_the_agent_cannot_approve_itself() {
    let (gate, request, crew, effects) = waiting(1).await;
    // Somebody gave the agent an account and a seat.
    crew.join("bot", &["ops"]);
    let answer = vote(&gate, "bot", request, Vote::Approve).await;
    assert_eq!(refused(&gate, request, answer).await, Code::SelfApproval);
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_14_an_account_of_the_agent_is_nobodys() {
    let (gate, request, _, effects) = waiting(1).await;
    for identity in [
        account("test", "", "bot"),
        account("spiffe", "cluster", "spiffe://cluster/bot"),
    ] {
        let answer = decide(&gate, identity, request, Vote::Approve).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::IdentityUnresolved
        );
    }
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_15_sponsor_and_owner_cannot_approve_and_can_deny() {
    for who in ["u_alice", "u_olga"] {
        let (gate, request, _, effects) = waiting(1).await;
        let answer = vote(&gate, who, request, Vote::Approve).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::SelfApproval,
            "{who}"
        );
        assert!(!runs(&gate, &effects).await);
        let tally = vote(&gate, who, request, Vote::Deny).await.unwrap();
        assert_eq!(tally.status, Status::Denied, "{who} may always stop it");
        let late = vote(&gate, "u_1", request, Vote::Approve).await;
        assert_eq!(late.unwrap_err().code(), Code::Denied);
    }
}

#[tokio::test(start_paused = true)]
async fn threat_15_nobody_asks_without_a_person_behind_it() {
    let (gate, _, crew, effects) = waiting(1).await;
    crew.disable("u_bob");
    for (agent, code) in [
        (Agent::new("bot"), Code::Unauthenticated),
        (Agent::new("bot").on_behalf_of(""), Code::Unauthenticated),
        (
            Agent::new("bot").on_behalf_of("alice *"),
            Code::Unauthenticated,
        ),
        (
            Agent::new("").on_behalf_of("u_alice"),
            Code::Unauthenticated,
        ),
        (
            Agent::new("bot\n").on_behalf_of("u_alice"),
            Code::Unauthenticated,
        ),
        // Somebody the directory does not know could decide under another name.
        (
            Agent::new("bot").on_behalf_of("u_nobody"),
            Code::IdentityUnresolved,
        ),
        (
            Agent::new("bot").on_behalf_of("U_ALICE"),
            Code::IdentityUnresolved,
        ),
        (
            Agent::new("bot")
                .on_behalf_of("u_alice")
                .owned_by("u_nobody"),
            Code::IdentityUnresolved,
        ),
    ] {
        let label = format!("{agent:?}");
        let call = drop_table(effects.clone(), "users".to_owned());
        let error = gate
            .enter(agent.wait(Duration::from_millis(1)), call)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{label}");
    }
    assert_eq!(effects.count(), 0);
}

// 16: a second account.

const PEOPLE: &str = r#"
version = 1
[[person]]
id = "u_alice"
groups = ["ops"]
identity = [{ provider = "slack", tenant = "T1", subject = "UALICE" }, { provider = "oidc", tenant = "https://idp.example/", subject = "alice" }]
[[person]]
id = "u_olga"
groups = ["ops"]
[[person]]
id = "u_dana"
groups = ["ops", "security"]
identity = [{ provider = "slack", tenant = "T1", subject = "UDANA" }, { provider = "oidc", tenant = "https://idp.example/", subject = "dana" }]
[[person]]
id = "u_erin"
groups = ["ops"]
identity = [{ provider = "slack", tenant = "T1", subject = "UERIN" }]
[[person]]
id = "u_gone"
groups = ["ops"]
status = "disabled"
identity = [{ provider = "slack", tenant = "T1", subject = "UGONE" }]
"#;

fn slack(subject: &str) -> IdentityKey {
    account("slack", "T1", subject)
}

fn oidc(subject: &str) -> IdentityKey {
    account("oidc", "https://idp.example/", subject)
}

async fn office(need: u8) -> (Gate, RequestId, Effects) {
    let text = policy(1, "").replace("n = 1", &format!("n = {need}"));
    let people = People::parse(PEOPLE).unwrap();
    let gate = House::new().policy(text).people(people).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    (gate, request, effects)
}

#[tokio::test(start_paused = true)]
async fn threat_16_a_second_account_is_the_same_person() {
    let (gate, request, effects) = office(2).await;
    decide(&gate, slack("UDANA"), request, Vote::Approve)
        .await
        .unwrap();
    for second in [oidc("dana"), slack("UDANA")] {
        let answer = decide(&gate, second, request, Vote::Approve).await;
        assert_eq!(refused(&gate, request, answer).await, Code::DuplicateVote);
    }
    for own in [slack("UALICE"), oidc("alice")] {
        let answer = decide(&gate, own, request, Vote::Approve).await;
        assert_eq!(refused(&gate, request, answer).await, Code::SelfApproval);
    }
    assert!(!runs(&gate, &effects).await);
    decide(&gate, slack("UERIN"), request, Vote::Approve)
        .await
        .unwrap();
    assert!(runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_16_an_unlinked_account_is_nobody() {
    for need in [1, 2] {
        let (gate, request, effects) = office(need).await;
        for stranger in [
            slack("UALICE2"),
            oidc("alice.private"),
            account("github", "", "4711"),
            account("ssh", "", "SHA256:x"),
        ] {
            for cast in [Vote::Approve, Vote::Deny] {
                let answer = decide(&gate, stranger.clone(), request, cast).await;
                assert_eq!(
                    refused(&gate, request, answer).await,
                    Code::IdentityUnresolved,
                    "{stranger}"
                );
            }
        }
        assert!(!runs(&gate, &effects).await);
    }
}

// 18: quorum double count.

#[tokio::test(start_paused = true)]
async fn threat_18_one_person_counts_once_however_they_come() {
    let (gate, request, effects) = office(2).await;
    decide(&gate, oidc("dana"), request, Vote::Approve)
        .await
        .unwrap();
    for (assurance, text) in [
        (Assurance::A1, "chat"),
        (Assurance::A2, "login"),
        (Assurance::A3, "key"),
    ] {
        let card = gate.card(request).await.unwrap();
        let approver = verified(slack("UDANA"), assurance);
        let again = Review::new(approver, request, card.digest, card.policy, Vote::Approve);
        let answer = gate.review(again.because(text).unwrap()).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::DuplicateVote,
            "{text}"
        );
    }
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_18_one_person_fills_one_seat_of_two_groups() {
    let both = "[[rule]]\nid = \"both\"\nscope = \"db.drop\"\nrequire = [{ group = \"ops\" }, { group = \"security\" }]\n";
    let people = People::parse(PEOPLE).unwrap();
    let gate = House::new().rules(both).people(people).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    let tally = decide(&gate, slack("UDANA"), request, Vote::Approve)
        .await
        .unwrap();
    assert_eq!(
        tally.status,
        Status::Pending,
        "Dana is in both groups and one person"
    );
    assert!(!runs(&gate, &effects).await);
    let tally = decide(&gate, slack("UERIN"), request, Vote::Approve)
        .await
        .unwrap();
    assert_eq!(tally.status, Status::Approved);
    assert!(runs(&gate, &effects).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn threat_18_five_hundred_clicks_of_one_person_are_one_vote() {
    let (gate, request, _, effects) = waiting(2).await;
    let card = gate.card(request).await.unwrap();
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (gate, click) = (
            gate.clone(),
            review(account("test", "", "u_1"), &card, Vote::Approve),
        );
        clicks.spawn(async move { gate.review(click).await });
    }
    let answers = clicks.join_all().await;
    let counted = answers.iter().filter(|answer| answer.is_ok()).count();
    let codes = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .map(ApprovalError::code);
    assert!(codes.into_iter().all(|code| code == Code::DuplicateVote));
    assert_eq!(counted, 1);
    let kinds = kinds(&gate, request).await;
    let of = |kind: &str| kinds.iter().filter(|have| *have == kind).count();
    assert_eq!(
        (
            of("review.recorded"),
            of("review.refused"),
            of("request.approved")
        ),
        (1, 499, 0)
    );
    assert!(!runs(&gate, &effects).await);
}

// 19: distinct but ineligible.

#[tokio::test(start_paused = true)]
async fn threat_19_the_wrong_people_do_not_add_up() {
    let (gate, request, crew, effects) = waiting(1).await;
    crew.disable("u_5");
    // No group; the wrong group; disabled.
    for who in ["u_eve", "u_6", "u_7", "u_5"] {
        for cast in [Vote::Approve, Vote::Deny] {
            let answer = vote(&gate, who, request, cast).await;
            assert_eq!(
                refused(&gate, request, answer).await,
                Code::NotEligible,
                "{who}"
            );
        }
    }
    assert!(!runs(&gate, &effects).await);

    let (gate, request, effects) = office(1).await;
    let answer = decide(&gate, slack("UGONE"), request, Vote::Approve).await;
    assert_eq!(refused(&gate, request, answer).await, Code::NotEligible);
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_19_who_leaves_the_group_no_longer_counts() {
    for leave in [
        |crew: &Crew| crew.join("u_1", &[]),
        |crew: &Crew| crew.disable("u_1"),
    ] {
        let (gate, request, crew, effects) = waiting(1).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        leave(&crew);
        let agent = bot().run("r").wait(Duration::from_millis(1));
        let call = drop_table(effects.clone(), "users".to_owned());
        let error = gate.enter(agent, call).await.unwrap_err();
        assert_eq!(error.code(), Code::NotEligible);
        assert_eq!(effects.count(), 0);
    }
}

#[test]
fn threat_19_a_policy_that_nobody_can_meet_does_not_load() {
    let groups = Crew::groups().into();
    for require in [
        "[]",
        "[{ group = \"nobody\" }]",
        "[{ group = \"\" }]",
        "[{ group = \"*\" }]",
        "[{ group = \"ops\", n = 0 }]",
        "[{ group = \"ops\", n = -1 }]",
        "[{ group = \"ops\", n = 256 }]",
        "[{ n = 1 }]",
        "[{}]",
        "\"ops\"",
        "true",
    ] {
        for text in [
            format!("version = 1\ndefault = {{ require = {require} }}\n"),
            format!(
                "{}[[rule]]\nid = \"r\"\nscope = \"db.drop\"\nrequire = {require}\n",
                policy(1, "")
            ),
        ] {
            let error = Policy::parse(&text, &groups, &[]).expect_err(&text);
            assert_eq!(
                ApprovalError::from(error).code(),
                Code::PolicyInvalid,
                "{text}"
            );
        }
    }
    let empty = format!("{PEOPLE}\n[[group]]\nid = \"empty\"\n");
    assert!(
        People::parse(&empty).is_err(),
        "a group without anybody in it"
    );
}

#[tokio::test(start_paused = true)]
async fn threat_19_a_quorum_larger_than_the_group_ends_in_expiry() {
    let (gate, request, _, effects) = waiting(200).await;
    for who in ["u_1", "u_2", "u_3", "u_4", "u_5"] {
        let tally = vote(&gate, who, request, Vote::Approve).await.unwrap();
        assert_eq!(tally.status, Status::Pending);
    }
    let call = drop_table(effects.clone(), "users".to_owned());
    let error = gate.enter(bot().run("r"), call).await.unwrap_err();
    assert_eq!((error.code(), effects.count()), (Code::Expired, 0));
}

// 20: asserted approver.

#[tokio::test(start_paused = true)]
async fn threat_20_a_name_in_the_evidence_is_no_identity() {
    let (gate, request, _, effects) = waiting(1).await;
    let card = gate.card(request).await.unwrap();
    let cast = |evidence: Evidence| {
        // What a forged channel message says about itself.
        let stranger = proven(account("slack", "T9", "UMADEUP"), Assurance::A3, evidence);
        gate.review(Review::new(
            stranger,
            request,
            card.digest,
            card.policy,
            Vote::Approve,
        ))
    };
    for evidence in [
        Evidence::new("slack")
            .with("approver", "u_1")
            .with("user", "ciso"),
        Evidence::new("test")
            .with("person", "u_1")
            .with("groups", "ops"),
        Evidence::new("x-user: u_1"),
    ] {
        let answer = cast(evidence).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::IdentityUnresolved
        );
    }
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_20_nobody_votes_in_somebody_elses_name() {
    let (gate, request, _, effects) = waiting(1).await;
    let card = gate.card(request).await.unwrap();
    for (who, says) in [("u_eve", "u_1"), ("u_alice", "u_1"), ("u_2", "u_1")] {
        let forged = review(account("test", "", who), &card, Vote::Approve);
        let answer = gate.review(forged.claiming(says.parse().unwrap())).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::SignatureInvalid,
            "{who}"
        );
    }
    assert!(!runs(&gate, &effects).await);
    let own = review(account("test", "", "u_1"), &card, Vote::Approve);
    gate.review(own.claiming("u_1".parse().unwrap()))
        .await
        .unwrap();
    assert!(runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_20_an_id_alone_decides_nothing() {
    let (gate, request, _, effects) = waiting(1).await;
    let (other, _, _, _) = waiting(1).await;
    let card = gate.card(request).await.unwrap();
    let ids = [RequestId::from_bytes([0; 16]), RequestId::random().unwrap()];
    for id in ids {
        let approver = verified(account("test", "", "u_1"), Assurance::A3);
        let guess = Review::new(approver, id, card.digest, card.policy, Vote::Approve);
        assert_eq!(gate.review(guess).await.unwrap_err().code(), Code::NotFound);
    }
    // The right id in the wrong house.
    let stray = review(account("test", "", "u_1"), &card, Vote::Approve);
    assert_eq!(
        other.review(stray).await.unwrap_err().code(),
        Code::NotFound
    );
    assert!(!runs(&gate, &effects).await);
}

#[tokio::test(start_paused = true)]
async fn threat_20_a_decision_is_about_what_was_shown() {
    let (gate, request, _, effects) = waiting(1).await;
    let second = ask(&gate, bot().run("r2"), &effects).await;
    let (card, other) = (
        gate.card(request).await.unwrap(),
        gate.card(second).await.unwrap(),
    );
    let approver = || verified(account("test", "", "u_1"), Assurance::A3);
    let swapped = Review::new(
        approver(),
        request,
        other.digest,
        card.policy,
        Vote::Approve,
    );
    let answer = gate.review(swapped).await;
    assert_eq!(refused(&gate, request, answer).await, Code::ActionMismatch);
    let elsewhere = approvals_core::digest::PolicyDigest::of(b"another");
    let swapped = Review::new(approver(), request, card.digest, elsewhere, Vote::Approve);
    let answer = gate.review(swapped).await;
    assert_eq!(refused(&gate, request, answer).await, Code::PolicyChanged);
    assert!(!runs(&gate, &effects).await);
}

// 21: identity key.

#[tokio::test(start_paused = true)]
async fn threat_21_accounts_match_exactly_or_not_at_all() {
    let (gate, request, effects) = office(1).await;
    for (provider, tenant, subject) in [
        ("slack", "T2", "UDANA"),
        ("slack", "", "UDANA"),
        ("slack", "T1", "udana"),
        ("slack", "T1", "UDANA2"),
        ("slack", "T1", "UDAN"),
        ("Slack", "T1", "UDANA"),
        ("teams", "T1", "UDANA"),
        ("oidc", "https://idp.example", "dana"),
        ("oidc", "https://idp.example.evil/", "dana"),
        ("oidc", "https://idp.example/", "Dana"),
        ("oidc", "https://idp.example/", "dana@example.com"),
        ("oidc", "", "https://idp.example/dana"),
        ("test", "", "u_dana"),
        ("slack", "T1:UDANA", "x"),
    ] {
        let near = account(provider, tenant, subject);
        let answer = decide(&gate, near.clone(), request, Vote::Approve).await;
        assert_eq!(
            refused(&gate, request, answer).await,
            Code::IdentityUnresolved,
            "{near}"
        );
    }
    assert!(!runs(&gate, &effects).await);
    for pattern in [
        "*",
        "U*",
        "UDANA ",
        " UDANA",
        "UDANA\u{a0}",
        "UDANA\n",
        "U?ANA",
        "UDANA,UERIN",
        "!UDANA",
        "",
    ] {
        assert!(
            IdentityKey::new("slack", "T1", pattern).is_err(),
            "{pattern:?}"
        );
    }
}

/// The scripted approver of the testing module goes through the same checks.
#[tokio::test(start_paused = true)]
async fn threat_20_scripted_people_are_checked_like_all_others() {
    let gate = TestGate::script().stall("*").start().await;
    let effects = Effects::default();
    let request = ask(gate.gate(), bot().run("r"), &effects).await;
    for (who, code) in [
        ("u_alice", Code::SelfApproval),
        ("u_eve", Code::NotEligible),
        ("not a name", Code::Misuse),
    ] {
        let answer = gate.decide(who, request, Vote::Approve, None).await;
        assert_eq!(answer.unwrap_err().code(), code, "{who}");
    }
    assert!(!runs(gate.gate(), &effects).await);
}
