//! How it goes with one receiver, for counters and probes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What has become of the tries since the process began.
#[derive(Debug, Default)]
pub(crate) struct Status {
    taken: AtomicU64,
    failed: AtomicU64,
    gone: AtomicBool,
    /// Why the last try failed; none when it did not.
    why: Mutex<Option<String>>,
}

impl Status {
    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.set(None);
    }

    pub(super) fn fail(&self, why: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.set(Some(why));
    }

    /// The receiver said that it wants no more.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.set(Some(
            "it answered 410, and gets nothing more until this process is started again".to_owned(),
        ));
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether the last try did not fail.
    pub(crate) fn is_up(&self) -> bool {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }

    fn set(&self, why: Option<String>) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
