//! Defects found in review: each test states what is wanted.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use approvals_core::action::{Bound, GuardedFn, bind};
use approvals_core::canonical::{Value, parse, to_value};
use approvals_core::gate::Call;
use approvals_core::id::BootId;
use approvals_core::ledger::{AuditRecord, Entry, LedgerKey};
use approvals_core::lifecycle::RequestState;
use approvals_core::ports::Store;
use approvals_core::request::Outcome;
use approvals_core::{
    ApprovalError, ApprovalGate, Card, Code, Gate, Permit, Policy, Vote, inventory,
};
use approvals_store::sqlite::SqliteStore;

use support::house::{House, policy};
use support::people::{Channel, Crew, vote};
use support::trap::{Lasting, Trap};
use support::{Effects, ask, bot, drop_table, kinds};

/// Everything runs by itself.
const AUTO: &str = "[[rule]]\nid = \"all\"\nscope = \"db.drop\"\neffect = \"auto\"";

/// What a map holds is what is shown: no name in it makes the rest of it vanish.
#[test]
fn i2_no_name_makes_the_rest_of_a_record_vanish() {
    let map = BTreeMap::from([("$cmd", "rm -rf /"), ("$serde_json::private::Number", "1")]);
    assert_ne!(to_value(&map).ok(), Some(Value::Integer(1)));
    let text = br#"{"$cmd":"rm -rf /","$serde_json::private::Number":"1"}"#;
    assert_ne!(parse(text).ok(), Some(Value::Integer(1)));
}

/// Whoever writes a record about a run does not become the one who runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_a_late_no_from_another_process_does_not_end_a_live_run() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.db");
    let gate = durable(&path, "").await;
    let request = ask(&gate, bot().run("r"), &Effects::default()).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let running = permit(&gate).await.start().await.unwrap();
    // A second process: a late denial, and it is gone.
    let other = durable(&path, "").await;
    let late = vote(&other, "u_2", request, Vote::Deny).await.unwrap_err();
    assert_eq!(late.code(), Code::AlreadyConsumed);
    drop(other);
    // A third one sweeps when it opens.
    durable(&path, "").await;
    let kinds = kinds(&gate, request).await;
    assert!(
        !kinds.iter().any(|kind| kind == "outcome.unknown"),
        "{kinds:?}"
    );
    drop(running);
}

async fn durable(path: &Path, rules: &str) -> Gate {
    try_durable(path, rules).await.unwrap()
}

async fn try_durable(path: &Path, rules: &str) -> Result<Gate, ApprovalError> {
    durable_version(path, 1, rules).await
}

async fn durable_version(path: &Path, version: u32, rules: &str) -> Result<Gate, ApprovalError> {
    Gate::builder()
        .policy(Policy::parse(&policy(version, rules), &Crew::groups().into(), &[]).unwrap())
        .people(Crew::new())
        .store(SqliteStore::open(path).unwrap())
        .ledger_key(
            LedgerKey::from_seed(&[7; 32]).unwrap(),
            &"test.invalid/log".parse().unwrap(),
        )
        .open()
        .await
}

/// The permit for the call that `ask` made in the run `r`.
async fn permit(gate: &Gate) -> Permit {
    let call = Call::of(call(), bot().run("r")).unwrap();
    gate.authorize(call).await.unwrap()
}

/// What `drop_table` binds.
fn call() -> Bound {
    bind(table_fn(), |binder| {
        binder.shown("table", "users");
        binder.reason(format_args!("drop users"));
    })
}

fn table_fn() -> &'static GuardedFn {
    inventory()
        .into_iter()
        .find(|f| f.function.ends_with("support::drop_table"))
        .unwrap()
}

/// A card whose action is not the one that its digest binds cannot be drawn, and so not signed.
#[tokio::test]
async fn i2_a_card_is_of_the_action_that_its_digest_binds() {
    let gate = House::new().open().await;
    let effects = Effects::default();
    let shown = ask(&gate, bot().run("1"), &effects).await;
    let bound = ask(&gate, bot().run("2"), &effects).await;
    let digest = gate.card(bound).await.unwrap().digest.to_string();
    let log = gate.journal().log().clone();
    let records = gate
        .journal()
        .read(move |r| r.records_of(shown))
        .await
        .unwrap();
    let text = String::from_utf8(records[0].bytes.clone()).unwrap();
    let honest = gate.card(shown).await.unwrap().digest.to_string();
    let record = AuditRecord::decode(text.replace(&honest, &digest).as_bytes(), &log).unwrap();
    let Entry::Request(_, event) = &record.entry else {
        panic!()
    };
    let disclosures = gate.journal().disclosures(shown).await.unwrap();
    let card = RequestState::begin(event, record.at).map(|state| Card::of(&state, &disclosures));
    assert!(
        !matches!(card, Ok(Ok(_))),
        "a card of one action with the digest of another"
    );
}

/// One database, two paths: a process that is alive at one is alive at the other.
#[test]
fn i3_a_process_is_alive_whatever_path_it_opened() {
    let scratch = tempfile::tempdir().unwrap();
    let (real, link) = (scratch.path().join("a.db"), scratch.path().join("b.db"));
    let mut one = SqliteStore::open(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut other = SqliteStore::open(&link).unwrap();
    let boot = BootId::random().unwrap();
    one.announce(boot).unwrap();
    other.announce(BootId::random().unwrap()).unwrap();
    assert!(!other.is_gone(boot));
}

/// A second permit for one approval that cannot be used says nothing about the first one's run.
#[tokio::test]
async fn i3_a_failed_second_use_does_not_end_the_first_ones_run() {
    let house = House::new();
    let gate = house.open().await;
    let request = ask(&gate, bot().run("r"), &Effects::default()).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let (first, second) = (permit(&gate).await, permit(&gate).await);
    let running = first.start().await.unwrap();
    house.disk.trap().arm("commit refused", 0, Lasting::Once);
    second.start().await.unwrap_err();
    let kinds = kinds(&gate, request).await;
    assert!(
        !kinds.iter().any(|kind| kind == "outcome.unknown"),
        "{kinds:?}"
    );
    drop(running);
}

/// Asking again after the approval became useless asks people again.
#[tokio::test]
async fn threat_22_asking_again_after_an_approver_left_asks_again() {
    let crew = Crew::new();
    let gate = House::new().people(crew.clone()).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    crew.disable("u_1");
    let call = || {
        gate.enter(
            bot().run("r").wait(Duration::from_millis(1)),
            drop_table(effects.clone(), "users".into()),
        )
    };
    assert_eq!(call().await.unwrap_err().code(), Code::NotEligible);
    assert_eq!(call().await.unwrap_err().code(), Code::Pending);
}

/// A body that ran is never reported as one that may not run, and its outcome is not lost.
#[tokio::test]
async fn i5_what_ran_is_not_reported_as_refused() {
    let house = House::new();
    let gate = house.open().await;
    let request = ask(&gate, bot().run("r"), &Effects::default()).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let started = permit(&gate).await.start().await.unwrap();
    let running = started.check(call()).unwrap();
    house.disk.trap().arm("commit refused", 0, Lasting::Once);
    running.finish(Outcome::Succeeded).await.unwrap_err();
    gate.sweep().await.unwrap();
    let kinds = kinds(&gate, request).await;
    assert!(
        kinds.iter().any(|kind| kind == "outcome.succeeded"),
        "{kinds:?}"
    );
}

/// A channel that is down does not fill the log.
#[tokio::test(start_paused = true)]
async fn threat_60_a_dead_channel_does_not_fill_the_log() {
    let trap = Trap::default();
    let gate = House::new()
        .channel(Channel::of(&[]).with(trap.clone()))
        .open()
        .await;
    trap.arm("notify", 0, Lasting::Forever);
    let request = ask(&gate, bot().run("r"), &Effects::default()).await;
    gate.cancel(request).await.unwrap();
    for _ in 0..240 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        gate.deliver().await.unwrap();
    }
    let failed = kinds(&gate, request)
        .await
        .iter()
        .filter(|kind| *kind == "notice.failed")
        .count();
    assert!(
        failed < 50,
        "{failed} records of one dead channel in an hour, for a settled request"
    );
}

/// Opening a ledger that others are writing to is not tampering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i6_a_busy_ledger_is_not_taken_for_a_damaged_one() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.db");
    let gate = durable(&path, AUTO).await;
    let busy = tokio::spawn(async move {
        loop {
            gate.enter(bot(), drop_table(Effects::default(), "users".into()))
                .await
                .unwrap();
        }
    });
    let mut tampered = 0;
    for _ in 0..300 {
        if let Err(error) = try_durable(&path, AUTO).await {
            assert_eq!(error.code(), Code::AuditTampered, "{error}");
            tampered += 1;
        }
    }
    busy.abort();
    assert_eq!(tampered, 0, "of 300");
}

/// What is in force is what the log says: a row beside the log brings no older policy back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_43_the_log_says_which_policy_is_in_force() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.db");
    drop(durable_version(&path, 2, "").await.unwrap());
    let hands_on = rusqlite::Connection::open(&path).unwrap();
    let sql = "UPDATE head SET policy_version = NULL, policy_digest = NULL";
    hands_on.execute(sql, []).unwrap();
    drop(hands_on);
    let older = durable_version(&path, 1, AUTO).await;
    assert!(
        older.is_err(),
        "an older policy, which lets all through, is in force"
    );
}
