//! A forger's toolkit: the log's owner, who has the online key and rebuilds whatever they changed.

use std::collections::HashMap;

use approvals_core::RequestId;
use approvals_core::id::BootId;
use approvals_core::ledger::{
    AuditRecord, Checkpoint, Entry, Frontier, LedgerKey, Origin, Previous, SignedCheckpoint,
    StoredRecord, leaf_hash, sign_note,
};
use approvals_core::lifecycle::Event;

/// A log in the hands of its owner.
#[derive(Debug, Clone)]
pub struct Forger {
    pub records: Vec<AuditRecord>,
    seed: [u8; 32],
    log: Origin,
}

/// A log as an auditor gets it: its records, and its signed head.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub records: Vec<StoredRecord>,
    pub note: String,
}

impl Sealed {
    /// The signed head, as somebody who keeps it outside has it.
    pub fn head(&self) -> SignedCheckpoint {
        SignedCheckpoint::parse(self.note.as_str()).expect("a head")
    }
}

impl Forger {
    /// Takes a log over, with the key of this seed.
    pub fn of(records: &[StoredRecord], seed: [u8; 32], log: &Origin) -> Self {
        let read =
            |stored: &StoredRecord| AuditRecord::decode(&stored.bytes, log).expect("a record");
        Self {
            records: records.iter().map(read).collect(),
            seed,
            log: log.clone(),
        }
    }

    /// The place of a record: the `nth` of this kind about this request.
    pub fn at(&self, request: RequestId, kind: &str, nth: usize) -> usize {
        let fits =
            |record: &AuditRecord| record.request() == Some(request) && record.kind() == kind;
        let mut places = (0..).zip(&self.records).filter(|(_, record)| fits(record));
        let found = places.nth(nth).map(|(place, _)| place);
        found.unwrap_or_else(|| panic!("no `{kind}` of {request}"))
    }

    /// The place of the `nth` record of this kind about the log itself.
    pub fn log_at(&self, kind: &str, nth: usize) -> usize {
        let mut places = (0..)
            .zip(&self.records)
            .filter(|(_, record)| record.kind() == kind);
        places.nth(nth).expect("a record of the log").0
    }

    /// The event of a record.
    pub fn event(&mut self, place: usize) -> &mut Event {
        match &mut self.records[place].entry {
            Entry::Request(_, event) => event,
            other => panic!("{other:?} is no event"),
        }
    }

    /// Puts a record in front of a place: like the one there, but for what it says.
    pub fn insert(&mut self, place: usize, entry: Entry) {
        let mut record = self.records[place.min(self.records.len() - 1)].clone();
        record.entry = entry;
        record.id = approvals_core::id::RecordId::random().expect("an id");
        self.records.insert(place, record);
    }

    /// Numbers, links, counts, hashes and signs everything anew, so that nothing but its meaning
    /// gives the change away.
    pub fn seal(&self) -> Sealed {
        let (mut last, mut counts) = (
            HashMap::<RequestId, Previous>::new(),
            HashMap::<BootId, u64>::new(),
        );
        let mut frontier = Frontier::new();
        let mut records = Vec::with_capacity(self.records.len());
        let mut at = None;
        for (seq, record) in (0..).zip(&self.records) {
            let mut record = record.clone();
            record.seq = seq;
            record.at = at.map_or(record.at, |at| record.at.max(at));
            at = Some(record.at);
            let n = counts.entry(record.writer.boot).or_default();
            record.writer.n = *n;
            *n += 1;
            record.previous = record
                .request()
                .and_then(|request| last.get(&request).copied());
            let bytes = record.encode(&self.log).expect("bytes");
            let leaf = leaf_hash(&bytes);
            frontier.push(leaf);
            if let Some(request) = record.request() {
                last.insert(request, Previous { seq, leaf });
            }
            records.push(StoredRecord::new(seq, leaf, bytes));
        }
        let note = self.sign(&frontier);
        Sealed { records, note }
    }

    /// A signed head over any records, whatever they say.
    pub fn seal_bytes(&self, records: Vec<Vec<u8>>) -> Sealed {
        let mut frontier = Frontier::new();
        let records = (0..).zip(records).map(|(seq, bytes)| {
            let leaf = leaf_hash(&bytes);
            frontier.push(leaf);
            StoredRecord::new(seq, leaf, bytes)
        });
        let records = records.collect();
        let note = self.sign(&frontier);
        Sealed { records, note }
    }

    fn sign(&self, frontier: &Frontier) -> String {
        let key = LedgerKey::from_seed(&self.seed).expect("a key");
        let vkey = key.vkey(&self.log);
        let head = Checkpoint {
            origin: self.log.clone(),
            size: frontier.size(),
            root: frontier.root(),
        };
        let body = head.body();
        sign_note(&body, vkey.name(), vkey.id(), &key.sign(body.as_bytes()))
    }

    /// The same owner, with another key.
    pub fn with_key(mut self, seed: [u8; 32]) -> Self {
        self.seed = seed;
        self
    }
}
