//! A signed log of any length, written without a gate: for what only reads logs.

use approvals_core::ForgetfulStore;
use approvals_core::id::{BootId, RecordId};
use approvals_core::ledger::{
    Checkpoint, LedgerKey, StoredRecord, VerifierKey, leaf_hash, sign_note,
};
use approvals_core::ports::{Batch, Reader, Store};

/// A log, the store it is in, and the key that signs it.
pub struct Written {
    pub store: ForgetfulStore,
    pub vkey: VerifierKey,
    key: LedgerKey,
    version: &'static str,
}

impl Written {
    /// A log of so many records.
    pub fn of(size: u64) -> Self {
        Self::new("example.com/written", "1.0").grown(size)
    }

    /// An empty log of this name; another version makes other records of the same length.
    pub fn new(origin: &str, version: &'static str) -> Self {
        let key = LedgerKey::from_seed(&[9; 32]).unwrap();
        Self {
            store: ForgetfulStore::new(),
            vkey: key.vkey(&origin.parse().unwrap()),
            key,
            version,
        }
    }

    /// The same empty log, signed with another key.
    pub fn signed_by(mut self, seed: [u8; 32]) -> Self {
        self.key = LedgerKey::from_seed(&seed).unwrap();
        self.vkey = self.key.vkey(self.vkey.name());
        self
    }

    /// The same log with records up to this size, and a signed head over them.
    pub fn grown(mut self, size: u64) -> Self {
        self.grow(size);
        self
    }

    pub fn grow(&mut self, size: u64) {
        let mut batch = Batch::default();
        batch.head = self.store.head().unwrap();
        for seq in batch.head.frontier.size()..size {
            let bytes = self.record(seq).into_bytes();
            let stored = StoredRecord::new(seq, leaf_hash(&bytes), bytes);
            let subtrees = &mut batch.subtrees;
            batch
                .head
                .frontier
                .push_with(stored.leaf, |level, index, hash| {
                    if level % 8 == 0 {
                        subtrees.push((level, index, hash));
                    }
                });
            batch.records.push((stored, None));
        }
        // The genesis says which key signs.
        batch.head.keys = vec![0];
        let (origin, frontier) = (self.vkey.name().clone(), &batch.head.frontier);
        let (size, root) = (frontier.size(), frontier.root());
        let body = Checkpoint { origin, size, root }.body();
        let signature = self.key.sign(body.as_bytes());
        batch.head.note = Some(sign_note(
            &body,
            self.vkey.name(),
            self.vkey.id(),
            &signature,
        ));
        self.store.commit(&batch).unwrap();
    }

    fn record(&self, seq: u64) -> String {
        let (log, version) = (self.vkey.name(), self.version);
        let boot = BootId::from_bytes([1; 16]);
        let id = RecordId::from_bytes((1 + u128::from(seq)).to_be_bytes());
        let (kind, says) = match seq {
            0 => ("log.genesis", format!("\"vkey\":\"{}\"", self.vkey)),
            _ => ("log.opened", format!("\"version\":\"{version}\"")),
        };
        format!(
            "{{\"at\":\"2026-01-01T00:00:00.000000Z\",\"id\":\"{id}\",\"kind\":\"{kind}\",\"log\":\"{log}\",\"seq\":{seq},\"v\":1,{says},\"writer\":{{\"boot\":\"{boot}\",\"n\":{seq}}}}}"
        )
    }
}
