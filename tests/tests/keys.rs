//! The ledger key changes while gates are open: who goes on, who is refused, and what a fault leaves.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::gate::{ApprovalGate as _, Call, LocalSigner};
use approvals_core::ledger::{
    KeyEnd, KeyRevocation, Report, Secrets, SignedCheckpoint, VerifierKey,
};
use approvals_core::ports::{SignError, Signer};
use approvals_core::testing::TokioClock;
use approvals_core::{ApprovalError, Code, Gate, Journal, Opening, Outcome, key_chain};
use async_trait::async_trait;
use support::disk::Disk;
use support::house::{House, key, signer, vkey};
use support::trap::Lasting;
use support::{Effects, bot, check, count, drop_table, records, stored};

const AUTO: &str = "[[rule]]\nid = \"auto\"\nscope = \"db.drop\"\neffect = \"auto\"\n";
const RECOVERY: char = 'R';

/// A house on this disk that signs with this key and lets everything through.
fn house(disk: &Disk, name: char) -> House {
    House::new()
        .rules(AUTO)
        .disk(disk)
        .signer(signer(name), Duration::from_secs(2))
        .genesis(vkey('a'))
        .recovery(vkey(RECOVERY))
}

fn call(gate: &Gate) -> impl Future<Output = Result<usize, ApprovalError>> {
    gate.enter(bot(), drop_table(Effects::default(), "users".to_owned()))
}

/// What an auditor who pins the first key says of the log.
async fn audit(gate: &Gate) -> Report {
    let note = gate.journal().checkpoint().await.unwrap();
    check(vkey('a'), &stored(gate).await, note.as_deref())
}

/// Whose lines are under the newest head.
async fn lines(gate: &Gate) -> Vec<char> {
    let note = gate.journal().checkpoint().await.unwrap().unwrap();
    let note = SignedCheckpoint::parse(note).unwrap();
    let signed = |name: &char| note.verify(&vkey(*name)).is_ok();
    let names: Vec<char> = ('a'..='e').filter(signed).collect();
    assert_eq!(names.len(), note.signatures().len(), "{note:?}");
    names
}

fn revocation(old: char, good: u64, new: char) -> KeyRevocation {
    let statement = KeyRevocation::statement(&vkey(old), good, &vkey(new)).unwrap();
    let endorsement = key(RECOVERY).sign(&statement).to_vec();
    KeyRevocation::new(vkey(old), good, vkey(new), endorsement)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, ApprovalError>, code: Code, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn a_log_goes_on_under_its_next_key_and_the_one_after() {
    let disk = Disk::threaded();
    let gate = house(&disk, 'a').open().await;
    call(&gate).await.unwrap();
    assert_eq!(lines(&gate).await, ['a']);
    for (old, new) in [('a', 'b'), ('b', 'c')] {
        gate.journal().rotate_key(signer(new)).await.unwrap();
        assert_eq!(
            lines(&gate).await,
            [old, new],
            "both sign the head over the change"
        );
        call(&gate).await.unwrap();
        assert_eq!(lines(&gate).await, [new], "and then the new one alone");
    }
    let report = audit(&gate).await;
    assert!(report.passed(), "{:?}", report.findings);
    let signers: Vec<_> = report
        .signers
        .iter()
        .map(|signer| signer.vkey.clone())
        .collect();
    assert_eq!(signers, ['a', 'b', 'c'].map(|name| vkey(name).to_string()));
    assert!(matches!(
        report.signers[0].end,
        Some(KeyEnd::Rotated { .. })
    ));
    assert_eq!(report.signers[2].end, None);

    // Opened again with the key in force it goes on; with an older one, or a stranger, it does not.
    drop(gate);
    for (name, words) in [
        ('a', "was replaced in record"),
        ('b', "was replaced in record"),
        ('x', "has no part in this log"),
    ] {
        let before = disk.stored().len();
        assert_refused(
            house(&disk, name).try_open().await,
            Code::AuditUnavailable,
            words,
        );
        assert_eq!(disk.stored().len(), before);
    }
    let gate = house(&disk, 'c').open().await;
    call(&gate).await.unwrap();
    assert!(audit(&gate).await.passed());
    assert_refused(
        gate.journal().rotate_key(signer('b')).await,
        Code::Misuse,
        "has a part in this log already",
    );
}

#[tokio::test]
async fn threat_59_a_process_with_the_old_key_is_refused_at_its_next_write() {
    let disk = Disk::threaded();
    let (one, other) = (
        house(&disk, 'a').open().await,
        house(&disk, 'a').open().await,
    );
    call(&other).await.unwrap();
    one.journal().rotate_key(signer('b')).await.unwrap();
    let before = disk.stored().len();
    for _ in 0..2 {
        assert_refused(
            call(&other).await,
            Code::AuditUnavailable,
            "give this process that key",
        );
        assert_refused(
            other.journal().rotate_key(signer('c')).await,
            Code::AuditUnavailable,
            "was replaced in record",
        );
    }
    assert_eq!(disk.stored().len(), before, "nothing was written");
    call(&one).await.unwrap();
    assert!(audit(&one).await.passed());
}

/// A signer that finds the keys it is given later.
#[derive(Debug, Clone)]
struct Ring(char, Arc<Mutex<Vec<char>>>, VerifierKey);

impl Ring {
    fn new(name: char, ring: &Arc<Mutex<Vec<char>>>) -> Self {
        Self(name, Arc::clone(ring), vkey(name))
    }
}

#[async_trait]
impl Signer for Ring {
    fn vkey(&self) -> &VerifierKey {
        &self.2
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(key(self.0).sign(message).to_vec())
    }

    async fn successor(&self, wanted: &VerifierKey) -> Result<Option<Arc<dyn Signer>>, SignError> {
        let ring = self.1.lock().unwrap().clone();
        if ring.is_empty() {
            return Err(SignError("the key service is away".to_owned()));
        }
        // One that answers with another key than it was asked for is not believed.
        let name = ring.iter().find(|name| vkey(**name) == *wanted);
        let found = name.or(ring.first());
        Ok(found.map(|name| Arc::new(Self::new(*name, &self.1)) as Arc<dyn Signer>))
    }
}

#[tokio::test]
async fn a_process_that_can_get_the_new_key_goes_on_and_owes_nothing() {
    let disk = Disk::threaded();
    let ring = Arc::new(Mutex::new(vec!['a']));
    let one = house(&disk, 'a').open().await;
    let other = house(&disk, 'a').signer(Ring::new('a', &ring), Duration::from_secs(2));
    let other = other.open().await;
    // It is in the middle of a run when the key changes.
    let bound = || support::shown(&GUARDED, &"users");
    let permit = other
        .authorize(Call::of(bound(), bot()).unwrap())
        .await
        .unwrap();
    let running = permit.start().await.unwrap().check(bound());
    let running = running.unwrap_or_else(|_| panic!("it was changed"));
    one.journal().rotate_key(signer('b')).await.unwrap();
    assert_refused(
        running.finish(Outcome::Succeeded).await,
        Code::AuditUnavailable,
        "was replaced in record",
    );
    ring.lock().unwrap().clear();
    assert_refused(
        call(&other).await,
        Code::AuditUnavailable,
        "the key service is away",
    );
    assert_eq!(count(&one, "outcome.succeeded").await, 0);
    ring.lock().unwrap().extend(['x', 'b']);
    call(&other).await.unwrap();
    assert_eq!(
        count(&one, "outcome.succeeded").await,
        2,
        "the outcome was owed"
    );
    let report = audit(&one).await;
    assert!(report.passed(), "{:?}", report.findings);
}

static GUARDED: approvals_core::action::GuardedFn = support::guarded("db.drop");

/// A signer that does not sign.
#[derive(Debug)]
struct Broken(VerifierKey);

#[async_trait]
impl Signer for Broken {
    fn vkey(&self) -> &VerifierKey {
        &self.0
    }

    async fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(SignError("no such key".to_owned()))
    }
}

#[tokio::test]
async fn a_change_that_fails_changes_nothing() {
    for disk in [Disk::threaded(), Disk::new()] {
        let gate = house(&disk, 'a').open().await;
        call(&gate).await.unwrap();
        let before = disk.stored().len();
        let broken = gate.journal().rotate_key(Broken(vkey('b'))).await;
        assert_refused(broken, Code::AuditUnavailable, "no such key");
        let other = gate.journal().revoke_key(revocation('a', 2, 'b')).await;
        assert_refused(other, Code::Misuse, "this journal signs with key");
        let journal = Journal::open(disk.clone(), opening(Broken(vkey('b')))).unwrap();
        let broken = journal.revoke_key(revocation('a', 2, 'b')).await;
        assert_refused(broken, Code::AuditUnavailable, "no such key");
        drop(journal);
        let foreign = LocalSigner::new(key('b'), &"test.invalid/other".parse().unwrap());
        assert_refused(
            gate.journal().rotate_key(foreign).await,
            Code::Misuse,
            "test.invalid/other",
        );
        for step in ["begin", "commit refused"] {
            disk.trap().arm(step, 0, Lasting::Once);
            let refused = gate.journal().rotate_key(signer('b')).await;
            disk.trap().disarm();
            assert_refused(refused, Code::StoreUnavailable, "the disk");
        }
        assert_eq!(disk.stored().len(), before);
        call(&gate).await.unwrap();
        assert_eq!(lines(&gate).await, ['a']);
        assert!(audit(&gate).await.passed());
    }
}

#[tokio::test]
async fn a_change_whose_commit_is_in_doubt_stops_the_journal_and_either_key_may_be_right() {
    for (step, right) in [("commit lost", 'a'), ("commit unknown", 'b')] {
        let disk = Disk::threaded();
        let gate = house(&disk, 'a').open().await;
        call(&gate).await.unwrap();
        disk.trap().arm(step, 0, Lasting::Once);
        assert_refused(
            gate.journal().rotate_key(signer('b')).await,
            Code::AuditUnavailable,
            "has stopped",
        );
        assert_refused(call(&gate).await, Code::AuditUnavailable, "has stopped");
        drop(gate);
        let wrong = if right == 'a' { 'b' } else { 'a' };
        assert!(house(&disk, wrong).try_open().await.is_err(), "{step}");
        let gate = house(&disk, right).open().await;
        call(&gate).await.unwrap();
        assert!(audit(&gate).await.passed(), "{step}");
    }
}

#[tokio::test]
async fn the_recovery_key_takes_the_log_back() {
    let disk = Disk::threaded();
    let gate = house(&disk, 'a').open().await;
    call(&gate).await.unwrap();
    let good = disk.stored().len() as u64;
    let kept = gate.journal().checkpoint().await.unwrap().unwrap();
    // Somebody has a copy of the key: runs something, and hands the log over to a key of their own.
    call(&gate).await.unwrap();
    gate.journal().rotate_key(signer('b')).await.unwrap();
    call(&gate).await.unwrap();
    let taken = disk.stored().len() as u64;

    // Only with the word of the recovery key, and only up to what there is.
    let own = KeyRevocation::statement(&vkey('a'), good, &vkey('c')).unwrap();
    let forged = KeyRevocation::new(vkey('a'), good, vkey('c'), key('b').sign(&own).to_vec());
    let journal = Journal::open(disk.clone(), opening(signer('c'))).unwrap();
    assert_refused(
        journal.revoke_key(forged).await,
        Code::Misuse,
        "is not signed by key",
    );
    let beyond = revocation('a', taken + 1, 'c');
    assert_refused(
        journal.revoke_key(beyond).await,
        Code::Misuse,
        "the last good size",
    );

    // The owner comes with a new key, and needs neither of the others.
    journal
        .revoke_key(revocation('a', good, 'c'))
        .await
        .unwrap();
    assert_refused(
        call(&gate).await,
        Code::AuditUnavailable,
        "was replaced in record",
    );
    drop((gate, journal));
    let gate = house(&disk, 'c').open().await;
    call(&gate).await.unwrap();
    assert_eq!(lines(&gate).await, ['c']);
    let revoked = records(&gate)
        .await
        .into_iter()
        .find(|record| record.kind() == "key.revoked");
    assert_eq!(revoked.unwrap().seq, taken, "nothing stands in front of it");

    // What the thief wrote is named, and nothing else.
    let note = gate.journal().checkpoint().await.unwrap();
    let mut verifier = approvals_core::ledger::Verifier::new(vkey('a'));
    verifier = verifier.knowing(SignedCheckpoint::parse(&kept).unwrap());
    stored(&gate)
        .await
        .iter()
        .for_each(|record| verifier.push(record));
    let report = verifier.finish(note.as_deref());
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.seq))
        .collect();
    let rotated = report.signers[1].records.from;
    assert_eq!(
        found,
        [
            ("keys.revoked", Some(good)),
            ("keys.revoked", Some(rotated))
        ]
    );
    let untrusted: Vec<_> = report
        .signers
        .iter()
        .map(|signer| signer.untrusted.map(|range| (range.from, range.to)))
        .collect();
    assert_eq!(
        untrusted,
        [Some((good, rotated - 1)), Some((rotated, taken - 1)), None]
    );
}

fn opening(signer: impl Signer + 'static) -> Opening {
    Opening::new(signer, Secrets::of(&support::house::ledger_key()))
        .clock(TokioClock::default())
        .genesis_vkey(vkey('a'))
        .recovery_vkey(vkey(RECOVERY))
}

#[tokio::test]
async fn a_log_that_is_not_the_pinned_one_is_not_opened() {
    let disk = Disk::threaded();
    drop(house(&disk, 'a').open().await);
    let house = || {
        House::new()
            .rules(AUTO)
            .disk(&disk)
            .signer(signer('a'), Duration::from_secs(2))
    };
    drop(house().open().await);
    let other = house().genesis(vkey('b')).try_open().await;
    assert_refused(other, Code::AuditTampered, "another key");
    let other = house().recovery(vkey('x')).try_open().await;
    assert_refused(other, Code::AuditTampered, "another recovery key");
    // A new log that does not begin with the pinned key is not begun.
    let empty = Disk::threaded();
    let begun = House::new()
        .disk(&empty)
        .signer(signer('b'), Duration::from_secs(2))
        .genesis(vkey('a'));
    assert_refused(
        begun.try_open().await,
        Code::AuditUnavailable,
        "has no part in this log",
    );
    assert!(empty.stored().is_empty());
    // A recovery key that is the signing key is none.
    let same = House::new().disk(&empty).recovery(House::new().key());
    assert_refused(same.try_open().await, Code::Misuse, "recovery key");
    assert!(empty.stored().is_empty());
}

#[tokio::test]
async fn receipts_and_kept_heads_verify_under_the_key_of_their_size() {
    let disk = Disk::threaded();
    let gate = house(&disk, 'a').open().await;
    call(&gate).await.unwrap();
    let mut kept = vec![gate.journal().receipt(1).await.unwrap()];
    for new in ['b', 'c'] {
        gate.journal().rotate_key(signer(new)).await.unwrap();
        kept.push(gate.journal().receipt(1).await.unwrap());
        call(&gate).await.unwrap();
        kept.push(gate.journal().receipt(1).await.unwrap());
    }
    let keys = gate.journal().keys().await.unwrap();
    assert_eq!(key_chain(&mut disk.clone(), &vkey('a')).unwrap(), keys);
    for (receipt, name) in kept.iter().zip(['a', 'b', 'b', 'c', 'c']) {
        assert_eq!(receipt.verify_by(&keys).unwrap().record().seq, 1);
        assert!(receipt.verify(&vkey(name)).is_ok());
    }
    let stale = approvals_core::ledger::KeyChain::new(vkey('a'));
    assert!(
        kept[4].verify_by(&stale).is_err(),
        "the first key alone does not vouch for it"
    );
}
