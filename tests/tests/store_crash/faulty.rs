//! SQLite behind a store that fails at one step.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::envelope::{DisclosureKeyId, Envelope, WrappedKey};
use approvals_core::id::BootId;
use approvals_core::ledger::{Hash, StoredRecord};
use approvals_core::ports::{
    Backlog, Batch, Due, Filter, Head, Reader, RequestRow, Store, StoreError,
};
use approvals_core::request::IdempotencyKey;
use approvals_core::{ApprovalError, Code, Gate, RequestId};
use approvals_store::sqlite::SqliteStore;

use super::scene::Scene;

/// Every step that can fail.
pub const STEPS: &[&str] = &[
    "head",
    "records",
    "leaves",
    "subtrees",
    "records_of",
    "log_records",
    "disclosures",
    "requests",
    "overdue",
    "running",
    "touched",
    "begin",
    "by_key",
    "count",
    "commit",
    "commit fatal",
    "reader",
    "announce",
    "scrub",
    "take_due",
];

/// Which step fails, and from which call on; and what happens in front of which step, once.
#[derive(Clone, Default)]
pub struct Fault(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    armed: Option<(&'static str, usize)>,
    act: Option<(&'static str, Act)>,
}

type Act = Box<dyn FnOnce() + Send>;

impl Fault {
    /// The step fails from its `nth` call on, counted from 0.
    pub fn arm(&self, step: &'static str, nth: usize) {
        self.0.lock().unwrap().armed = Some((step, nth));
    }

    /// Does something in front of the next call of a step.
    pub fn before(&self, step: &'static str, act: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().act = Some((step, Box::new(act)));
    }

    pub fn disarm(&self) {
        self.0.lock().unwrap().armed = None;
    }

    fn strikes(&self, step: &str) -> bool {
        match &mut self.0.lock().unwrap().armed {
            Some((wanted, 0)) => *wanted == step,
            Some((wanted, left)) if *wanted == step => {
                *left -= 1;
                false
            }
            _ => false,
        }
    }

    fn check(&self, step: &str) -> Result<(), StoreError> {
        let act = {
            let mut plan = self.0.lock().unwrap();
            let (now, later) = match plan.act.take() {
                Some((wanted, act)) if wanted == step => (Some(act), None),
                later => (None, later),
            };
            plan.act = later;
            now
        };
        if let Some(act) = act {
            act();
        }
        if self.strikes(step) {
            Err(StoreError::unavailable(format!(
                "the disk failed at {step}"
            )))
        } else {
            Ok(())
        }
    }
}

/// A store, or a second way into one, that can fail.
pub struct Faulty<R: ?Sized> {
    fault: Fault,
    inner: Box<R>,
}

impl Faulty<SqliteStore> {
    /// A gate of the scene, on a store that can fail.
    pub async fn gate(scene: &Scene, fault: &Fault) -> Result<Gate, ApprovalError> {
        let home = &scene.home;
        let store =
            Self {
                fault: fault.clone(),
                inner: Box::new(SqliteStore::open_existing(home.paths().database()).map_err(
                    |error| ApprovalError::new(Code::StoreUnavailable, error.to_string()),
                )?),
            };
        Gate::builder()
            .policy(home.policy().clone())
            .people(home.people().clone())
            .store(store)
            .signer(home.signer()?, home.secrets()?)
            .disclosure_keys(home.paths().disclosure_keys())
            .open()
            .await
    }
}

macro_rules! reads {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {$(
        fn $name(&mut self, $($arg: $ty),*) -> Result<$out, StoreError> {
            self.fault.check(stringify!($name))?;
            self.inner.$name($($arg),*)
        }
    )*};
}

impl<R: Reader + ?Sized> Reader for Faulty<R> {
    reads! {
        head() -> Head;
        records(from: u64, limit: usize) -> Vec<StoredRecord>;
        leaves(from: u64, limit: usize) -> Vec<Hash>;
        subtrees(level: u8, from: u64, limit: usize) -> Vec<Hash>;
        records_of(request: RequestId) -> Vec<StoredRecord>;
        log_records(before: u64, limit: usize) -> Vec<StoredRecord>;
        disclosures(request: RequestId) -> Envelope;
        requests(filter: &Filter) -> Vec<RequestRow>;
        overdue(now: Timestamp, limit: usize) -> Vec<RequestId>;
        running() -> Vec<(RequestId, BootId)>;
        touched(from: u64) -> (Vec<(RequestId, u64)>, u64);
        backlogs() -> Vec<Backlog>;
    }
}

impl Store for Faulty<SqliteStore> {
    reads! {
        begin() -> Head;
        by_key(key: &IdempotencyKey) -> Option<RequestId>;
        count(counter: &str, since: Timestamp) -> u64;
        raised(counter: &str, since: Timestamp) -> Vec<(Timestamp, u64)>;
        announce(boot: BootId) -> ();
        scrub(at_most: Duration) -> ();
        wrapped_by(key: DisclosureKeyId, limit: usize) -> Vec<(RequestId, WrappedKey)>;
        take_due(channels: &[String], now: Timestamp, lease: Duration) -> Vec<Due>;
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let failed = if self.fault.strikes("commit fatal") {
            Err(StoreError::fatal("the sync failed"))
        } else {
            self.fault.check("commit")
        };
        if failed.is_err() {
            self.inner.rollback();
        }
        failed.and_then(|()| self.inner.commit(batch))
    }

    fn rollback(&mut self) {
        self.inner.rollback();
    }

    fn reader(&self) -> Result<Option<Box<dyn Reader>>, StoreError> {
        self.fault.check("reader")?;
        let inner = self.inner.reader()?;
        let fault = self.fault.clone();
        Ok(inner.map(|inner| Box::new(Faulty { fault, inner }) as Box<dyn Reader>))
    }

    fn is_gone(&mut self, boot: BootId) -> bool {
        self.inner.is_gone(boot)
    }
}
