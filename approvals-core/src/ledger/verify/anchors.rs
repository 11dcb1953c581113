//! Heads that stand in the log with the word of witnesses, and pins that were set by hand.

use std::collections::VecDeque;
use std::sync::Arc;

use super::findings::{Findings, Place};
use super::heads::{Heads, Seen};
use super::report::Recovered;
use super::rule::Rule;
use crate::ledger::{
    AuditRecord, Checkpoint, Entry, Frontier, Hash, KeyChain, LogEvent, SignedCheckpoint,
    WitnessPolicy,
};

/// Compares each head on record with the records in front of it, and counts whose word it has.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    policy: Option<WitnessPolicy>,
    /// The tree as long as the last head on record, and the leaves behind it.
    back: Frontier,
    leaves: VecDeque<Hash>,
    recovered: Vec<Recovered>,
    /// Who cosigned the last head: mostly the same as the next one.
    by: Arc<[String]>,
    /// Heads on record that nobody was named for to judge.
    unjudged: u64,
    /// The records at the end that only say that a process began, or that the log was anchored.
    trailing: u64,
}

/// So far back a head on record can be compared with the log: a smaller one counts for nothing.
const WINDOW: usize = 65_536;

/// How many pins set by hand are told.
const MOST: usize = 10_000;

impl Anchors {
    pub(super) fn believe(&mut self, policy: WitnessPolicy) {
        self.policy = Some(policy);
    }

    pub(super) fn grow(&mut self, leaf: Hash) {
        self.leaves.push_back(leaf);
        if self.leaves.len() > WINDOW {
            self.step();
        }
    }

    pub(super) fn look(
        &mut self,
        record: &AuditRecord,
        here: u64,
        keys: &KeyChain,
        heads: &mut Heads,
        findings: &mut Findings,
    ) {
        let upkeep = matches!(&record.entry, Entry::Log(event) if event.is_upkeep());
        self.trailing = if upkeep { self.trailing + 1 } else { 0 };
        match &record.entry {
            Entry::Log(LogEvent::Anchored(note)) => {
                if let Err(what) = self.anchored(here, note, keys, heads) {
                    let message = format!("an anchor on record: {what}");
                    findings.add(Rule::Anchor, Place::record(here), message);
                }
            }
            Entry::Log(LogEvent::Recovered { pinned }) if self.recovered.len() < MOST => {
                let pinned = pinned.as_ref().map(|note| note.claim().size);
                let (seq, at) = (here, record.at);
                self.recovered.push(Recovered { seq, at, pinned });
            }
            _ => {}
        }
    }

    /// Takes the word of a quorum for a head that the log has.
    fn anchored(
        &mut self,
        here: u64,
        note: &SignedCheckpoint,
        keys: &KeyChain,
        heads: &mut Heads,
    ) -> Result<(), String> {
        let head = keys.verify(note).map_err(|fault| fault.to_string())?;
        if head.size > here {
            let size = head.size;
            return Err(format!(
                "it covers {size} records, and {here} stand in front of it"
            ));
        }
        let fits = self.root(head.size).map(|root| root == head.root);
        let seen = self.judge(&head, note, keys)?;
        match (fits, seen) {
            (Some(false), seen) => {
                if seen.is_some() {
                    heads.doubt();
                }
                let size = head.size;
                Err(format!(
                    "it has another root over the first {size} records: the log was forked or rewritten"
                ))
            }
            (Some(true), Some(seen)) => {
                heads.vouch(seen);
                Ok(())
            }
            // It is too old to be compared, or nobody stands behind it.
            _ => Ok(()),
        }
    }

    fn judge(
        &mut self,
        head: &Checkpoint,
        note: &SignedCheckpoint,
        keys: &KeyChain,
    ) -> Result<Option<Seen>, String> {
        let Some(policy) = &self.policy else {
            self.unjudged += 1;
            return Ok(None);
        };
        let key = keys.of_record(head.size.saturating_sub(1));
        let seen = policy
            .satisfied_by(note, key)
            .map_err(|error| error.to_string())?;
        // For `quorum none` there is no time, and nobody whose word it would be.
        let Some(at) = seen.since() else {
            return Ok(None);
        };
        let by = seen.cosignatures().iter();
        let by: Vec<String> = by.map(|one| one.witness().to_string()).collect();
        if *self.by != *by {
            self.by = by.into();
        }
        let (size, by) = (head.size, Arc::clone(&self.by));
        Ok(Some(Seen { size, at, by }))
    }

    /// The root over the first records; none when that is too long ago.
    fn root(&mut self, size: u64) -> Option<Hash> {
        while self.back.size() < size && self.step() {}
        (self.back.size() == size).then(|| self.back.root())
    }

    fn step(&mut self) -> bool {
        let leaf = self.leaves.pop_front();
        leaf.map(|leaf| self.back.push(leaf)).is_some()
    }

    pub(super) fn unjudged(&self) -> u64 {
        self.unjudged
    }

    /// The records at the end that only say that a process began, or that the log was anchored.
    pub(super) fn trailing(&self) -> u64 {
        self.trailing
    }

    pub(super) fn into_recovered(self) -> Vec<Recovered> {
        self.recovered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::{BootId, RecordId};
    use crate::ledger::witness::tests::Signing;
    use crate::ledger::{LedgerKey, Writer, leaf_hash, sign_note};

    /// A log whose records are numbers, and what the verifier makes of heads on it.
    struct Bench {
        anchors: Anchors,
        heads: Heads,
        findings: Findings,
        keys: KeyChain,
        tree: Frontier,
    }

    fn key() -> LedgerKey {
        LedgerKey::from_seed(&[9; 32]).unwrap()
    }

    fn leaf(seq: u64) -> Hash {
        leaf_hash(&seq.to_be_bytes())
    }

    /// The head over so many records of the log, or of another one.
    fn note(size: u64, other: bool, witnesses: &[(u8, u64)]) -> SignedCheckpoint {
        let mut tree = Frontier::new();
        (0..size).for_each(|seq| tree.push(leaf(seq + u64::from(other))));
        let origin = "example.com/log".parse().unwrap();
        let root = tree.root();
        let head = Checkpoint { origin, size, root };
        let (body, vkey) = (head.body(), key().vkey(&head.origin));
        let own = sign_note(&body, vkey.name(), vkey.id(), &key().sign(body.as_bytes()));
        let lines = witnesses
            .iter()
            .map(|(n, at)| Signing::new(*n).line(&head, *at));
        SignedCheckpoint::parse(own + &lines.collect::<String>()).unwrap()
    }

    fn policy(quorum: &str) -> WitnessPolicy {
        let keys = [1, 2].map(|n| format!("witness w{n} {}\n", Signing::new(n).key));
        let text = match quorum {
            "none" => format!("{}quorum none\n", keys.concat()),
            _ => format!("{}group q {quorum} w1 w2\nquorum q\n", keys.concat()),
        };
        WitnessPolicy::parse(text).unwrap()
    }

    impl Bench {
        fn new(policy: Option<WitnessPolicy>) -> Self {
            let vkey = key().vkey(&"example.com/log".parse().unwrap());
            Self {
                anchors: Anchors {
                    policy,
                    ..Anchors::default()
                },
                heads: Heads::default(),
                findings: Findings::default(),
                keys: KeyChain::new(vkey),
                tree: Frontier::new(),
            }
        }

        fn grow_to(&mut self, size: u64) {
            for seq in self.tree.size()..size {
                self.tree.push(leaf(seq));
                self.anchors.grow(leaf(seq));
            }
        }

        /// A head stands in the log behind the records so far.
        fn record(mut self, here: u64, note: SignedCheckpoint) -> Self {
            self.grow_to(here + 1);
            let record = AuditRecord {
                seq: here,
                at: Timestamp::from_micros(0),
                id: RecordId::from_bytes([1; 16]),
                writer: Writer {
                    boot: BootId::from_bytes([2; 16]),
                    n: 0,
                },
                previous: None,
                entry: Entry::Log(LogEvent::Anchored(note)),
            };
            let (anchors, heads) = (&mut self.anchors, &mut self.heads);
            anchors.look(&record, here, &self.keys, heads, &mut self.findings);
            self
        }

        /// How far it is anchored, by when in seconds, and what was found.
        fn says(self) -> (Option<(u64, i64, usize)>, Vec<String>) {
            let reach = self.heads.witnessed();
            let reach = reach.map(|it| (it.size, it.at.as_micros() / 1_000_000, it.by.len()));
            let found = self.findings.into_parts().0;
            (reach, found.iter().map(ToString::to_string).collect())
        }
    }

    #[test]
    fn the_largest_head_that_a_quorum_cosigned_counts_by_the_time_of_its_word() {
        let any = || Bench::new(Some(policy("any")));
        let all = || Bench::new(Some(policy("all")));
        let (one, both) = ([(1, 70)], [(1, 70), (2, 90)]);
        for (bench, expected) in [
            (any().record(6, note(5, false, &one)), Some((5, 70, 1))),
            (any().record(6, note(5, false, &both)), Some((5, 70, 2))),
            (all().record(6, note(5, false, &both)), Some((5, 90, 2))),
            (all().record(6, note(5, false, &one)), None),
            (any().record(6, note(5, false, &[])), None),
            (any().record(6, note(5, false, &[(3, 70)])), None),
            (Bench::new(None).record(6, note(5, false, &both)), None),
            (
                Bench::new(Some(policy("none"))).record(6, note(5, false, &both)),
                None,
            ),
            (
                any()
                    .record(6, note(5, false, &one))
                    .record(9, note(8, false, &[(2, 99)])),
                Some((8, 99, 1)),
            ),
            // Seen again later: the first word says more.
            (
                any()
                    .record(6, note(5, false, &one))
                    .record(9, note(5, false, &[(2, 99)])),
                Some((5, 70, 1)),
            ),
            // A smaller one behind a larger one adds nothing.
            (
                any()
                    .record(9, note(8, false, &one))
                    .record(10, note(5, false, &[(2, 99)])),
                Some((8, 70, 1)),
            ),
        ] {
            assert_eq!(bench.says(), (expected, Vec::new()));
        }
    }

    #[test]
    fn what_is_false_of_a_head_on_record_is_found_and_vouches_for_nothing() {
        let any = || Bench::new(Some(policy("any"))).record(6, note(5, false, &[(1, 70)]));
        let unsigned = {
            let (body, _) = note(8, false, &[])
                .as_str()
                .split_once("\n\n")
                .map(|(b, r)| (b.to_owned(), r.to_owned()))
                .unwrap();
            let vkey = key().vkey(&"example.com/log".parse().unwrap());
            let other = LedgerKey::from_seed(&[8; 32]).unwrap();
            let body = body + "\n";
            SignedCheckpoint::parse(sign_note(
                &body,
                vkey.name(),
                vkey.id(),
                &other.sign(body.as_bytes()),
            ))
            .unwrap()
        };
        let forged = {
            let line = note(7, false, &[(1, 70)])
                .as_str()
                .lines()
                .last()
                .unwrap()
                .to_owned();
            SignedCheckpoint::parse(note(8, false, &[]).as_str().to_owned() + &line + "\n").unwrap()
        };
        for (bad, reach, says) in [
            (
                note(12, false, &[(1, 70)]),
                Some((5, 70, 1)),
                "stand in front of it",
            ),
            (note(8, true, &[(1, 70)]), None, "forked or rewritten"),
            (note(8, true, &[]), Some((5, 70, 1)), "forked or rewritten"),
            (unsigned, Some((5, 70, 1)), "signature"),
            (forged, Some((5, 70, 1)), "signature"),
        ] {
            let (reached, found) = any().record(10, bad).says();
            assert_eq!(reached, reach, "{says}");
            let [found] = found.as_slice() else {
                panic!("{found:?}")
            };
            assert!(
                found.contains("integrity.anchor") && found.contains(says),
                "{found}"
            );
        }
    }

    #[test]
    fn a_head_from_too_long_ago_counts_for_nothing_and_memory_is_bounded() {
        let far = WINDOW as u64 + 100;
        let mut bench = Bench::new(Some(policy("any")));
        bench.grow_to(far);
        assert_eq!(bench.anchors.leaves.len(), WINDOW);
        for (size, expected) in [(50, None), (100, Some((100, 70, 1)))] {
            let mut bench = Bench::new(Some(policy("any")));
            bench.grow_to(far - 1);
            let bench = bench.record(far - 1, note(size, false, &[(1, 70)]));
            assert_eq!(bench.says(), (expected, Vec::new()));
        }
    }
}
