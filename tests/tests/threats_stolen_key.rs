//! Threats 57 and 58, when the ledger key was stolen and witnesses were asked: what counts after its revocation is
//! what they had seen before, and nobody's word since.

mod support;

use std::sync::Arc;
use std::time::Duration;

use approvals_core::anchor::Anchoring;
use approvals_core::clock::{Clock, SystemClock};
use approvals_core::ledger::{
    Entry, KeyRevocation, LogEvent, Report, Secrets, StoredRecord, Verifier, WitnessPolicy,
};
use approvals_core::ports::Witness;
use approvals_core::{Gate, Journal, Opening};
use support::disk::Disk;
use support::house::{House, key, ledger_key, signer, vkey};
use support::witness::{FakeWitness, until};
use support::{Effects, bot, drop_table, records, stored};

const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";

/// A log that begins with key `a`, names the recovery key `R`, and is cosigned by one witness.
struct Log {
    disk: Disk,
    witness: FakeWitness,
}

impl Log {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self {
            disk: Disk::threaded(),
            witness: FakeWitness::new(1, clock),
        }
    }

    fn house(&self, name: char) -> House {
        House::new()
            .rules(AUTO)
            .disk(&self.disk)
            .clock(SystemClock)
            .signer(signer(name), Duration::from_secs(2))
            .genesis(vkey('a'))
            .recovery(vkey('R'))
    }

    fn policy(&self) -> WitnessPolicy {
        policy(&self.witness)
    }

    fn asking(&self) -> Anchoring {
        let witness = Arc::new(self.witness.clone()) as Arc<dyn Witness>;
        let anchoring = Anchoring::new(self.policy(), [witness]).unwrap();
        anchoring
            .pace(Duration::from_millis(20))
            .patience(Duration::from_secs(60))
    }

    /// A gate under this key that asks the witness; on return all of the log is cosigned, and that is on record.
    async fn anchored(&self, name: char) -> u64 {
        let gate = self.house(name).anchoring(self.asking()).open().await;
        run(&gate).await;
        let size = self.size();
        gate.anchor().await.unwrap();
        until("all is anchored", || {
            gate.anchoring()
                .is_some_and(|status| status.unanchored == 0)
        })
        .await;
        newest_anchor(&gate, size).await
    }

    /// Somebody runs something under this key, and asks nobody.
    async fn silent(&self, name: char) {
        run(&self.house(name).open().await).await;
    }

    fn size(&self) -> u64 {
        self.disk.stored().len() as u64
    }

    /// The owner takes the log back with the recovery key, and goes on under key `c`.
    async fn take_back(&self, good: u64) {
        let statement = KeyRevocation::statement(&vkey('a'), good, &vkey('c')).unwrap();
        let endorsement = key('R').sign(&statement).to_vec();
        let revocation = KeyRevocation::new(vkey('a'), good, vkey('c'), endorsement);
        let opening = Opening::new(signer('c'), Secrets::of(&ledger_key()))
            .clock(SystemClock)
            .genesis_vkey(vkey('a'))
            .recovery_vkey(vkey('R'));
        let journal = Journal::open(self.disk.clone(), opening).unwrap();
        journal.revoke_key(revocation).await.unwrap();
        drop(journal);
        self.silent('c').await;
    }

    /// What an auditor says who pinned the first key and believes these witnesses.
    async fn judged(&self, by: Option<WitnessPolicy>) -> Report {
        let gate = self.house('c').open().await;
        let note = gate.journal().checkpoint().await.unwrap();
        judge(&stored(&gate).await, note.as_deref(), by)
    }
}

fn judge(log: &[StoredRecord], note: Option<&str>, by: Option<WitnessPolicy>) -> Report {
    let mut verifier = Verifier::new(vkey('a'));
    if let Some(policy) = by {
        verifier = verifier.witnessed_by(policy);
    }
    log.iter().for_each(|record| verifier.push(record));
    verifier.finish(note)
}

fn policy(witness: &FakeWitness) -> WitnessPolicy {
    WitnessPolicy::parse(format!("{}quorum a\n", witness.line("a", ""))).unwrap()
}

async fn run(gate: &Gate) {
    let call = drop_table(Effects::default(), "users".to_owned());
    gate.enter(bot(), call).await.unwrap();
}

/// How many records the newest head covers that stands in the log with the witness's word, once it covers so many:
/// the word is put on record after it was given.
async fn newest_anchor(gate: &Gate, at_least: u64) -> u64 {
    for _ in 0..200 {
        let records = records(gate).await;
        let sizes = records.iter().filter_map(|record| match &record.entry {
            Entry::Log(LogEvent::Anchored(note)) => {
                note.verify(&vkey('a')).ok().map(|head| head.size)
            }
            _ => None,
        });
        if let Some(newest) = sizes.max().filter(|newest| *newest >= at_least) {
            return newest;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no witness's word is on record")
}

#[track_caller]
fn found(report: &Report, expected: &[(&str, u64)]) {
    let about_keys: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.seq.unwrap()))
        .collect();
    assert_eq!(about_keys, expected, "{:?}", report.findings);
    assert_eq!(report.passed(), expected.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_after_a_theft_counts_what_witnesses_had_seen_before_it() {
    let log = Log::new();
    let good = log.anchored('a').await;
    let began = log.size();
    log.silent('a').await;
    let taken = log.size();
    assert!(good < began && began < taken);
    log.take_back(good).await;
    // From the last witnessed head on, everything rests on the stolen key: the owner's records of that time, too.
    let report = log.judged(Some(log.policy())).await;
    found(&report, &[("keys.revoked", good)]);
    let untrusted = report.signers[0].untrusted.unwrap();
    assert_eq!((untrusted.from, untrusted.to), (good, taken - 1));
    assert_eq!(report.witnessed.unwrap().size, good);
    // Whoever believes no witness, or another one, has only the key's word for everything before, too.
    let none = log.judged(None).await;
    found(&none, &[("keys.revoked", good), ("keys.revoked", 0)]);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let other = log.judged(Some(policy(&FakeWitness::new(2, clock)))).await;
    let rules: Vec<_> = other.findings.iter().map(|it| it.rule.as_str()).collect();
    let wanted = ["keys.revoked", "keys.revoked", "completeness.unanchored"];
    assert_eq!(rules, wanted, "{:?}", other.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_a_thief_who_asks_the_witness_gains_nothing() {
    let log = Log::new();
    let good = log.anchored('a').await;
    // The thief goes on with the log as it is, so that an honest witness cosigns what the thief wrote.
    let theirs = log.anchored('a').await;
    assert!(theirs > good);
    log.take_back(good).await;
    let report = log.judged(Some(log.policy())).await;
    found(&report, &[("keys.revoked", good)]);
    let anchored = report.anchored.unwrap();
    assert_eq!(
        anchored.size, good,
        "the word of a witness on a revoked key counts up to what was good"
    );
}
