//! Everything a verifier must judge is in the log: whose account was whose, and every policy whole.

mod support;

use approvals_core::ledger::{Entry, LogEvent, PolicyTexts};
use approvals_core::{Code, Gate, RequestId, Vote};

use support::house::{House, policy};
use support::people::{Crew, account, decide, vote};
use support::{Effects, ask, bot, kinds, records, verify};

/// Who was linked to whom, in order.
async fn links(gate: &Gate) -> Vec<(String, String)> {
    let linked = |entry| match entry {
        Entry::Log(LogEvent::IdentityLinked { person, identity }) => {
            Some((person.to_string(), identity))
        }
        _ => None,
    };
    let records = records(gate).await;
    records
        .into_iter()
        .filter_map(|record| linked(record.entry))
        .collect()
}

fn link(person: &str, identity: &str) -> (String, String) {
    (person.to_owned(), identity.to_owned())
}

async fn asked(gate: &Gate, run: &str) -> RequestId {
    ask(gate, bot().run(run), &Effects::default()).await
}

#[tokio::test(start_paused = true)]
async fn an_account_is_linked_once_and_in_front_of_its_first_vote_that_counts() {
    let gate = House::new().open().await;
    let (first, second) = (asked(&gate, "1").await, asked(&gate, "2").await);
    // Votes that do not count link nobody.
    for who in ["u_eve", "u_alice", "u_gone"] {
        vote(&gate, who, first, Vote::Approve).await.unwrap_err();
    }
    assert_eq!(links(&gate).await, []);
    for request in [first, second] {
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    }
    assert_eq!(links(&gate).await, [link("u_1", "test::u_1")]);
    let all = records(&gate).await;
    let at = |kind: &str| all.iter().position(|record| record.kind() == kind).unwrap();
    assert_eq!(at("identity.linked") + 1, at("review.recorded"));
}

#[tokio::test(start_paused = true)]
async fn every_process_knows_the_links_that_another_recorded() {
    let house = House::new();
    let (one, other) = (house.open().await, house.open().await);
    let requests = [asked(&one, "1").await, asked(&one, "2").await];
    vote(&one, "u_1", requests[0], Vote::Approve).await.unwrap();
    vote(&other, "u_1", requests[1], Vote::Approve)
        .await
        .unwrap();
    let third = asked(&other, "3").await;
    vote(&other, "u_2", third, Vote::Deny).await.unwrap();
    // And so does a process that starts later.
    let late = house.open().await;
    let fourth = asked(&late, "4").await;
    vote(&late, "u_2", fourth, Vote::Approve).await.unwrap();
    let want = [link("u_1", "test::u_1"), link("u_2", "test::u_2")];
    assert_eq!(links(&late).await, want);
    assert!(verify(&late, house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_changes_hands_is_linked_anew_and_is_one_person() {
    let crew = Crew::new();
    let text = policy(1, "").replace("n = 1", "n = 2");
    let house = House::new().policy(text).people(crew.clone());
    let gate = house.open().await;
    let phone = account("slack", "T1", "U1");
    let (first, second) = (asked(&gate, "1").await, asked(&gate, "2").await);
    crew.link(phone.clone(), "u_1");
    decide(&gate, phone.clone(), first, Vote::Approve)
        .await
        .unwrap();
    crew.link(phone.clone(), "u_2");
    // Whoever holds the account now is not a second person on the same request.
    let error = decide(&gate, phone.clone(), first, Vote::Approve).await;
    assert_eq!(error.unwrap_err().code(), Code::DuplicateVote);
    decide(&gate, phone, second, Vote::Approve).await.unwrap();
    let want = [link("u_1", "slack:T1:U1"), link("u_2", "slack:T1:U1")];
    assert_eq!(links(&gate).await, want);
    let kinds = kinds(&gate, first).await;
    assert!(!kinds.contains(&"request.approved".to_owned()), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_any_length_is_in_the_log_whole() {
    let rule = |number: usize| {
        format!("[[rule]]\nid = \"r{number}\"\nscope = \"x.y{number}\"\neffect = \"deny\"\n")
    };
    let rules: String = (0..4_000).map(rule).collect();
    let text = policy(1, &rules);
    assert!(text.len() > 200_000, "more than one record holds");
    let house = House::new().policy(text.clone());
    let gate = house.open().await;
    let mut texts = PolicyTexts::default();
    let all = records(&gate).await;
    let read: Vec<_> = all
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::Log(event) => texts.look(event),
            _ => None,
        })
        .collect();
    assert_eq!(read, [Ok(text)]);
    assert!(verify(&gate, house.key()).await.passed());
    // Another start under the same policy records it no second time.
    let records = all.len();
    asked(&house.open().await, "1").await;
    let again = support::records(&gate).await;
    let parts = |record: &&approvals_core::ledger::AuditRecord| record.kind() == "policy.part";
    assert_eq!(
        again.iter().filter(parts).count(),
        all.iter().filter(parts).count()
    );
    assert!(again.len() > records);
}
