//! A store that several gates can open, one after another or at once, and that can fail.
//!
//! It behaves as a durable store does (every batch is signed, one writer at a time), and what is
//! on it outlives every gate.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use approvals_core::RequestId;
use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, Envelope, WrappedKey};
use approvals_core::id::BootId;
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::memory::ForgetfulStore;
use approvals_core::ports::{
    Backlog, Batch, Due, Filter, Head, Reader, RequestRow, Store, StoreError,
};
use approvals_core::request::IdempotencyKey;

use super::trap::Trap;

/// The steps of a store that can fail.
pub const STEPS: &[&str] = &[
    "head",
    "records",
    "leaves",
    "subtrees",
    "records_of",
    "disclosures",
    "requests",
    "overdue",
    "running",
    "touched",
    "begin",
    "by_key",
    "count",
    "commit refused",
    "commit lost",
    "commit unknown",
    "reader",
    "announce",
    "scrub",
    "take_due",
];

/// What is done to records on their way out.
type Tamper = Box<dyn Fn(Vec<StoredRecord>) -> Vec<StoredRecord> + Send>;

/// What is done when the write lock is held.
type Holding = Box<dyn FnMut() + Send>;

/// What its own clock says.
type Ticking = Box<dyn Fn() -> Timestamp + Send>;

/// A store in memory that outlives its gates.
#[derive(Clone, Default)]
pub struct Disk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    memory: Mutex<ForgetfulStore>,
    writing: Mutex<bool>,
    free: Condvar,
    trap: Trap,
    dead: Mutex<HashSet<BootId>>,
    boots: Mutex<Vec<BootId>>,
    threaded: Mutex<bool>,
    tamper: Mutex<Option<Tamper>>,
    holding: Mutex<Option<Holding>>,
    clock: Mutex<Option<Ticking>>,
    written: Mutex<String>,
    batches: Mutex<Vec<Batch>>,
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that gates use from threads of their own.
    pub fn threaded() -> Self {
        let disk = Self::default();
        *disk.0.threaded.lock().unwrap() = true;
        disk
    }

    /// What makes it fail.
    pub fn trap(&self) -> Trap {
        self.0.trap.clone()
    }

    /// Every process that opened it so far is gone, without a word.
    pub fn power_cut(&self) {
        let boots = self.0.boots.lock().unwrap().clone();
        self.0.dead.lock().unwrap().extend(boots);
    }

    /// Changes records on their way out.
    pub fn tamper(&self, change: impl Fn(Vec<StoredRecord>) -> Vec<StoredRecord> + Send + 'static) {
        *self.0.tamper.lock().unwrap() = Some(Box::new(change));
    }

    /// Does something each time a writer has got the lock, before it gets its head.
    pub fn while_locked(&self, act: impl FnMut() + Send + 'static) {
        *self.0.holding.lock().unwrap() = Some(Box::new(act));
    }

    /// Gives it a clock of its own, as the server of a database has one.
    pub fn clock(&self, now: impl Fn() -> Timestamp + Send + 'static) {
        *self.0.clock.lock().unwrap() = Some(Box::new(now));
    }

    /// Whether a writer has the lock.
    pub fn is_locked(&self) -> bool {
        *self.0.writing.lock().unwrap()
    }

    /// Everything that was ever handed to it, as text.
    pub fn written(&self) -> String {
        self.0.written.lock().unwrap().clone()
    }

    /// The records that are on it.
    pub fn stored(&self) -> Vec<StoredRecord> {
        let mut memory = self.0.memory.lock().unwrap();
        memory.records(0, usize::MAX).unwrap()
    }

    /// Another disk with everything that is on this one now: a backup.
    pub fn backup(&self) -> Self {
        let backup = Self::new();
        let batches = self.0.batches.lock().unwrap().clone();
        let mut memory = backup.0.memory.lock().unwrap();
        for batch in &batches {
            memory.commit(batch).expect("memory takes every batch");
        }
        drop(memory);
        *backup.0.batches.lock().unwrap() = batches;
        backup
    }

    /// Puts what is on another disk in the place of what is on this one, and the other way round.
    pub fn swap(&self, other: &Self) {
        let (mut here, mut there) = (
            self.0.memory.lock().unwrap(),
            other.0.memory.lock().unwrap(),
        );
        std::mem::swap(&mut *here, &mut *there);
        let (mut here, mut there) = (
            self.0.batches.lock().unwrap(),
            other.0.batches.lock().unwrap(),
        );
        std::mem::swap(&mut *here, &mut *there);
    }

    fn step(&self, step: &str) -> Result<(), StoreError> {
        if self.0.trap.springs(step) {
            Err(StoreError::unavailable(format!(
                "the disk failed at {step}"
            )))
        } else {
            Ok(())
        }
    }

    fn unlock(&self) {
        *self.0.writing.lock().unwrap() = false;
        self.0.free.notify_one();
    }

    fn note(&self, batch: &Batch) {
        let mut written = self.0.written.lock().unwrap();
        for (stored, _) in &batch.records {
            written.push_str(&String::from_utf8_lossy(&stored.bytes));
            written.push('\n');
        }
        for (_, sealed) in &batch.disclosures {
            written.push_str(&String::from_utf8_lossy(&sealed.ciphertext));
            written.push('\n');
        }
        written.push_str(&format!("{batch:?}\n"));
    }
}

macro_rules! reads {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {$(
        fn $name(&mut self, $($arg: $ty),*) -> Result<$out, StoreError> {
            self.step(stringify!($name))?;
            self.0.memory.lock().unwrap().$name($($arg),*)
        }
    )*};
}

impl Reader for Disk {
    reads! {
        head() -> Head;
        disclosures(request: RequestId) -> Envelope;
        requests(filter: &Filter) -> Vec<RequestRow>;
        overdue(now: Timestamp, limit: usize) -> Vec<RequestId>;
        running() -> Vec<(RequestId, BootId)>;
        touched(from: u64) -> (Vec<(RequestId, u64)>, u64);
        backlogs() -> Vec<Backlog>;
        leaves(from: u64, limit: usize) -> Vec<Hash>;
        subtrees(level: u8, from: u64, limit: usize) -> Vec<Hash>;
        records_of(request: RequestId) -> Vec<StoredRecord>;
        log_records(before: u64, limit: usize) -> Vec<StoredRecord>;
    }

    fn records(&mut self, from: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.step("records")?;
        let all = self.stored();
        let all = match &*self.0.tamper.lock().unwrap() {
            Some(change) => change(all),
            None => all,
        };
        let from = usize::try_from(from).unwrap();
        Ok(all.into_iter().skip(from).take(limit).collect())
    }
}

impl Store for Disk {
    fn is_durable(&self) -> bool {
        true
    }

    fn begin(&mut self) -> Result<Head, StoreError> {
        self.step("begin")?;
        let writing = self.0.writing.lock().unwrap();
        *self.0.free.wait_while(writing, |busy| *busy).unwrap() = true;
        if let Some(act) = &mut *self.0.holding.lock().unwrap() {
            act();
        }
        let mut head = self.0.memory.lock().unwrap().begin()?;
        head.store_clock = self.0.clock.lock().unwrap().as_ref().map(|now| now());
        Ok(head)
    }

    fn by_key(&mut self, key: &IdempotencyKey) -> Result<Option<RequestId>, StoreError> {
        self.step("by_key")?;
        self.0.memory.lock().unwrap().by_key(key)
    }

    fn count(&mut self, counter: &str, since: Timestamp) -> Result<u64, StoreError> {
        self.step("count")?;
        self.0.memory.lock().unwrap().count(counter, since)
    }

    fn wrapped_by(
        &mut self,
        key: DisclosureKeyId,
        limit: usize,
    ) -> Result<Vec<(RequestId, WrappedKey)>, StoreError> {
        self.step("wrapped_by")?;
        self.0.memory.lock().unwrap().wrapped_by(key, limit)
    }

    fn raised(
        &mut self,
        counter: &str,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        self.step("raised")?;
        self.0.memory.lock().unwrap().raised(counter, since)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let answer = match () {
            () if self.0.trap.springs("commit refused") => {
                Err(StoreError::unavailable("the disk is full"))
            }
            () if self.0.trap.springs("commit lost") => Err(StoreError::fatal("the sync failed")),
            () => {
                self.note(batch);
                let written = self.0.memory.lock().unwrap().commit(batch);
                self.0.batches.lock().unwrap().push(batch.clone());
                if self.0.trap.springs("commit unknown") {
                    Err(StoreError::fatal("the sync failed after the write"))
                } else {
                    written
                }
            }
        };
        self.unlock();
        answer
    }

    fn rollback(&mut self) {
        self.unlock();
    }

    fn scrub(&mut self, at_most: Duration) -> Result<(), StoreError> {
        self.step("scrub")?;
        self.0.memory.lock().unwrap().scrub(at_most)
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> {
        self.step("reader")?;
        let threaded = *self.0.threaded.lock().unwrap();
        Ok(threaded.then(|| Box::new(self.clone()) as Box<dyn Reader>))
    }

    fn announce(&mut self, boot: BootId) -> Result<(), StoreError> {
        self.step("announce")?;
        self.0.boots.lock().unwrap().push(boot);
        Ok(())
    }

    fn is_gone(&mut self, boot: BootId) -> bool {
        self.0.dead.lock().unwrap().contains(&boot)
    }

    fn take_due(
        &mut self,
        channels: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Due>, StoreError> {
        self.step("take_due")?;
        let mut memory = self.0.memory.lock().unwrap();
        memory.take_due(channels, now, lease)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}
