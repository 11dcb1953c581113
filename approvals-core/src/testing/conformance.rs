//! The conformance suite of the [`Store`] port: what every store must do, whoever writes it.
//!
//! A store that passes keeps the promises that the rest of the library is built on. It cannot
//! show what only a crash shows: that a commit which returned is still there after a power cut.
//!
//! # Examples
//! A fourth store runs it in a test of its own, over empty stores:
//! ```
//! use approvals_core::ForgetfulStore;
//! use approvals_core::testing::conformance;
//!
//! conformance::check(ForgetfulStore::new);
//! ```
//!
//! A store that several processes share runs [`check_shared`], too, with two ways into the same
//! empty store. [`check_pin`] is for the place where the newest head is pinned.
//!
//! A store that breaks a promise fails, and the message names the promise:
//! ```should_panic
//! # use std::time::Duration;
//! # use approvals_core::clock::Timestamp;
//! # use approvals_core::envelope::Envelope;
//! # use approvals_core::id::{BootId, RequestId};
//! # use approvals_core::ledger::{Hash, StoredRecord};
//! # use approvals_core::ports::*;
//! # use approvals_core::request::IdempotencyKey;
//! # use approvals_core::{ForgetfulStore, testing::conformance};
//! /// Loses the last byte of every record.
//! #[derive(Default)]
//! struct Careless(ForgetfulStore);
//! # impl Reader for Careless {
//! #     fn head(&mut self) -> Result<Head, StoreError> { self.0.head() }
//! #     fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> { self.0.records(from, limit) }
//! #     fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> { self.0.leaves(from, limit) }
//! #     fn subtrees(&mut self, level: u8, from: u64, limit: usize) -> Result<Vec<Hash>, StoreError> { self.0.subtrees(level, from, limit) }
//! #     fn records_of(&mut self, request: RequestId) -> Result<Vec<StoredRecord>, StoreError> { self.0.records_of(request) }
//! #     fn log_records(&mut self, before: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> { self.0.log_records(before, limit) }
//! #     fn disclosures(&mut self, request: RequestId) -> Result<Envelope, StoreError> { self.0.disclosures(request) }
//! #     fn requests(&mut self, filter: &Filter) -> Result<Vec<RequestRow>, StoreError> { self.0.requests(filter) }
//! #     fn overdue(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>, StoreError> { self.0.overdue(now, limit) }
//! #     fn running(&mut self) -> Result<Vec<(RequestId, BootId)>, StoreError> { self.0.running() }
//! #     fn touched(&mut self, from: u64) -> Result<(Vec<(RequestId, u64)>, u64), StoreError> { self.0.touched(from) }
//! #     fn backlogs(&mut self) -> Result<Vec<Backlog>, StoreError> { self.0.backlogs() }
//! # }
//!
//! impl Store for Careless {
//!     fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
//!         let mut batch = batch.clone();
//!         for (stored, _) in &mut batch.records {
//!             stored.bytes.pop();
//!         }
//!         self.0.commit(&batch)
//!     }
//!     // The rest is handed on.
//! #     fn is_durable(&self) -> bool { false }
//! #     fn begin(&mut self) -> Result<Head, StoreError> { self.0.begin() }
//! #     fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError> { self.0.by_key(key) }
//! #     fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError> { self.0.count(counter, since) }
//! #     fn wrapped_by(&mut self, key: approvals_core::envelope::DisclosureKeyId, limit: usize) -> Result<Vec<(RequestId, approvals_core::envelope::WrappedKey)>, StoreError> { self.0.wrapped_by(key, limit) }
//! #     fn raised(&mut self, counter: &str, since: Timestamp) -> Result<Vec<(Timestamp, u64)>, StoreError> { self.0.raised(counter, since) }
//! #     fn rollback(&mut self) { self.0.rollback() }
//! #     fn scrub(&mut self, at_most: Duration) -> Result<(), StoreError> { self.0.scrub(at_most) }
//! #     fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> { self.0.reader() }
//! #     fn announce(&mut self, boot: BootId) -> Result<(), StoreError> { self.0.announce(boot) }
//! #     fn is_gone(&mut self, boot: BootId) -> bool { self.0.is_gone(boot) }
//! #     fn take_due(&mut self, channels: &[String], now: Timestamp, lease: Duration) -> Result<Vec<Due>, StoreError> { self.0.take_due(channels, now, lease) }
//! }
//!
//! // panics: the bytes of a record come back exactly: ..
//! conformance::check(Careless::default);
//! ```

mod envelopes;
mod log;
mod outbox;
#[expect(clippy::panic, reason = "this is a test suite")]
mod pin;
mod records;
mod requests;
mod shared;

use crate::ports::Store;

use log::Log;
pub use pin::check_pin;

/// Checks every promise of the [`Store`] and [`Reader`](crate::ports::Reader) ports.
///
/// `make` gives an empty store each time it is called; each promise is checked on a fresh one.
///
/// # Panics
/// When the store breaks a promise; the message names it.
pub fn check<S: Store>(mut make: impl FnMut() -> S) {
    let promises = [
        records::promises(),
        requests::promises(),
        envelopes::promises(),
        outbox::promises(),
    ];
    for (promise, holds) in promises.into_iter().flatten() {
        holds(Log::new(promise, make()));
    }
}

/// Checks what a store promises to processes that share it.
///
/// `make` gives two ways into the same empty store, such as two connections.
///
/// # Panics
/// When the store breaks a promise; the message names it.
pub fn check_shared<S: Store>(mut make: impl FnMut() -> (S, S)) {
    let promises: [Shared<S>; 6] = [
        (
            "one transaction at a time",
            shared::one_transaction_at_a_time,
        ),
        (
            "others see what is committed",
            shared::others_see_what_is_committed,
        ),
        (
            "a look finds what others touched",
            shared::a_look_finds_what_others_touched,
        ),
        (
            "a store that rings, rings when others write",
            shared::it_rings_when_others_write,
        ),
        (
            "what one takes from the outbox is left alone by others",
            shared::leases,
        ),
        (
            "whoever is alive is not gone",
            shared::whoever_is_alive_is_not_gone,
        ),
    ];
    for (promise, holds) in promises {
        let (one, other) = make();
        holds(Log::new(promise, one), other);
    }
}

type Promise<S> = (&'static str, fn(Log<S>));
type Shared<S> = (&'static str, fn(Log<S>, S));
