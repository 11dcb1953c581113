//! Threat 28: whatever fails, and whenever it fails, the answer is no, or the request waits.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::lifecycle::Event;
use approvals_core::ports::{
    Delivery, Directory, DirectoryError, Filter, Notice, Notifier, NotifyError,
};
use approvals_core::testing::TokioClock;
use approvals_core::{
    ApprovalError, Code, Gate, IdentityKey, PersonId, RequestId, Standing, Status, Vote,
    requires_approval,
};
use async_trait::async_trait;

use support::disk::{self, Disk};
use support::house::House;
use support::people::{self, Channel, Crew, vote};
use support::trap::{Lasting, Trap, WrongClock};
use support::{Effects, ask, bot, drop_table, event, kinds, records, verify};

const CLOCK_STEPS: &[&str] = &["clock back", "clock forward"];
const CHANNEL_STEPS: &[&str] = &["notify"];

/// A house in which one trap can break everything, and what it is like without.
struct Fragile {
    house: House,
    channel: Channel,
    trap: Trap,
    effects: Effects,
}

impl Fragile {
    fn new() -> Self {
        let disk = Disk::new();
        let trap = disk.trap();
        let clock = WrongClock {
            right: Arc::new(TokioClock::default()),
            trap: trap.clone(),
        };
        let channel = Channel::of(&["u_1"]).with(trap.clone());
        let house = House::new()
            .disk(&disk)
            .clock(clock)
            .people(Crew::new().with(trap.clone()))
            .channel(channel.clone());
        Self {
            house,
            channel,
            trap,
            effects: Effects::default(),
        }
    }

    /// Opens the house and makes one call, which people approve as soon as they hear of it.
    async fn call(&self) -> Result<usize, ApprovalError> {
        let gate = self.house.try_open().await?;
        self.channel.serve(&gate);
        let call = gate.enter(bot(), drop_table(self.effects.clone(), "users".to_owned()));
        // A call that ends nowhere is a fault, too.
        let call = tokio::time::timeout(Duration::from_secs(7 * 86_400), call);
        call.await.expect("a call ends")
    }

    /// What is on the disk, whatever was told to the caller.
    async fn events(&self, gate: &Gate) -> Vec<Event> {
        records(gate).await.into_iter().filter_map(event).collect()
    }
}

/// The effect happens only after its use is on record, and is told to the caller only after its
/// outcome is.
async fn check(label: &str, fragile: &Fragile, answer: &Result<usize, ApprovalError>) {
    fragile.trap.disarm();
    let effects = fragile.effects.count();
    // Time heals a clock that was set forward.
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    let gate = fragile.house.open().await;
    let events = fragile.events(&gate).await;
    let has = |wanted: fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let used = has(|event| matches!(event, Event::Consumed(_)));
    let ended = has(|event| matches!(event, Event::Finished(_)));
    assert!(
        effects <= 1 && used <= 1,
        "{label}: {effects} effects, {used} uses"
    );
    assert!(
        effects <= used,
        "{label}: an effect without a use on record"
    );
    match answer {
        Ok(_) => assert_eq!((effects, ended), (1, 1), "{label}: told to have run"),
        Err(error) if effects == 1 => {
            // It did run; only its outcome could not be recorded, and the caller is told so.
            let codes = [
                Code::StoreUnavailable,
                Code::AuditUnavailable,
                Code::ClockRegression,
            ];
            assert!(codes.contains(&error.code()), "{label}: {error}");
        }
        Err(_) => {}
    }
    let report = verify(&gate, fragile.house.key()).await;
    assert!(
        report.passed() || report.records == 0,
        "{label}: {:?}",
        report.findings
    );
    for row in gate.list(Filter::all()).await.unwrap() {
        assert_ne!(
            row.status,
            Status::Pending,
            "{label}: nobody can decide it any more"
        );
    }
}

/// Fails one step at its first call, at its second, and so on, until it is not called so often.
async fn break_everywhere(step: &'static str, lasting: Lasting) -> usize {
    for nth in 0..200 {
        let fragile = Fragile::new();
        fragile.trap.arm(step, nth, lasting);
        let answer = fragile.call().await;
        let sprung = fragile.trap.sprung();
        let label = format!("{step}, call {nth}, {lasting:?}: {answer:?}");
        check(&label, &fragile, &answer).await;
        if !sprung {
            assert_eq!(answer.unwrap(), 1, "{step}: nothing failed");
            return nth;
        }
    }
    panic!("{step} is called too often")
}

async fn break_all(steps: &[&'static str], must: &[&str]) {
    for step in steps {
        for lasting in [Lasting::Once, Lasting::Forever] {
            let calls = break_everywhere(step, lasting).await;
            assert!(calls > 0 || !must.contains(step), "{step} was never tried");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_no_fault_of_the_store_lets_anything_run() {
    // The others are not called on this way, or are other faults of the same step.
    let must = [
        "records",
        "records_of",
        "disclosures",
        "overdue",
        "running",
        "begin",
        "commit refused",
        "commit lost",
        "commit unknown",
        "reader",
        "announce",
        "take_due",
    ];
    break_all(disk::STEPS, &must).await;
}

#[tokio::test(start_paused = true)]
async fn threat_28_no_fault_of_the_directory_lets_anything_run() {
    break_all(people::STEPS, people::STEPS).await;
}

#[tokio::test(start_paused = true)]
async fn threat_28_no_fault_of_the_clock_lets_anything_run() {
    break_all(CLOCK_STEPS, CLOCK_STEPS).await;
}

#[tokio::test(start_paused = true)]
async fn threat_28_no_fault_of_a_channel_lets_anything_run() {
    break_all(CHANNEL_STEPS, CHANNEL_STEPS).await;
}

// Before the use is on record, a fault always means that nothing ran.

/// Calls that fail at this step, which is needed before anything may run.
async fn never_runs(step: &'static str, codes: &[Code]) {
    let fragile = Fragile::new();
    let gate = fragile.house.try_open().await.unwrap();
    fragile.channel.serve(&gate);
    fragile.trap.arm(step, 0, Lasting::Forever);
    let call = gate.enter(
        bot(),
        drop_table(fragile.effects.clone(), "users".to_owned()),
    );
    let error = call.await.unwrap_err();
    assert!(codes.contains(&error.code()), "{step}: {error}");
    assert_eq!(fragile.effects.count(), 0, "{step}");
}

#[tokio::test(start_paused = true)]
async fn threat_28_the_codes_say_what_is_away() {
    for step in ["begin", "commit refused", "records_of"] {
        never_runs(step, &[Code::StoreUnavailable, Code::AuditUnavailable]).await;
    }
    for step in ["commit lost", "commit unknown"] {
        never_runs(step, &[Code::AuditUnavailable]).await;
    }
    for step in ["standing", "standing unknown"] {
        never_runs(step, &[Code::IdentityUnresolved]).await;
    }
    never_runs("resolve", &[Code::Expired]).await;
    never_runs("notify", &[Code::Expired]).await;
    never_runs("clock back", &[Code::ClockRegression]).await;
}

/// Approves first; then this step fails while the approval is used.
async fn never_used(step: &'static str) {
    let fragile = Fragile::new();
    let house = House::new()
        .disk(&fragile.house.disk)
        .people(Crew::new().with(fragile.trap.clone()));
    let gate = house.open().await;
    let request = ask(&gate, bot().run("r"), &fragile.effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    for nth in 0..20 {
        fragile.trap.arm(step, nth, Lasting::Once);
        let call = gate.enter(
            bot().run("r"),
            drop_table(fragile.effects.clone(), "users".to_owned()),
        );
        let answer = call.await;
        if !fragile.trap.sprung() || fragile.effects.count() > 0 {
            assert_eq!(fragile.effects.count(), 1, "{step}: {answer:?}");
            return;
        }
        assert_eq!(fragile.effects.count(), 0, "{step}, call {nth}");
        if !matches!(gate.card(request).await.unwrap().status, Status::Approved) {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_an_approval_is_not_used_while_something_is_away() {
    for step in [
        "begin",
        "records_of",
        "disclosures",
        "by_key",
        "commit refused",
        "standing",
        "standing unknown",
    ] {
        never_used(step).await;
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_after_a_failed_sync_nothing_is_written_any_more() {
    for step in ["commit lost", "commit unknown"] {
        let house = House::new();
        let gate = house.open().await;
        let effects = Effects::default();
        let request = ask(&gate, bot().run("r"), &effects).await;
        house.disk.trap().arm(step, 0, Lasting::Once);
        let error = vote(&gate, "u_1", request, Vote::Approve)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::AuditUnavailable);
        let before = house.disk.stored().len();
        for _ in 0..3 {
            let call = gate.enter(
                bot().run("r"),
                drop_table(effects.clone(), "users".to_owned()),
            );
            assert_eq!(call.await.unwrap_err().code(), Code::AuditUnavailable);
            let error = vote(&gate, "u_2", request, Vote::Deny).await.unwrap_err();
            assert_eq!(error.code(), Code::AuditUnavailable);
        }
        assert_eq!(
            (house.disk.stored().len(), effects.count()),
            (before, 0),
            "{step}"
        );

        // The next process sees what is there, and goes on from that.
        let gate = house.open().await;
        let approved = gate.card(request).await.unwrap().status;
        assert_eq!(
            approved,
            if step == "commit lost" {
                Status::Pending
            } else {
                Status::Approved
            }
        );
        assert!(verify(&gate, house.key()).await.passed());
    }
}

// The notifier alone.

async fn events_of(gate: &Gate, request: RequestId, kind: &str) -> usize {
    kinds(gate, request)
        .await
        .iter()
        .filter(|have| *have == kind)
        .count()
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_lost_notice_keeps_the_request_and_is_tried_again() {
    let fragile = Fragile::new();
    let gate = fragile.house.open().await;
    fragile.channel.serve(&gate);
    fragile.trap.arm("notify", 0, Lasting::Forever);
    let request = {
        let call = gate.detach(
            bot().run("r"),
            drop_table(fragile.effects.clone(), "users".to_owned()),
        );
        let _ = tokio::time::timeout(Duration::from_secs(60), call)
            .await
            .unwrap_err();
        gate.list(Filter::pending()).await.unwrap()[0].id
    };
    assert_eq!(gate.card(request).await.unwrap().status, Status::Pending);
    assert!(
        events_of(&gate, request, "notice.failed").await > 0,
        "the loss is on record"
    );
    let tries = fragile.trap.calls();
    assert!(
        (2..=8).contains(&tries),
        "it is tried again, with a pause: {tries}"
    );
    assert_eq!(events_of(&gate, request, "notice.sent").await, 0);

    // People can decide elsewhere meanwhile; and the channel comes back.
    fragile.trap.disarm();
    let call = gate.enter(
        bot().run("r"),
        drop_table(fragile.effects.clone(), "users".to_owned()),
    );
    assert_eq!(call.await.unwrap(), 1);
    assert!(events_of(&gate, request, "notice.sent").await > 0);
    assert!(
        fragile
            .channel
            .seen()
            .iter()
            .all(|notice| notice.card.request == request)
    );
}

#[tokio::test(start_paused = true)]
async fn threat_28_without_its_channel_a_request_can_be_decided_elsewhere() {
    let fragile = Fragile::new();
    let gate = fragile.house.open().await;
    fragile.trap.arm("notify", 0, Lasting::Forever);
    let call = gate.enter(
        bot(),
        drop_table(fragile.effects.clone(), "users".to_owned()),
    );
    let elsewhere = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let request = gate.list(Filter::pending()).await.unwrap()[0].id;
        vote(&gate, "u_2", request, Vote::Approve).await.unwrap();
    };
    let (ran, ()) = tokio::join!(call, elsewhere);
    assert_eq!(ran.unwrap(), 1);
}

/// What a channel does instead of an answer.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Hangs,
    Panics,
}

#[derive(Debug)]
struct Moody(Mood);

#[async_trait]
impl Notifier for Moody {
    fn name(&self) -> &str {
        "a-moody-channel"
    }

    async fn notify(&self, _: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        match self.0 {
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("the channel panics"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_channel_that_hangs_holds_nobody_up() {
    let channel = Channel::of(&["u_1"]);
    let gate = House::new()
        .channel(Moody(Mood::Hangs))
        .channel(channel.clone())
        .open()
        .await;
    channel.serve(&gate);
    let effects = Effects::default();
    let call = gate.enter(
        bot().run("r"),
        drop_table(effects.clone(), "users".to_owned()),
    );
    let ran = tokio::time::timeout(Duration::from_secs(60), call).await;
    assert_eq!(ran.expect("the other channel was served").unwrap(), 1);
    let request = gate.list(Filter::all()).await.unwrap()[0].id;
    assert!(events_of(&gate, request, "notice.failed").await > 0);

    let gate = House::new().channel(Moody(Mood::Hangs)).open().await;
    let call = gate.enter(
        bot().wait(Duration::from_secs(30)),
        drop_table(effects, "users".to_owned()),
    );
    assert_eq!(
        call.await.unwrap_err().code(),
        Code::Pending,
        "the caller's wait still ends"
    );
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_channel_that_panics_lets_nothing_run() {
    let house = House::new().channel(Moody(Mood::Panics));
    let (gate, effects) = (house.open().await, Effects::default());
    let mut calls = tokio::task::JoinSet::new();
    let (asking, counted) = (gate.clone(), effects.clone());
    calls.spawn(async move {
        asking
            .enter(bot(), drop_table(counted, "users".to_owned()))
            .await
    });
    let ended = calls.join_next().await.unwrap();
    assert!(!matches!(ended, Ok(Ok(_))), "{ended:?}");
    let request = gate.list(Filter::all()).await.unwrap()[0].id;
    let status = gate.card(request).await.unwrap().status;
    assert!(
        matches!(status, Status::Pending | Status::Cancelled),
        "{status}"
    );
    assert_eq!(effects.count(), 0);
}

// Ports that do not answer.

/// Answers until it is told to stop; from then on it says nothing at all.
#[derive(Debug, Clone, Default)]
struct Silent(Arc<Mutex<bool>>);

impl Silent {
    async fn ask(&self) {
        let silent = *self.0.lock().unwrap();
        if silent {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Directory for Silent {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        self.ask().await;
        Crew::new().resolve(identity).await
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        self.ask().await;
        Crew::new().standing(person).await
    }
}

/// The answer of something that should end by itself.
async fn within_an_hour<T>(
    what: &str,
    work: impl Future<Output = Result<T, ApprovalError>>,
) -> Code {
    let answer = tokio::time::timeout(Duration::from_secs(3_600), work).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what} waits for ever"));
    answer
        .err()
        .unwrap_or_else(|| panic!("{what} went through"))
        .code()
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_directory_that_says_nothing_is_a_no() {
    let directory = Silent::default();
    let gate = House::new().people(directory.clone()).open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    *directory.0.lock().unwrap() = true;
    let code = within_an_hour("a vote", vote(&gate, "u_1", request, Vote::Approve)).await;
    assert_eq!(code, Code::IdentityUnresolved);
    *directory.0.lock().unwrap() = false;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    *directory.0.lock().unwrap() = true;
    for agent in [bot().run("r"), bot().run("another")] {
        let call = gate.enter(
            agent.wait(Duration::from_secs(5)),
            drop_table(effects.clone(), "users".to_owned()),
        );
        assert_eq!(
            within_an_hour("a call", call).await,
            Code::IdentityUnresolved
        );
    }
    assert_eq!(effects.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_28_a_store_that_hangs_is_a_no() {
    let house = House::new()
        .disk(&Disk::threaded())
        .patience(Duration::from_millis(100));
    let gate = house.open().await;
    let effects = Effects::default();
    let request = ask(&gate, bot().run("r"), &effects).await;
    vote(&gate, "u_1", request, Vote::Approve).await.unwrap();
    let held = Arc::new(AtomicBool::new(true));
    let hold = Arc::clone(&held);
    house.disk.while_locked(move || {
        while hold.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut calls = tokio::task::JoinSet::new();
    for agent in [bot().run("r"), bot().run("another")] {
        let (gate, effects) = (gate.clone(), effects.clone());
        calls.spawn(async move {
            gate.enter(agent, drop_table(effects, "users".to_owned()))
                .await
        });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap_err().code(), Code::AuditUnavailable);
    }
    held.store(false, Ordering::SeqCst);
    // What was queued behind the lock comes through now, and is over before it began.
    gate.flush().await.unwrap();
    assert_eq!(effects.count(), 0);
    for row in gate.list(Filter::all()).await.unwrap() {
        let history = kinds(&gate, row.id).await;
        assert_eq!(
            history
                .iter()
                .filter(|kind| *kind == "outcome.succeeded")
                .count(),
            0,
            "{history:?}"
        );
    }
}

// Panics of the body, and of what binds its arguments.

#[requires_approval(scope = "panic.body", skip(effects))]
async fn panics(effects: Effects) -> Result<usize, ApprovalError> {
    effects.happen();
    panic!("the body panics")
}

/// Panics the second time it is looked at.
struct Mine(Mutex<u32>, u32);

impl serde::Serialize for Mine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let look = {
            let mut looks = self.0.lock().unwrap();
            *looks += 1;
            *looks
        };
        assert_ne!(look, self.1, "the argument panics");
        serializer.serialize_unit()
    }
}

#[requires_approval(scope = "panic.argument", skip(effects))]
async fn mined(effects: Effects, mine: Mine) -> Result<usize, ApprovalError> {
    let Mine(..) = mine;
    Ok(effects.happen())
}

#[tokio::test(start_paused = true)]
async fn threat_28_a_panic_ends_in_unknown_and_is_never_run_again() {
    let house = House::new();
    let (gate, _) = house.clone().approving(&["u_1"]).await;
    let effects = Effects::default();
    let mut calls = tokio::task::JoinSet::new();
    for run in 0..3 {
        let (gate, effects) = (gate.clone(), effects.clone());
        let agent = bot().idempotency_key(format!("{run}"));
        calls.spawn(async move {
            match run {
                0 => gate.enter(agent, panics(effects)).await,
                look => {
                    gate.enter(agent, mined(effects, Mine(Mutex::default(), look)))
                        .await
                }
            }
        });
    }
    while let Some(ended) = calls.join_next().await {
        assert!(ended.unwrap_err().is_panic());
    }
    gate.flush().await.unwrap();
    assert_eq!(
        effects.count(),
        1,
        "only the body that panicked itself had begun"
    );
    for row in gate.list(Filter::all()).await.unwrap() {
        let history = kinds(&gate, row.id).await;
        assert_eq!(history.last().unwrap(), "outcome.unknown", "{history:?}");
    }
    let again = gate
        .enter(bot().idempotency_key("0"), panics(effects.clone()))
        .await;
    assert_eq!(again.unwrap_err().code(), Code::AlreadyConsumed);
    assert_eq!(effects.count(), 1);
    assert!(verify(&gate, house.key()).await.passed());
}
