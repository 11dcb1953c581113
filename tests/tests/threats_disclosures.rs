//! What people were shown lies in no file in clear.

mod support;

use std::path::Path;

use approvals_core::review::Statement;
use approvals_core::{
    Agent, ApprovalError, Assurance, Code, Gate, RequestId, Review, Vote, requires_approval, sshsig,
};
use approvals_store::home::{Home, Starter};
use approvals_store::sqlite::SqliteStore;

use support::canary::forms;
use support::house::{House, policy};
use support::people::{account, verified};
use support::{Effects, ask, hasty};

/// One canary for each place that people are shown a text in.
const CANARIES: [&str; 4] = [
    "c4nary~of-a=parameter/77",
    "c4nary~of-the=rationale/77",
    "c4nary~of-a=review/777777",
    "c4nary~of-the=denial/7777",
];

#[requires_approval(
    scope = "show.plain",
    reason = "because of {value}",
    resource = "the thing called {value}",
    skip(effects)
)]
async fn show(effects: Effects, value: String) -> Result<usize, ApprovalError> {
    Ok(effects.happen())
}

/// Everything that lies in the directory of a store, as it lies there.
fn bytes(directory: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

async fn decide(gate: &Gate, who: &str, request: RequestId, vote: Vote, why: &str) {
    let card = gate.card(request).await.unwrap();
    let approver = verified(account("test", "", who), Assurance::A3);
    let review = Review::new(approver, card.request, card.digest, card.policy, vote);
    gate.review(review.because(why).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_what_is_shown_lies_in_no_file_in_clear() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("approvals.db");
    let effects = Effects::default();
    let house = House::new();
    let gate = house
        .try_open_on(SqliteStore::open(&path).unwrap())
        .await
        .unwrap();
    let ask = |run: &str| {
        let agent = hasty().rationale(CANARIES[1]).idempotency_key(run);
        gate.enter(agent, show(effects.clone(), CANARIES[0].to_owned()))
    };
    let first = ask("one").await.unwrap_err().request().unwrap();
    decide(&gate, "u_1", first, Vote::Approve, CANARIES[2]).await;
    ask("one").await.unwrap();
    let second = ask("two").await.unwrap_err().request().unwrap();
    decide(&gate, "u_1", second, Vote::Deny, CANARIES[3]).await;
    assert_eq!(ask("two").await.unwrap_err().reason(), Some(CANARIES[3]));
    assert_eq!(effects.count(), 1);

    // The gate still shows all of it.
    let opened = gate.journal().disclosures(first).await.unwrap();
    assert_eq!(opened.len(), 5, "a value, three words and a reason");
    let card = gate.card(second).await.unwrap();
    assert!(card.to_text().contains(CANARIES[0]) && card.to_text().contains(CANARIES[1]));
    assert_eq!(card.denial.unwrap().raw(), CANARIES[3]);

    let mut gate = Some(gate);
    // With the log beside the database, and again when everything was moved into it.
    for closed in [false, true] {
        let bytes = bytes(scratch.path());
        assert!(holds(&bytes, "show.plain"), "the files were not looked at");
        for disclosure in &opened {
            assert!(holds(&bytes, disclosure.commitment.as_str()));
            assert!(!holds(&bytes, &disclosure.text));
        }
        for (form, secret) in CANARIES.iter().flat_map(|canary| forms(canary)) {
            assert!(!holds(&bytes, &secret), "{form}, closed: {closed}");
        }
        // A second process, with the same keys, is shown the same.
        let other = SqliteStore::open(&path).unwrap();
        let other = house.try_open_on(other).await.unwrap();
        assert!(
            other
                .card(first)
                .await
                .unwrap()
                .to_text()
                .contains(CANARIES[0])
        );
        gate.take();
    }
}

#[tokio::test(start_paused = true)]
async fn threat_13_a_store_sealed_under_another_key_is_refused() {
    let (effects, house) = (Effects::default(), House::new());
    let gate = house.open().await;
    ask(&gate, hasty(), &effects).await;
    drop(gate);
    let other = house.clone().secrets_of([9; 32]).try_open().await;
    let error = other.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable);
    assert!(error.message().contains("disclosure key"), "{error}");
    house.try_open().await.unwrap();
}

/// A new SSH key with an address in its comment, as `ssh-keygen` makes them: private and public.
fn key_of(directory: &Path, comment: &str) -> (String, String) {
    let path = directory.join("id");
    let mut made = std::process::Command::new("ssh-keygen");
    made.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]);
    assert!(made.arg(&path).status().unwrap().success());
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    (read(path.clone()), read(path.with_extension("pub")))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_name_or_address_is_in_the_log_or_beside_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (name, address) = ("Dana Quill-Canary", "dana.canary@people.invalid");
    let (private, public) = key_of(scratch.path(), address);
    let people = format!(
        "version = 1\n[[person]]\nid = \"u_alice\"\n[[person]]\nid = \"u_1\"\nname = \"{name}\"\n\
         groups = [\"ops\"]\nidentity = [{{ provider = \"ssh\", key = \"{}\" }}]\n",
        public.trim()
    );
    let starter = Starter::new("test.invalid/names".parse().unwrap());
    let starter = starter.people(people).policy(policy(1, ""));
    let home = Home::create(scratch.path().join("home"), starter).unwrap();
    assert!(
        home.people()
            .people()
            .any(|person| person.name.as_deref() == Some(name))
    );
    let gate = home.gate().unwrap().open().await.unwrap();
    let (agent, effects) = (
        Agent::new("bot").on_behalf_of("u_alice").run("r"),
        Effects::default(),
    );
    let request = ask(&gate, agent.clone(), &effects).await;
    let card = gate.card(request).await.unwrap();
    let bound = (card.request, card.digest, card.policy, Vote::Approve);
    let until = gate.now().after(std::time::Duration::from_secs(60));
    let statement = Statement::new(bound, "u_1".parse().unwrap(), None, "n".to_owned(), until);
    let signature = sshsig::sign(&statement, &private).unwrap();
    let review = sshsig::review(&statement.bytes().unwrap(), &signature, None, gate.now());
    gate.review(review.unwrap()).await.unwrap();
    gate.enter(
        agent,
        support::drop_table(effects.clone(), "users".to_owned()),
    )
    .await
    .unwrap();
    drop(gate);
    let log = std::fs::read(home.paths().database()).unwrap();
    assert!(holds(&bytes(home.path()), name), "the people file has it");
    assert!(holds(&log, "u_1"), "the log was not looked at");
    for personal in [name, address, "Quill", "canary@people"] {
        assert!(!holds(&log, personal), "{personal}");
    }
}
