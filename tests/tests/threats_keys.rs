//! Threats 57 and 59, by whoever owns the log: keys that were swapped, forged, stolen, or handed over by strangers.
//!
//! Every log here is written by hand, byte by byte, as its owner could, and read by an auditor who pinned the key
//! that it began with.

mod support;

use approvals_core::id::{BootId, RecordId};
use approvals_core::ledger::{
    Checkpoint, Frontier, Hash, KeyRevocation, KeyRotation, Report, SignedCheckpoint, StoredRecord,
    Verifier, WitnessKey, WitnessPolicy, leaf_hash, sign_note, signature_line,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::house::{key, origin, vkey};

const RECOVERY: char = 'R';

/// A log in the hands of somebody who holds every key.
#[derive(Default)]
struct Forger {
    records: Vec<StoredRecord>,
    frontier: Frontier,
}

impl Forger {
    /// A log of so many records, begun with key `a`.
    fn of(size: u64) -> Self {
        let mut forger = Self::default();
        forger.begin('a', RECOVERY);
        forger.fill(size);
        forger
    }

    fn begin(&mut self, name: char, recovery: char) -> &mut Self {
        let members = json!({ "vkey": vkey(name), "recovery_vkey": vkey(recovery) });
        self.write("log.genesis", members)
    }

    /// Grows to this many records.
    fn fill(&mut self, size: u64) -> &mut Self {
        while self.size() < size {
            self.write("log.opened", json!({ "version": "0.1.0" }));
        }
        self
    }

    fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn write(&mut self, kind: &str, members: Value) -> &mut Self {
        let seq = self.size();
        let mut record = json!({
            "v": 1, "log": origin().as_str(), "seq": seq, "kind": kind,
            "at": format!("2026-11-22T06:00:00.{seq:06}Z"),
            "id": RecordId::from_bytes(u128::from(seq).to_be_bytes()),
            "writer": { "boot": BootId::from_bytes([7; 16]), "n": seq },
        });
        let (into, Value::Object(members)) = (record.as_object_mut().unwrap(), members) else {
            panic!("members have names");
        };
        into.extend(members);
        let bytes = record.to_string().into_bytes();
        let leaf = leaf_hash(&bytes);
        self.frontier.push(leaf);
        self.records.push(StoredRecord::new(seq, leaf, bytes));
        self
    }

    /// A hand-over from one key to another, endorsed by a third for a log of this size.
    fn rotate(&mut self, old: char, new: char, by: char, size: u64) -> &mut Self {
        let statement = KeyRotation::statement(&vkey(old), &vkey(new), size).unwrap();
        let endorsement = STANDARD.encode(key(by).sign(&statement));
        let members =
            json!({ "old_vkey": vkey(old), "new_vkey": vkey(new), "endorsement": endorsement });
        self.write("key.rotated", members)
    }

    /// An honest hand-over.
    fn hand_over(&mut self, old: char, new: char) -> &mut Self {
        let size = self.size();
        self.rotate(old, new, old, size)
    }

    /// A revocation that this key signed.
    fn revoke(&mut self, old: char, good: u64, new: char, by: char) -> &mut Self {
        let statement = KeyRevocation::statement(&vkey(old), good, &vkey(new)).unwrap();
        let endorsement = STANDARD.encode(key(by).sign(&statement));
        let members = json!({
            "vkey": vkey(old), "last_good_size": good, "new_vkey": vkey(new), "endorsement": endorsement,
        });
        self.write("key.revoked", members)
    }

    /// The head over everything so far, with a line of each of these keys.
    fn head(&self, by: &[char]) -> String {
        let head = Checkpoint {
            origin: origin(),
            size: self.size(),
            root: self.frontier.root(),
        };
        let body = head.body();
        let (first, rest) = by.split_first().unwrap();
        let sign = |name: &char| key(*name).sign(body.as_bytes());
        let mut note = sign_note(&body, &origin(), vkey(*first).id(), &sign(first));
        for name in rest {
            note += &signature_line(&origin(), vkey(*name).id(), &sign(name));
        }
        note
    }
}

/// The one witness, which signs whatever its owner wants: here only the time matters.
fn witness() -> WitnessKey {
    let name = "witness.invalid/w".parse().unwrap();
    WitnessKey::ed25519(name, key('w').public_key())
}

/// A head with the word of the witness, given so many seconds after the records of a log.
fn cosigned(note: &str, after: u64) -> String {
    // All records are of this second.
    let at = 1_795_327_200 + after;
    let body = note.split("\n\n").next().unwrap();
    let signature = key('w').sign(format!("cosignature/v1\ntime {at}\n{body}\n").as_bytes());
    let bytes = [&at.to_be_bytes(), signature.as_slice()].concat();
    note.to_owned() + &signature_line(witness().name(), witness().id(), &bytes)
}

/// What an auditor brings along.
#[derive(Default)]
struct Auditor {
    kept: Vec<String>,
    witnesses: Option<WitnessPolicy>,
    genesis: Option<Hash>,
}

impl Auditor {
    fn keeping(heads: &[&String]) -> Self {
        let kept = heads.iter().map(|head| (*head).clone()).collect();
        Self {
            kept,
            ..Self::default()
        }
    }

    fn reads(&self, forger: &Forger, note: &str) -> Report {
        let mut verifier = Verifier::new(vkey('a'));
        if let Some(policy) = &self.witnesses {
            verifier = verifier.witnessed_by(policy.clone());
        }
        for head in &self.kept {
            verifier = verifier.knowing(SignedCheckpoint::parse(head).unwrap());
        }
        if let Some(genesis) = self.genesis {
            verifier = verifier.beginning_with(genesis);
        }
        forger
            .records
            .iter()
            .for_each(|record| verifier.push(record));
        verifier.finish(Some(note))
    }
}

/// What is found: the rule, and the record.
type Found<'a> = &'a [(&'a str, Option<u64>)];

#[track_caller]
fn check(what: &str, report: &Report, expected: Found<'_>) {
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.rule.as_str(), finding.seq))
        .collect();
    assert_eq!(found, expected, "{what}: {:?}", report.findings);
    assert_eq!(report.passed(), expected.is_empty(), "{what}");
}

#[test]
fn an_honest_change_of_keys_passes() {
    let mut log = Forger::of(4);
    let auditor = Auditor::default();
    check("one key", &auditor.reads(&log, &log.head(&['a'])), &[]);
    log.hand_over('a', 'b');
    let covering = log.head(&['a', 'b']);
    check("the change", &auditor.reads(&log, &covering), &[]);
    check(
        "a line more",
        &auditor.reads(&log, &log.head(&['x', 'b'])),
        &[],
    );
    log.fill(8).hand_over('b', 'c').fill(12);
    let report = auditor.reads(&log, &log.head(&['c']));
    check("two changes", &report, &[]);
    let spans: Vec<_> = report
        .signers
        .iter()
        .map(|signer| (signer.records.from, signer.records.to))
        .collect();
    assert_eq!(spans, [(0, 3), (4, 7), (8, 11)]);
    let kept = Auditor::keeping(&[&Forger::of(3).head(&['a']), &covering]);
    check(
        "heads of both keys",
        &kept.reads(&log, &log.head(&['c'])),
        &[],
    );
    assert_eq!(
        kept.reads(&log, &log.head(&['c'])).anchored.unwrap().size,
        5
    );
}

#[test]
fn threat_57_a_log_rebuilt_under_other_keys_is_found() {
    let auditor = Auditor::default();
    // The keys swapped from the first record on.
    let mut swapped = Forger::default();
    swapped.begin('x', RECOVERY).fill(6);
    let found: Found<'_> = &[("keys.genesis", Some(0)), ("integrity.signature", None)];
    check(
        "swapped",
        &auditor.reads(&swapped, &swapped.head(&['x'])),
        found,
    );
    check(
        "swapped, with a line of the pinned key, which is stolen",
        &auditor.reads(&swapped, &swapped.head(&['a'])),
        &[("keys.genesis", Some(0))],
    );
    // The same first key, which is stolen, and a recovery key of the thief's own: only the first record shows it.
    let honest = Forger::of(6);
    let mut thief = Forger::default();
    thief.begin('a', 'T').fill(6);
    let note = thief.head(&['a']);
    check(
        "the key alone does not show it",
        &auditor.reads(&thief, &note),
        &[],
    );
    let pinned = Auditor {
        genesis: Some(honest.records[0].leaf),
        ..Auditor::default()
    };
    check(
        "the first record does",
        &pinned.reads(&thief, &note),
        &[("keys.genesis", Some(0))],
    );
    check(
        "and passes the honest log",
        &pinned.reads(&honest, &honest.head(&['a'])),
        &[],
    );
    let report = pinned.reads(&honest, &honest.head(&['a']));
    assert_eq!(
        report.genesis,
        Some(format!("sha256:{}", honest.records[0].leaf.to_hex()))
    );
}

#[test]
fn threat_57_a_hand_over_that_the_key_in_force_did_not_sign_is_found() {
    let auditor = Auditor::default();
    let signature: (&str, Option<u64>) = ("integrity.signature", None);
    let rotation: (&str, Option<u64>) = ("keys.rotation", Some(4));
    // Each time the log goes on under the new key, and the old one if that is stolen, too.
    for (what, old, new, by, size) in [
        ("a stranger hands over to itself", 'x', 'y', 'x', 4),
        ("the new key endorses itself", 'a', 'x', 'x', 4),
        ("the recovery key endorses it", 'a', 'x', RECOVERY, 4),
        ("an endorsement of another place", 'a', 'x', 'a', 3),
        ("back to the same key", 'a', 'a', 'a', 4),
        ("to the recovery key", 'a', RECOVERY, 'a', 4),
    ] {
        let mut log = Forger::of(4);
        log.rotate(old, new, by, size).fill(8);
        let found: Found<'_> = match new {
            'a' => &[rotation],
            _ => &[rotation, signature],
        };
        check(what, &auditor.reads(&log, &log.head(&[new])), found);
        check(what, &auditor.reads(&log, &log.head(&['a'])), &[rotation]);
    }
    // No record at all: the head is simply signed by another key.
    let log = Forger::of(8);
    check(
        "no record",
        &auditor.reads(&log, &log.head(&['b'])),
        &[signature],
    );
    // The record is there, and somebody who kept the old key goes on with it.
    let mut log = Forger::of(4);
    log.hand_over('a', 'b').fill(8);
    check(
        "the old key goes on",
        &auditor.reads(&log, &log.head(&['a'])),
        &[signature],
    );
    // And hands over a second time.
    log.hand_over('a', 'c').fill(12);
    let found: Found<'_> = &[("keys.rotation", Some(8)), signature];
    check("twice", &auditor.reads(&log, &log.head(&['c'])), found);
}

#[test]
fn threat_57_a_record_about_keys_that_was_changed_is_found() {
    let auditor = Auditor::default();
    let mut honest = Forger::of(4);
    honest.hand_over('a', 'b').fill(6);
    for (what, from, to) in [
        ("another new key", vkey('b'), vkey('x')),
        ("another old key", vkey('a'), vkey('x')),
    ] {
        let mut log = Forger::of(4);
        let text = String::from_utf8(honest.records[4].bytes.clone()).unwrap();
        let mut members: Value =
            serde_json::from_str(&text.replace(&from.to_string(), &to.to_string())).unwrap();
        let members = members.as_object_mut().unwrap();
        let own = ["old_vkey", "new_vkey", "endorsement"];
        members.retain(|name, _| own.contains(&name.as_str()));
        log.write("key.rotated", Value::Object(members.clone()))
            .fill(6);
        let report = auditor.reads(&log, &log.head(&['b']));
        check(
            what,
            &report,
            &[("keys.rotation", Some(4)), ("integrity.signature", None)],
        );
    }
    for broken in [
        json!({}),
        json!({ "old_vkey": vkey('a'), "new_vkey": "b", "endorsement": "" }),
    ] {
        let mut log = Forger::of(4);
        log.write("key.rotated", broken).fill(6);
        let report = auditor.reads(&log, &log.head(&['b']));
        check(
            "no hand-over",
            &report,
            &[
                ("integrity.format", Some(4)),
                ("completeness.writer", Some(5)),
                ("integrity.signature", None),
            ],
        );
    }
}

#[test]
fn a_revoked_key_is_trusted_as_far_as_somebody_kept_a_head() {
    let mut log = Forger::of(6);
    let (early, good) = (Forger::of(4).head(&['a']), log.head(&['a']));
    log.fill(9).revoke('a', 6, 'b', RECOVERY).fill(12);
    let note = log.head(&['b']);
    let stolen: (&str, Option<u64>) = ("keys.revoked", Some(6));
    let kept = Auditor::keeping(&[&early, &good]);
    check(
        "what the thief may have written",
        &kept.reads(&log, &note),
        &[stolen],
    );
    let report = kept.reads(&log, &note);
    let untrusted = report.signers[0].untrusted.unwrap();
    assert_eq!((untrusted.from, untrusted.to), (6, 8));
    // Without a head of that time, what was good rests on the stolen key, too.
    let found: Found<'_> = &[stolen, ("keys.revoked", Some(4))];
    check(
        "an earlier head",
        &Auditor::keeping(&[&early]).reads(&log, &note),
        found,
    );
    let found: Found<'_> = &[stolen, ("keys.revoked", Some(0))];
    check("no head", &Auditor::default().reads(&log, &note), found);
    // A head that the stolen key signed afterwards vouches for nothing, and accuses nobody.
    let mut fork = Forger::of(5);
    fork.write("log.opened", json!({ "version": "6.6.6" }))
        .fill(8);
    for late in [Forger::of(8).head(&['a']), fork.head(&['a'])] {
        let kept = Auditor::keeping(&[&good, &late]);
        check("a late head", &kept.reads(&log, &note), &[stolen]);
        assert_eq!(kept.reads(&log, &note).anchored.unwrap().size, 6);
    }
    // Nobody used the key: everything is as it was.
    let mut unused = Forger::of(6);
    unused.revoke('a', 6, 'b', RECOVERY).fill(12);
    let note = unused.head(&['b']);
    check("unused", &kept.reads(&unused, &note), &[]);
    check(
        "unused, no head",
        &Auditor::default().reads(&unused, &note),
        &[("keys.revoked", Some(0))],
    );
}

/// A head counts that witnesses had seen when the key was revoked, wherever that stands in the log.
#[test]
fn threat_57_a_revoked_key_is_trusted_as_far_as_witnesses_had_seen_it() {
    let policy = WitnessPolicy::parse(format!("witness w {}\nquorum w\n", witness())).unwrap();
    let auditor = Auditor {
        witnesses: Some(policy),
        ..Auditor::default()
    };
    let stolen: (&str, Option<u64>) = ("keys.revoked", Some(7));
    let open: (&str, Option<u64>) = ("keys.revoked", Some(0));
    let rest: (&str, Option<u64>) = ("keys.revoked", Some(4));
    for (what, size, after, behind, expected) in [
        ("before, and on record before", 7, 0, false, &[stolen][..]),
        ("before, and on record only after", 7, 0, true, &[stolen]),
        ("a part of it", 4, 0, false, &[stolen, rest]),
        ("what the thief wrote, too", 9, 0, false, &[stolen, open]),
        ("only after", 7, 60, true, &[stolen, open]),
        (
            "only after, as the log's owner would have it",
            7,
            60,
            false,
            &[stolen, open],
        ),
    ] {
        let mut log = Forger::of(7);
        let good = [4, 7].map(|size| (size, Forger::of(size).head(&['a'])));
        log.fill(9);
        let heads = [&good[..], &[(9, log.head(&['a']))]].concat();
        let (_, head) = heads.iter().find(|(known, _)| *known == size).unwrap();
        let note = cosigned(head, after);
        let signed = SignedCheckpoint::parse(head).unwrap();
        let root = signed.verify(&vkey('a')).unwrap().root.to_base64();
        let anchor = json!({ "anchor": { "size": size, "root": root, "note": note } });
        if !behind {
            log.write("anchor.recorded", anchor.clone());
        }
        log.revoke('a', 7, 'b', RECOVERY);
        if behind {
            log.write("anchor.recorded", anchor);
        }
        log.fill(14);
        let report = auditor.reads(&log, &log.head(&['b']));
        let found: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.rule.as_str() != "completeness.unanchored")
            .map(|finding| (finding.rule.as_str(), finding.seq))
            .collect();
        assert_eq!(found, expected, "{what}: {:?}", report.findings);
    }
}

#[test]
fn threat_57_what_a_stolen_key_signs_in_falls_with_it() {
    let mut log = Forger::of(6);
    let good = log.head(&['a']);
    log.hand_over('a', 'x').fill(8).hand_over('x', 'y').fill(10);
    let report = Auditor::default().reads(&log, &log.head(&['y']));
    check("nobody knows yet", &report, &[]);
    log.revoke('a', 6, 'b', RECOVERY).fill(12);
    let kept = Auditor::keeping(&[&good]);
    let found: Found<'_> = &[("keys.revoked", Some(6)), ("keys.revoked", Some(8))];
    check(
        "the owner is back",
        &kept.reads(&log, &log.head(&['b'])),
        found,
    );
    let signature: (&str, Option<u64>) = ("integrity.signature", None);
    for thief in ['a', 'x', 'y'] {
        let mut log = Forger {
            records: log.records.clone(),
            frontier: log.frontier.clone(),
        };
        log.hand_over(thief, 'z').fill(16);
        let rotation: (&str, Option<u64>) = ("keys.rotation", Some(12));
        let report = kept.reads(&log, &log.head(&['z']));
        check(
            "the thief, too",
            &report,
            &[rotation, signature, found[0], found[1]],
        );
    }
}

#[test]
fn threat_57_a_revocation_that_the_recovery_key_did_not_sign_is_found() {
    let signature: (&str, Option<u64>) = ("integrity.signature", None);
    for (what, old, good, new, by) in [
        ("the stolen key revokes the owner's", 'a', 3, 'x', 'a'),
        ("the new key", 'a', 3, 'x', 'x'),
        ("a key that never signed", 'y', 3, 'x', RECOVERY),
        ("more than there is", 'a', 7, 'x', RECOVERY),
        ("in favour of itself", 'a', 3, 'a', RECOVERY),
        ("in favour of the recovery key", 'a', 3, RECOVERY, RECOVERY),
    ] {
        let mut log = Forger::of(6);
        log.revoke(old, good, new, by).fill(8);
        let revocation: (&str, Option<u64>) = ("keys.revocation", Some(6));
        let found: Found<'_> = match new {
            'a' => &[revocation],
            _ => &[revocation, signature],
        };
        check(
            what,
            &Auditor::default().reads(&log, &log.head(&[new])),
            found,
        );
    }
    // A recovery key that comes in later is none.
    let mut log = Forger::of(6);
    log.begin('a', 'T').revoke('a', 3, 'x', 'T').fill(10);
    let found: Found<'_> = &[
        ("completeness.genesis", Some(6)),
        ("keys.genesis", Some(6)),
        ("keys.revocation", Some(7)),
        signature,
    ];
    check(
        "late",
        &Auditor::default().reads(&log, &log.head(&['x'])),
        found,
    );
}

#[test]
fn threat_59_a_kept_head_of_another_key_is_named_and_proves_nothing() {
    let mut log = Forger::of(4);
    log.hand_over('a', 'b').fill(8);
    let note = log.head(&['b']);
    let mut after = Forger::of(4);
    after.hand_over('a', 'b').fill(6);
    let head: (&str, Option<u64>) = ("keys.head", None);
    for (what, kept) in [
        ("the new key over old records", Forger::of(3).head(&['b'])),
        ("the old key over new records", after.head(&['a'])),
        ("a stranger", after.head(&['x'])),
        ("a stranger, over more than there is", {
            after.fill(20);
            after.head(&['x'])
        }),
    ] {
        let report = Auditor::keeping(&[&kept]).reads(&log, &note);
        check(what, &report, &[head]);
        assert_eq!(report.anchored, None, "{what}");
    }
    // One that the right key signed still shows a fork and a cut.
    let mut fork = Forger::of(3);
    fork.write("log.opened", json!({ "version": "6.6.6" }));
    let kept = Auditor::keeping(&[&fork.head(&['a'])]);
    check(
        "a fork",
        &kept.reads(&log, &note),
        &[("integrity.fork", Some(3))],
    );
    let mut longer = Forger::of(4);
    longer.hand_over('a', 'b').fill(11);
    let kept = Auditor::keeping(&[&longer.head(&['b'])]);
    check(
        "a cut",
        &kept.reads(&log, &note),
        &[("completeness.cut", Some(8))],
    );
}
