//! Threats 56 to 59 against a log whose head is pinned: what is lost, rewritten, put back or
//! forked is refused at the door, and whoever cannot pin may not run anything.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use approvals_core::clock::SystemClock;
use approvals_core::ledger::{Entry, LedgerKey, LogEvent, SignedCheckpoint, leaf_hash};
use approvals_core::ports::{HeadPin as _, Pinning};
use approvals_core::{Agent, ApprovalError, Code, ForgetfulStore, Gate, Loss, Policy, Vote};
use approvals_store::FilePin;
use approvals_store::sqlite::SqliteStore;
use tempfile::TempDir;

use support::disk::Disk;
use support::house::{House, policy};
use support::people::{Crew, vote};
use support::pin::Pin;
use support::trap::Lasting;
use support::{Effects, ask, bot, count, drop_table, records, stored, verify};

/// What the door says to a store that does not fit.
fn refused(opened: Result<Gate, ApprovalError>) -> String {
    let error = opened.map(|_| ()).expect_err("the door stays shut");
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    error.to_string()
}

/// A ledger in a file, and its pin on what stands for another volume.
struct Place {
    directory: TempDir,
    effects: Effects,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("volume")).unwrap();
        Self {
            directory,
            effects: Effects::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn pin(&self) -> FilePin {
        FilePin::new(self.path("volume/head.pin"))
    }

    async fn open(&self, database: &str, pin: Option<FilePin>) -> Result<Gate, ApprovalError> {
        let rules = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\nwhen = { \"args.table\" = \"logs\" }\neffect = \"auto\"\n";
        let text = policy(1, rules);
        let policy = Policy::parse(&text, &Crew::groups().into(), &approvals_core::inventory());
        let builder = Gate::builder()
            .policy(policy?)
            .people(Crew::new())
            .store(SqliteStore::open(self.path(database)).unwrap())
            .ledger_key(key(), &ORIGIN.parse().unwrap());
        match pin {
            Some(pin) => builder.head_pin(Pinning::new(pin)).open().await,
            None => builder.open().await,
        }
    }

    /// The call that a person has to approve; with its key it is the same call at every start.
    async fn drop_users(&self, gate: &Gate) -> Result<usize, ApprovalError> {
        let agent = bot().idempotency_key("drop the users").run("r");
        let agent = agent.wait(Duration::from_millis(1));
        gate.enter(agent, drop_table(self.effects.clone(), "users".to_owned()))
            .await
    }

    /// A call that a rule lets through.
    async fn drop_logs(&self, gate: &Gate) -> Result<usize, ApprovalError> {
        let call = drop_table(self.effects.clone(), "logs".to_owned());
        gate.enter(Agent::new("bot").on_behalf_of("u_alice"), call)
            .await
    }

    /// Every file but locks and what SQLite shares, with a hash of its bytes.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let list = |directory: &Path| {
            let entries = fs::read_dir(directory).unwrap();
            entries
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        let mut files = list(self.directory.path());
        files.extend(list(&self.path("volume")));
        let noise = ["-shm", "-wal", ".lock", ".evidence"];
        files.retain(|path| {
            let name = path.to_string_lossy().into_owned();
            path.is_file() && !noise.iter().any(|end| name.ends_with(end))
        });
        files.sort();
        let hash = |path: &PathBuf| leaf_hash(&fs::read(path).unwrap()).to_hex();
        files
            .iter()
            .map(|path| (path.clone(), hash(path)))
            .collect()
    }

    /// The door stays shut, twice; nothing is changed, and both heads are kept.
    async fn refuses(&self, database: &str, words: &str) {
        let before = self.files();
        let mut said = Vec::new();
        for _ in 0..2 {
            let message = refused(self.open(database, Some(self.pin())).await);
            assert!(message.contains(words), "{message}");
            said.push(message);
        }
        assert_eq!(said[0], said[1]);
        assert_eq!(
            self.files(),
            before,
            "the store and the pin are left as they were"
        );
        let place = said[0]
            .split("both heads are kept in `")
            .nth(1)
            .expect("a place");
        let evidence = fs::read_to_string(place.split('`').next().unwrap()).unwrap();
        assert!(evidence.contains(words), "{evidence}");
        let held = self.pin().read().unwrap().unwrap();
        assert!(evidence.contains(&held), "{evidence}");
    }
}

const ORIGIN: &str = "test.invalid/pinned";

fn key() -> LedgerKey {
    LedgerKey::from_seed(&[5; 32]).unwrap()
}

#[tokio::test]
async fn threat_58_a_used_approval_cannot_be_used_again_by_putting_the_store_back() {
    // First without a pin, to see that the attack works: everything put back was signed once.
    for pinned in [false, true] {
        let place = Place::new();
        let pin = || pinned.then(|| place.pin());
        let gate = place.open("approvals.db", pin()).await.unwrap();
        let request = ask_users(&place, &gate).await;
        vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
        drop(gate);
        fs::copy(place.path("approvals.db"), place.path("yesterday.db")).unwrap();

        let gate = place.open("approvals.db", pin()).await.unwrap();
        assert_eq!(place.drop_users(&gate).await.unwrap(), 1);
        let again = place.drop_users(&gate).await.unwrap_err();
        assert_eq!(again.code(), Code::AlreadyConsumed, "{again}");
        drop(gate);

        fs::copy(place.path("yesterday.db"), place.path("approvals.db")).unwrap();
        if pinned {
            place.refuses("approvals.db", "rolled back or cut").await;
            assert_eq!(place.effects.count(), 1);
        } else {
            let gate = place.open("approvals.db", None).await.unwrap();
            assert_eq!(
                place.drop_users(&gate).await.unwrap(),
                2,
                "the attack works"
            );
        }
    }
}

async fn ask_users(place: &Place, gate: &Gate) -> approvals_core::RequestId {
    let error = place.drop_users(gate).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending, "{error}");
    error.request().unwrap()
}

#[tokio::test]
async fn threat_56_a_log_cut_at_any_head_it_ever_had_is_refused() {
    let place = Place::new();
    for step in 0..4 {
        let gate = place.open("approvals.db", Some(place.pin())).await.unwrap();
        place.drop_logs(&gate).await.unwrap();
        drop(gate);
        fs::copy(
            place.path("approvals.db"),
            place.path(&format!("cut-{step}.db")),
        )
        .unwrap();
    }
    for step in 0..3 {
        // A signed head covers exactly what is left: nothing in the store shows the loss.
        place
            .refuses(&format!("cut-{step}.db"), "rolled back or cut")
            .await;
    }
    drop(SqliteStore::open(place.path("deleted-and-begun-again.db")).unwrap());
    place
        .refuses("deleted-and-begun-again.db", "rolled back or cut")
        .await;
    let whole = place.open("cut-3.db", Some(place.pin())).await.unwrap();
    place.drop_logs(&whole).await.unwrap();
}

#[tokio::test]
async fn threat_57_a_log_rewritten_with_the_online_key_is_refused() {
    let place = Place::new();
    let gate = place.open("approvals.db", Some(place.pin())).await.unwrap();
    place.drop_logs(&gate).await.unwrap();
    drop(gate);
    for calls in 1..4 {
        // The same key, the same rules, other records; as many as are pinned, or more.
        let name = format!("rewritten-{calls}.db");
        let gate = place.open(&name, None).await.unwrap();
        for _ in 0..calls {
            place.drop_logs(&gate).await.unwrap();
        }
        drop(gate);
        place.refuses(&name, "forked or rewritten").await;
    }
}

#[tokio::test]
async fn threat_59_of_two_writers_on_two_copies_one_goes_on() {
    let place = Place::new();
    let gate = place.open("approvals.db", Some(place.pin())).await.unwrap();
    place.drop_logs(&gate).await.unwrap();
    drop(gate);
    for name in ["one.db", "two.db"] {
        fs::copy(place.path("approvals.db"), place.path(name)).unwrap();
    }
    let one = place.open("one.db", Some(place.pin())).await.unwrap();
    place.drop_logs(&one).await.unwrap();
    // It opens what the pin does not cover, and is refused; one that was open already is refused, too.
    place.refuses("two.db", "rolled back or cut").await;

    let (left, right) = (House::new(), House::new());
    let pin = Pin::new();
    let left = left.pin(&pin).rules(AUTO);
    let gate = left.open().await;
    let right = right.pin(&pin).rules(AUTO).disk(&left.disk.backup());
    let fork = right.open().await;
    let effects = Effects::default();
    let call = |gate: Gate| {
        let call = drop_table(effects.clone(), "users".to_owned());
        async move { gate.enter(bot(), call).await }
    };
    call(gate.clone()).await.unwrap();
    for _ in 0..3 {
        let error = call(fork.clone()).await.unwrap_err();
        assert_eq!(error.code(), Code::AuditTampered, "{error}");
    }
    assert_eq!(pin.evidence().len(), 1, "{:?}", pin.evidence());
    call(gate).await.unwrap();
    assert_eq!(effects.count(), 2);
}

/// A rule that lets the usual call through.
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

fn call(effects: &Effects) -> impl Future<Output = Result<usize, ApprovalError>> + use<> {
    drop_table(effects.clone(), "users".to_owned())
}

#[tokio::test(start_paused = true)]
async fn threat_58_a_store_put_back_under_a_running_gate_stops_it() {
    for pinned in [false, true] {
        let house = House::new().rules(AUTO);
        let house = if pinned {
            house.pin(&Pin::new())
        } else {
            house
        };
        let (gate, effects) = (house.open().await, Effects::default());
        let yesterday = house.disk.backup();
        gate.enter(bot(), call(&effects)).await.unwrap();
        house.disk.swap(&yesterday);
        for _ in 0..2 {
            let error = gate.enter(bot(), call(&effects)).await.unwrap_err();
            assert_eq!(error.code(), Code::AuditTampered, "{error}");
            assert!(error.to_string().contains("rolled back or cut"), "{error}");
        }
        assert_eq!(effects.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_pin_runs_nothing_and_goes_on_when_it_works_again() {
    for step in ["move refused", "move unknown"] {
        for nth in 0..8 {
            for lasting in [Lasting::Once, Lasting::Forever] {
                let label = format!("{step} {nth} {lasting:?}");
                let pin = Pin::new();
                let house = House::new().rules(AUTO).pin(&pin);
                let effects = Effects::default();
                let gate = house.open().await;
                pin.trap().arm(step, nth, lasting);
                let answer = gate.enter(bot(), call(&effects)).await;
                if let Err(error) = &answer {
                    assert_eq!(error.code(), Code::AuditUnavailable, "{label}: {error}");
                    assert!(error.to_string().contains("head pin"), "{label}: {error}");
                }
                if lasting == Lasting::Forever && pin.trap().sprung() {
                    assert!(answer.is_err(), "{label}");
                    let ran = effects.count();
                    let error = gate.enter(bot(), call(&effects)).await.unwrap_err();
                    assert_eq!(error.code(), Code::AuditUnavailable, "{label}: {error}");
                    assert_eq!(effects.count(), ran, "{label}: nothing runs unpinned");
                }
                // What runs stands under a pinned head, whatever was told to the caller.
                let used = count(&gate, "permit.consumed").await;
                assert!(effects.count() <= used, "{label}");

                pin.trap().disarm();
                gate.enter(bot(), call(&effects)).await.unwrap();
                let size = stored(&gate).await.len() as u64;
                assert_eq!(pin.size(), size, "{label}: everything is pinned again");
                let report = verify(&gate, house.key()).await;
                assert!(report.passed(), "{label}: {:?}", report.findings);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_hangs_denies_and_freezes_nobody() {
    let pin = Pin::new();
    let house = House::new()
        .rules(AUTO)
        .pin_for(&pin, Duration::from_millis(20));
    let (gate, effects) = (house.open().await, Effects::default());
    gate.enter(bot(), call(&effects)).await.unwrap();
    pin.hang();
    for _ in 0..3 {
        let error = gate.enter(bot(), call(&effects)).await.unwrap_err();
        assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
        assert!(error.to_string().contains("has not answered"), "{error}");
    }
    assert_eq!(effects.count(), 1);
    let recorded = stored(&gate).await.len() as u64;
    assert!(
        recorded <= pin.size() + 8,
        "at most one batch runs ahead of the pin"
    );
    pin.release();
    gate.enter(bot(), call(&effects)).await.unwrap();
    assert_eq!(pin.size(), stored(&gate).await.len() as u64);
    // A gate ends although its pin does not.
    pin.hang();
    drop(gate);
    assert_eq!(
        house.try_open().await.unwrap_err().code(),
        Code::AuditUnavailable
    );
    pin.release();
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_batch_and_pin_is_made_up_for_at_the_next_start() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).pin(&pin);
    let (gate, effects) = (house.open().await, Effects::default());
    let before = pin.size();
    pin.trap().arm("move refused", 0, Lasting::Forever);
    gate.enter(bot(), call(&effects)).await.unwrap_err();
    drop(gate);
    house.disk.power_cut();
    assert!(pin.size() == before && house.disk.stored().len() as u64 > before);
    pin.trap().disarm();
    let gate = house.open().await;
    assert_eq!(pin.size(), stored(&gate).await.len() as u64);
    assert_eq!(pin.evidence().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pin_is_there_from_the_first_start_on_and_is_missed_after() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).pin(&pin);
    pin.trap().arm("move refused", 0, Lasting::Once);
    let error = house.try_open().await.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    assert_eq!(
        house.disk.stored().len(),
        0,
        "an empty log is pinned before it begins"
    );
    drop(house.open().await);

    let held = pin.held();
    pin.set(None);
    let message = refused(house.try_open().await);
    assert!(message.contains("head pin is missing"), "{message}");
    assert!(message.contains("approvals pin adopt"), "{message}");
    pin.set(held);
    let gate = house.open().await;
    pin.set(None);
    let effects = Effects::default();
    let error = gate.enter(bot(), call(&effects)).await.unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    assert_eq!(effects.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_pin_cannot_hold_is_refused_and_kept() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).pin(&pin);
    drop(house.open().await);
    let held = pin.held().unwrap();
    let bodies = [
        String::new(),
        "x".repeat(100_000),
        held.replace("test.invalid/house", "test.invalid/other"),
        held.lines().take(3).collect::<Vec<_>>().join("\n") + "\n",
        held.replace('\n', "\r\n"),
    ];
    for odd in bodies {
        pin.set(Some(odd.clone()));
        let message = refused(house.try_open().await);
        assert!(
            message.contains("does not hold a head of this log"),
            "{message}"
        );
        assert_eq!(pin.held(), Some(odd));
    }
    assert_eq!(pin.evidence().len(), 5);
    pin.set(Some(held));
    house.open().await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_goes_back_while_a_gate_runs_stops_it() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).pin(&pin);
    let (gate, effects) = (house.open().await, Effects::default());
    let before = pin.held();
    gate.enter(bot(), call(&effects)).await.unwrap();
    pin.set(before);
    let error = gate.enter(bot(), call(&effects)).await.unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    assert_eq!(effects.count(), 1);
}

#[tokio::test]
async fn gates_that_share_a_store_share_its_pin() {
    let (disk, pin) = (Disk::threaded(), Pin::new());
    let house = House::new().rules(AUTO).disk(&disk).pin(&pin);
    let gates = [house.open().await, house.open().await, house.open().await];
    let effects = Effects::default();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..30 {
        let (gate, effects) = (gates[number % 3].clone(), effects.clone());
        calls.spawn(async move { gate.enter(bot(), call(&effects)).await });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(effects.count(), 30);
    assert_eq!(pin.size(), stored(&gates[0]).await.len() as u64);
    assert_eq!(pin.evidence(), [""; 0]);
    assert!(verify(&gates[0], house.key()).await.passed());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_forgets_is_not_pinned() {
    let builder = Gate::builder()
        .policy(Policy::parse(&policy(1, ""), &Crew::groups().into(), &[]).unwrap())
        .people(Crew::new())
        .store(ForgetfulStore::new())
        .ledger_key(key(), &ORIGIN.parse().unwrap())
        .head_pin(Pinning::new(Pin::new()));
    assert_eq!(builder.open().await.unwrap_err().code(), Code::Misuse);
}

#[tokio::test]
async fn a_pin_that_is_lost_is_set_by_hand_and_that_is_on_record() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).clock(SystemClock).pin(&pin);
    let error = house.adopt(Loss::Accept).unwrap_err();
    assert_eq!(
        error.code(),
        Code::Misuse,
        "an empty log is not adopted: {error}"
    );
    let gate = house.open().await;
    gate.enter(bot(), call(&Effects::default())).await.unwrap();
    drop(gate);
    let error = house.adopt(Loss::Accept).unwrap_err();
    assert_eq!(error.code(), Code::Misuse, "it fits: {error}");

    pin.set(None);
    let adopted = house.adopt(Loss::Refuse).unwrap();
    assert_eq!(adopted.before, None);
    assert_eq!(adopted.head.size, pin.size());
    let gate = house.open().await;
    let recovered: Vec<_> = records(&gate).await;
    let recovered = recovered.iter().map(|record| &record.entry);
    let recovered: Vec<_> = recovered
        .filter(|entry| matches!(entry, Entry::Log(LogEvent::Recovered { .. })))
        .collect();
    assert_eq!(
        recovered,
        [&Entry::Log(LogEvent::Recovered { pinned: None })]
    );
    let report = verify(&gate, house.key()).await;
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test]
async fn a_loss_is_accepted_by_an_operator_alone_and_what_is_lost_is_on_record() {
    let pin = Pin::new();
    let house = House::new().rules(AUTO).clock(SystemClock).pin(&pin);
    let (gate, effects) = (house.open().await, Effects::default());
    let yesterday = house.disk.backup();
    gate.enter(bot(), call(&effects)).await.unwrap();
    drop(gate);
    let lost = pin.held().unwrap();
    house.disk.swap(&yesterday);
    let error = house.adopt(Loss::Refuse).unwrap_err();
    assert_eq!(error.code(), Code::AuditTampered, "{error}");
    assert_eq!(pin.held().as_ref(), Some(&lost));
    refused(house.try_open().await);

    pin.trap().arm("move refused", 0, Lasting::Once);
    let error = house.adopt(Loss::Accept).unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    refused(house.try_open().await);
    let adopted = house.adopt(Loss::Accept).unwrap();
    let lost = SignedCheckpoint::parse(lost).unwrap();
    assert_eq!(adopted.before, Some(lost.verify(&house.key()).unwrap()));
    let gate = house.open().await;
    gate.enter(bot(), call(&effects)).await.unwrap();
    let wanted = Entry::Log(LogEvent::Recovered { pinned: Some(lost) });
    let found = records(&gate).await;
    assert_eq!(
        found.iter().filter(|record| record.entry == wanted).count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_request_waits_for_its_pin() {
    let pin = Pin::new();
    let house = House::new().pin(&pin);
    let (gate, effects) = (house.open().await, Effects::default());
    let request = ask(&gate, bot().run("r"), &effects).await;
    pin.trap().arm("move refused", 0, Lasting::Once);
    let answer = vote(&gate, "u_1", request, Vote::Approve).await;
    assert_eq!(answer.unwrap_err().code(), Code::AuditUnavailable);
    // It is on record all the same, and counts as soon as the pin moves on.
    gate.enter(bot().run("r"), call(&effects)).await.unwrap();
    assert_eq!(effects.count(), 1);
    assert_eq!(pin.size(), stored(&gate).await.len() as u64);
}
