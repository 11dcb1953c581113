//! Witnesses beside the log: what they have seen cannot be taken back, and where a quorum is asked
//! for, nothing runs that they have not seen. A witness that hangs, lies or is away stops nothing
//! but what waits for it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use approvals_core::action::{Action, BoundParam};
use approvals_core::anchor::{AnchorMode, AnchorStatus, Anchoring};
use approvals_core::canonical::Value;
use approvals_core::clock::{Clock, SystemClock};
use approvals_core::digest::SchemaDigest;
use approvals_core::gate::{Call, LocalSigner};
use approvals_core::id::RecordId;
use approvals_core::ledger::{Entry, LedgerKey, LogEvent, SignedCheckpoint, WitnessPolicy};
use approvals_core::ports::Witness;
use approvals_core::{Agent, ApprovalError, Code, Gate};

use support::disk::Disk;
use support::house::House;
use support::pin::Pin;
use support::trap::HandClock;
use support::witness::{FakeWitness, Manner, until};
use support::{Effects, bot, count, drop_table, kinds, records, stored};

/// A rule that lets the usual call through.
const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

const SOON: Duration = Duration::from_millis(20);

/// Three witnesses, and a house that goes by the machine's clock.
struct Town {
    witnesses: Vec<FakeWitness>,
    house: House,
    effects: Effects,
}

impl Town {
    fn new() -> Self {
        Self::by(SystemClock)
    }

    fn by(clock: impl Clock + Clone + 'static) -> Self {
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let witnesses = (1..=3).map(|seed| FakeWitness::new(seed, Arc::clone(&shared)));
        Self {
            witnesses: witnesses.collect(),
            house: House::new()
                .rules(AUTO)
                .disk(&Disk::threaded())
                .clock(clock),
            effects: Effects::default(),
        }
    }

    fn policy(&self, quorum: &str) -> WitnessPolicy {
        let names = ["a", "b", "c"];
        let lines = names.iter().zip(&self.witnesses);
        let lines: String = lines
            .map(|(name, witness)| witness.line(name, ""))
            .collect();
        WitnessPolicy::parse(format!("{lines}group q {quorum} a b c\nquorum q\n")).unwrap()
    }

    fn ask(&self, quorum: &str) -> Anchoring {
        let witness = |witness: &FakeWitness| Arc::new(witness.clone()) as Arc<dyn Witness>;
        let anchoring = Anchoring::new(self.policy(quorum), self.witnesses.iter().map(witness));
        anchoring
            .unwrap()
            .pace(SOON)
            .patience(Duration::from_secs(60))
    }

    async fn open(&self, anchoring: Anchoring) -> Gate {
        self.house.clone().anchoring(anchoring).open().await
    }

    async fn call(&self, gate: &Gate) -> Result<usize, ApprovalError> {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        gate.enter(agent, drop_table(self.effects.clone(), "users".to_owned()))
            .await
    }

    /// The heads that are on record as anchored, oldest first, each checked against the policy.
    async fn anchors(&self, gate: &Gate, quorum: &str) -> Vec<u64> {
        let policy = self.policy(quorum);
        let notes: Vec<SignedCheckpoint> =
            records(gate).await.into_iter().filter_map(anchor).collect();
        let size = |note: &SignedCheckpoint| {
            let seen = policy.satisfied_by(note, &self.house.key()).unwrap();
            assert!(seen.is_enough());
            seen.head().size
        };
        notes.iter().map(size).collect()
    }
}

fn anchor(record: approvals_core::ledger::AuditRecord) -> Option<SignedCheckpoint> {
    match record.entry {
        Entry::Log(LogEvent::Anchored(note)) => Some(note),
        _ => None,
    }
}

/// Whether it is said that this is not the log that was cosigned: one that is shorter now was cut,
/// and one that has grown since is another one.
fn tells(words: &str) -> bool {
    words.contains("rolled back or cut") || words.contains("forked or rewritten")
}

fn status(gate: &Gate) -> AnchorStatus {
    gate.anchoring().expect("it has witnesses")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_cosigned_and_recorded_until_there_is_nothing_new() {
    let town = Town::new();
    let gate = town.open(town.ask("all")).await;
    for _ in 0..3 {
        town.call(&gate).await.unwrap();
    }
    let all = stored(&gate).await.len() as u64;
    until("all is anchored", || {
        status(&gate).anchored.is_some_and(|head| head.size >= all)
    })
    .await;
    until("that is on record", || {
        let seen = town.witnesses[0].head().unwrap().size;
        seen >= all && status(&gate).unanchored == 0
    })
    .await;
    gate.anchor().await.unwrap();
    tokio::time::sleep(SOON * 10).await;
    let asked = town.witnesses[0].asked().len();
    tokio::time::sleep(SOON * 10).await;
    assert_eq!(
        town.witnesses[0].asked().len(),
        asked,
        "an anchor is no news"
    );

    let anchors = town.anchors(&gate, "all").await;
    assert!(
        anchors.last().is_some_and(|size| *size >= all),
        "{anchors:?}"
    );
    assert!(anchors.is_sorted(), "{anchors:?}");
    let now = status(&gate);
    assert!(now.ready && now.problems.is_empty(), "{now:?}");
    assert_eq!(now.anchored.unwrap().by.len(), 3);
    let report = gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);

    // Another start knows from the record what is anchored, and asks nobody again.
    drop(gate);
    let asked = town.witnesses[0].asked().len();
    let gate = town.open(town.ask("all")).await;
    until("it looked", || status(&gate).anchored.is_some()).await;
    let _ = gate.anchor().await;
    let new = &town.witnesses[0].asked()[asked..];
    assert!(
        new.iter().all(|request| !request.starts_with("old 0\n")),
        "{new:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_logs_own_line_is_shown_to_a_witness() {
    let town = Town::new();
    let gate = town.open(town.ask("all")).await;
    town.call(&gate).await.unwrap();
    gate.anchor().await.unwrap();
    town.call(&gate).await.unwrap();
    gate.anchor().await.unwrap();
    for request in town.witnesses.iter().flat_map(FakeWitness::asked) {
        let lines = request.lines().filter(|line| line.starts_with('\u{2014}'));
        let own = lines.map(|line| line.contains("test.invalid/house"));
        assert_eq!(own.collect::<Vec<_>>(), [true], "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_where_a_quorum_is_asked_for_nothing_runs_that_it_has_not_seen() {
    let town = Town::new();
    let gate = town.open(town.ask("2").quorum()).await;
    for round in 1..=3 {
        town.call(&gate).await.unwrap();
        assert_eq!(town.effects.count(), round);
        // The record of the use stands below a head that two witnesses hold.
        let seen = town.witnesses.iter().filter_map(FakeWitness::head);
        let mut seen: Vec<u64> = seen.map(|head| head.size).collect();
        seen.sort_unstable();
        let all = records(&gate).await;
        let used = all
            .iter()
            .rposition(|record| record.kind() == "permit.consumed")
            .unwrap() as u64;
        assert!(
            seen.iter().rev().nth(1).is_some_and(|size| *size > used),
            "{seen:?} {used}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_without_a_quorum_the_use_is_burned_and_nothing_runs() {
    for manner in [
        Manner::Hangs,
        Manner::Away,
        Manner::Status(500),
        Manner::Status(302),
        Manner::Status(403),
        Manner::Status(404),
        Manner::Status(422),
        Manner::Garbage,
        Manner::Endless,
        Manner::WrongKey,
        Manner::WrongHead,
        Manner::Off(-86_400),
        Manner::Off(86_400),
        Manner::Claims(0),
        Manner::Claims(1_000_000),
        Manner::Dithers,
    ] {
        let town = Town::new();
        let impatient = town.ask("2").quorum().patience(SOON * 10);
        // One honest witness is no quorum of two.
        town.witnesses[1].behave(manner);
        town.witnesses[2].behave(manner);
        let gate = town.open(impatient).await;
        let error = town.call(&gate).await.unwrap_err();
        assert_eq!(error.code(), Code::AuditUnavailable, "{manner:?}: {error}");
        assert!(
            error.to_string().contains("no quorum of witnesses"),
            "{error}"
        );
        assert!(
            error.to_string().contains("witness.invalid/w2"),
            "{manner:?}: {error}"
        );
        assert_eq!(town.effects.count(), 0, "{manner:?}");
        let kinds = kinds(&gate, error.request().unwrap()).await;
        let end = kinds.iter().rev().take(2).rev().collect::<Vec<_>>();
        assert_eq!(end, ["permit.consumed", "permit.refused"], "{manner:?}");
        assert_eq!(
            count(&gate, "outcome.unknown").await,
            0,
            "it is not in doubt: nothing ran"
        );
        assert_eq!(town.anchors(&gate, "2").await, [0; 0], "{manner:?}");
        let report = gate.journal().verify().await.unwrap();
        assert!(report.passed(), "{manner:?}: {:?}", report.findings);

        // When they come to their senses, it goes on.
        town.witnesses[1].behave(Manner::Honest);
        town.witnesses[2].behave(Manner::Honest);
        until("they cosign again", || {
            town.witnesses[1].cosigned() + town.witnesses[2].cosigned() > 0
        })
        .await;
        drop(gate);
        let gate = town.open(town.ask("2").quorum()).await;
        town.call(&gate).await.unwrap();
        assert_eq!(town.effects.count(), 1, "{manner:?}");
        until("nothing is wrong", || status(&gate).ready).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_witness_of_three_stops_nobody() {
    for manner in [
        Manner::Hangs,
        Manner::Away,
        Manner::Garbage,
        Manner::WrongKey,
        Manner::Claims(99),
        Manner::Dithers,
    ] {
        let town = Town::new();
        town.witnesses[0].behave(manner);
        let gate = town.open(town.ask("2").quorum()).await;
        for round in 1..=5 {
            town.call(&gate).await.unwrap();
            assert_eq!(town.effects.count(), round, "{manner:?}");
        }
        town.witnesses[0].behave(Manner::Honest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_a_use_that_was_burned_is_no_right_to_an_agent_that_asks_again() {
    let town = Town::new();
    town.witnesses[1].behave(Manner::Away);
    town.witnesses[2].behave(Manner::Away);
    let gate = town.open(town.ask("2").quorum().patience(SOON * 10)).await;
    let mut action = Action::new(
        "db.drop".parse().unwrap(),
        "drop_table",
        SchemaDigest::of(b"drop_table"),
    );
    action.params = vec![BoundParam::new("table", Value::Text("users".to_owned()))];
    let agent = Agent::new("bot").on_behalf_of("u_alice");
    let request = gate.ask(Call::new(action, None, agent)).await.unwrap();
    let attempt = RecordId::random().unwrap();
    let digest = gate.card(request).await.unwrap().digest;
    let first = gate.redeem(request, attempt, digest).await.unwrap_err();
    assert_eq!(first.code(), Code::AuditUnavailable, "{first}");
    // The same try again: with and without a quorum, it was burned.
    for manner in [Manner::Away, Manner::Honest] {
        town.witnesses[1].behave(manner);
        town.witnesses[2].behave(manner);
        let again = gate.redeem(request, attempt, digest).await.unwrap_err();
        assert_eq!(again.code(), Code::AlreadyConsumed, "{manner:?}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_58_a_witness_tells_that_the_store_was_put_back() {
    let town = Town::new();
    let gate = town.open(town.ask("2")).await;
    town.call(&gate).await.unwrap();
    let yesterday = town.house.disk.backup();
    town.call(&gate).await.unwrap();
    gate.anchor().await.unwrap();
    drop(gate);

    // Without a pin the older store opens; with a quorum nothing runs on it, and the status tells why.
    town.house.disk.swap(&yesterday);
    let gate = town.open(town.ask("2").quorum().patience(SOON * 10)).await;
    let ran = town.effects.count();
    let error = town.call(&gate).await.unwrap_err();
    assert_eq!(error.code(), Code::AuditUnavailable, "{error}");
    assert!(tells(&error.to_string()), "{error}");
    assert_eq!(town.effects.count(), ran);
    let now = status(&gate);
    assert!(!now.ready && tells(&now.problems.concat()), "{now:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_a_witness_tells_that_the_log_was_forked() {
    let town = Town::new();
    let gate = town.open(town.ask("2")).await;
    town.call(&gate).await.unwrap();
    gate.anchor().await.unwrap();
    let fork = town.house.disk.backup();
    drop(gate);
    // Two histories that go on from one: the second is shown when the first has been cosigned.
    let mut halves = Vec::new();
    for disk in [town.house.disk.clone(), fork] {
        let house = town.house.clone().disk(&disk);
        let patience = if halves.is_empty() {
            SOON * 500
        } else {
            SOON * 10
        };
        let gate = house
            .anchoring(town.ask("2").patience(patience))
            .open()
            .await;
        for _ in 0..4 {
            let call = drop_table(town.effects.clone(), "users".to_owned());
            gate.enter(bot(), call).await.unwrap();
        }
        halves.push(gate.anchor().await);
        if halves.len() == 2 {
            let now = status(&gate);
            assert!(!now.ready, "{now:?}");
            assert!(tells(&now.problems.concat()), "{now:?}");
        }
    }
    assert!(halves[0].is_ok(), "{halves:?}");
    let error = halves[1].clone().unwrap_err();
    assert!(tells(&error.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unanchored_too_long_makes_the_gate_not_ready() {
    let clock = HandClock::new();
    let town = Town::by(clock.clone());
    for witness in &town.witnesses {
        witness.behave(Manner::Away);
    }
    let anchoring = town.ask("2").max_unanchored(30, Duration::from_secs(60));
    let gate = town.open(anchoring).await;
    town.call(&gate).await.unwrap();
    until("it looked", || status(&gate).unanchored > 0).await;
    until("it is known", || !status(&gate).problems.is_empty()).await;
    let now = status(&gate);
    assert_eq!(now.mode, AnchorMode::Async);
    assert!(now.ready, "a while is allowed: {now:?}");

    clock.advance(Duration::from_secs(61));
    let now = status(&gate);
    assert!(!now.ready, "{now:?}");
    assert!(now.problems.concat().contains("unanchored for"), "{now:?}");

    for witness in &town.witnesses {
        witness.behave(Manner::Honest);
    }
    gate.anchor().await.unwrap();
    until("it is ready again", || status(&gate).ready).await;

    for witness in &town.witnesses {
        witness.behave(Manner::Away);
    }
    // Nothing waits for witnesses in this mode.
    for _ in 0..10 {
        town.call(&gate).await.unwrap();
    }
    until("too many", || {
        status(&gate)
            .problems
            .concat()
            .contains("records are unanchored")
    })
    .await;
    assert!(!status(&gate).ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_a_store_share_its_anchors() {
    let town = Town::new();
    let gates = [
        town.open(town.ask("2").quorum()).await,
        town.open(town.ask("2").quorum()).await,
    ];
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (gate, effects) = (gates[number % 2].clone(), town.effects.clone());
        calls.spawn(async move {
            let agent = Agent::new("bot").on_behalf_of("u_alice");
            gate.enter(agent, drop_table(effects, "users".to_owned()))
                .await
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap().unwrap();
    }
    assert_eq!(town.effects.count(), 12);
    for gate in &gates {
        gate.anchor().await.unwrap();
        until("nothing is wrong", || status(gate).ready).await;
    }
    let report = gates[0].journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_key_is_replaced_is_pinned_and_cosigned_on() {
    let town = Town::new();
    let pin = Pin::new();
    let house = town
        .house
        .clone()
        .pin(&pin)
        .anchoring(town.ask("2").quorum());
    let gate = house.open().await;
    town.call(&gate).await.unwrap();
    let new = LedgerKey::from_seed(&[77; 32]).unwrap();
    let new = LocalSigner::new(new, gate.journal().log());
    gate.journal().rotate_key(new).await.unwrap();
    for round in 2..=4 {
        town.call(&gate).await.unwrap();
        assert_eq!(town.effects.count(), round);
    }
    gate.anchor().await.unwrap();
    until("nothing is wrong", || status(&gate).ready).await;
    assert_eq!(pin.evidence(), [""; 0]);
    let report = gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);
    // The witness was shown the head that both keys signed, or one behind it.
    let own = |request: &String| request.matches('\u{2014}').count();
    assert!(
        town.witnesses[0]
            .asked()
            .iter()
            .all(|request| own(request) <= 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_cannot_be_recorded_is_recorded_later() {
    use support::trap::Lasting;
    let town = Town::new();
    let gate = town.open(town.ask("2")).await;
    town.call(&gate).await.unwrap();
    for witness in &town.witnesses {
        witness.behave(Manner::Away);
    }
    town.call(&gate).await.unwrap();
    let before = town.anchors(&gate, "2").await.len();
    town.house
        .disk
        .trap()
        .arm("commit refused", 0, Lasting::Once);
    for witness in &town.witnesses {
        witness.behave(Manner::Honest);
    }
    gate.anchor().await.unwrap();
    until("the write failed", || town.house.disk.trap().sprung()).await;
    for _ in 0..400 {
        if town.anchors(&gate, "2").await.len() > before {
            return;
        }
        tokio::time::sleep(SOON).await;
    }
    panic!("the anchor was forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_that_could_never_be_enough_are_refused_at_the_start() {
    let town = Town::new();
    let witness = |at: usize| Arc::new(town.witnesses[at].clone()) as Arc<dyn Witness>;
    for (quorum, who, words) in [
        ("2", vec![0], "are no quorum"),
        ("all", vec![0, 1], "are no quorum"),
        ("2", vec![], "are no quorum"),
        ("any", vec![0, 0], "is given twice"),
    ] {
        let given = who.iter().map(|at| witness(*at));
        let error = Anchoring::new(town.policy(quorum), given).unwrap_err();
        assert_eq!(error.code(), Code::Misuse);
        assert!(error.to_string().contains(words), "{error}");
    }
    let stranger = FakeWitness::new(9, Arc::new(SystemClock));
    let given = [witness(0), Arc::new(stranger) as Arc<dyn Witness>];
    let error = Anchoring::new(town.policy("any"), given).unwrap_err();
    assert!(
        error.to_string().contains("not in the witness policy"),
        "{error}"
    );
    let nobody = WitnessPolicy::parse("quorum none\n").unwrap();
    let error = Anchoring::new(nobody, []).unwrap_err();
    assert!(error.to_string().contains("quorum none"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_ends_although_a_witness_hangs() {
    let town = Town::new();
    for witness in &town.witnesses {
        witness.behave(Manner::Hangs);
    }
    let gate = town.open(town.ask("2")).await;
    town.call(&gate).await.unwrap();
    until("they are asked", || !town.witnesses[0].asked().is_empty()).await;
    drop(gate);
    town.witnesses
        .iter()
        .for_each(|witness| witness.behave(Manner::Away));
}
