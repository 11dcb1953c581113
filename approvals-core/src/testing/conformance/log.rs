//! A log in the making, to drive a store with.

use std::fmt::{Debug, Display};

use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::envelope::DisclosureKeyId;
use crate::id::{AgentId, BootId, RequestId};
use crate::ledger::{StoredRecord, leaf_hash, tiles::grow};
use crate::ports::{Batch, Head, RequestRow, Store, StoreError};
use crate::request::Status;

/// A store, the promise it is held to, and what it should hold by now.
pub(super) struct Log<S> {
    promise: &'static str,
    pub(super) store: S,
    pub(super) head: Head,
}

impl<S: Store> Log<S> {
    pub(super) fn new(promise: &'static str, store: S) -> Self {
        Self {
            promise,
            store,
            head: Head::default(),
        }
    }

    /// The number of the next record.
    pub(super) fn size(&self) -> u64 {
        self.head.frontier.size()
    }

    /// A batch with these records, and the head they lead to.
    pub(super) fn batch(&self, records: &[(&[u8], Option<RequestId>)]) -> Batch {
        let mut batch = Batch {
            head: self.head.clone(),
            ..Batch::default()
        };
        for (bytes, request) in records {
            let (seq, leaf) = (batch.head.frontier.size(), leaf_hash(bytes));
            grow(&mut batch.head.frontier, leaf, &mut batch.subtrees);
            batch
                .records
                .push((StoredRecord::new(seq, leaf, bytes.to_vec()), *request));
        }
        // Later than the last one, and never the same again.
        batch.head.last_at = Some(at(batch.head.frontier.size()));
        batch.head.note = Some(format!(
            "a note over {} records",
            batch.head.frontier.size()
        ));
        batch.head.policy = Some((3, PolicyDigest::of(b"policy")));
        batch.head.keys = vec![0, batch.head.frontier.size() / 2];
        batch.head.disclosure_key = Some(DisclosureKeyId::from_bytes([5; 8]));
        batch
    }

    /// Commits a batch that must be taken.
    pub(super) fn commit(&mut self, batch: &Batch) {
        let begun = self.store.begin();
        self.ok("`begin`", begun);
        let committed = self.store.commit(batch);
        self.ok("`commit`", committed);
        self.head = batch.head.clone();
    }

    /// Commits one record of a request, and gives its number.
    pub(super) fn add(&mut self, bytes: &[u8], request: Option<RequestId>) -> u64 {
        let seq = self.size();
        self.commit(&self.batch(&[(bytes, request)]));
        seq
    }

    /// Commits the new state of requests, each with a record of its own.
    pub(super) fn put(&mut self, rows: &[RequestRow]) {
        for row in rows {
            let mut batch = self.batch(&[(b"changed", Some(row.id))]);
            batch.requests.push(row.clone());
            self.commit(&batch);
        }
    }

    /// The value, or the end of the test.
    #[expect(clippy::panic, reason = "this is a test suite")]
    pub(super) fn ok<T>(&self, what: &str, result: Result<T, StoreError>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => panic!("{}: {what} failed: {error}", self.promise),
        }
    }

    /// Asks the store and compares.
    pub(super) fn expect<T: PartialEq + Debug>(
        &mut self,
        what: &str,
        ask: impl FnOnce(&mut S) -> Result<T, StoreError>,
        want: &T,
    ) {
        let got = ask(&mut self.store);
        let got = self.ok(what, got);
        self.same(&format!("what {what} gives"), &got, want);
    }

    pub(super) fn same<T: PartialEq + Debug>(&self, what: &str, got: &T, want: &T) {
        assert!(
            got == want,
            "{}: {what} is\n  {got:?}\nand should be\n  {want:?}",
            self.promise
        );
    }

    pub(super) fn holds(&self, holds: bool, otherwise: impl Display) {
        assert!(holds, "{}: {otherwise}", self.promise);
    }
}

/// A request by number.
pub(super) fn request(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

/// An agent by name.
#[expect(clippy::expect_used, reason = "these names are valid")]
pub(super) fn agent(name: &str) -> AgentId {
    name.parse().expect("an agent")
}

/// A process by number.
pub(super) fn boot(number: u8) -> BootId {
    BootId::from_bytes([number; 16])
}

/// So many seconds after the start of the test.
pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).after(std::time::Duration::from_secs(second))
}

/// A pending request, asked at its own number of seconds.
#[expect(clippy::expect_used, reason = "these names are valid")]
pub(super) fn row(number: u8) -> RequestRow {
    RequestRow {
        id: request(number),
        scope: "db.export".parse().expect("a scope"),
        agent: agent("bot"),
        status: Status::Pending,
        created_at: at(number.into()),
        deadline: None,
        due: None,
        running: None,
        key: None,
        unreviewed: false,
        last_seq: 0,
    }
}

/// Records as tuples, which can be compared.
pub(super) fn plain(records: &[StoredRecord]) -> Vec<(u64, crate::ledger::Hash, Vec<u8>)> {
    records
        .iter()
        .map(|stored| (stored.seq, stored.leaf, stored.bytes.clone()))
        .collect()
}

/// Everything in a head, which can be compared.
pub(super) fn all_of(head: &Head) -> impl PartialEq + Debug + use<> {
    (
        head.frontier.clone(),
        head.last_at,
        head.note.clone(),
        head.policy,
        head.disclosure_key,
        head.keys.clone(),
    )
}

/// Everything in a row, which can be compared.
pub(super) fn fields(row: &RequestRow) -> impl PartialEq + Debug + use<> {
    let who = (row.id, row.scope.to_string(), row.agent.to_string());
    (
        who,
        row.status,
        row.created_at,
        row.deadline,
        row.due,
        row.running,
        row.key,
        row.unreviewed,
        row.last_seq,
    )
}
