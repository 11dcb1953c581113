//! What holds a request for the call that waits for it.

use std::sync::{Arc, PoisonError};

use super::Inner;
use crate::commit::Watch;
use crate::id::RequestId;
use crate::lifecycle::Command;

/// Withdraws the request when the caller goes away, unless it was settled or detached.
pub(super) struct Hold {
    inner: Arc<Inner>,
    pub(super) watch: Watch,
    pub(super) cancel: bool,
}

impl Hold {
    pub(super) fn new(inner: &Arc<Inner>, request: RequestId, cancel: bool) -> Self {
        let watch = inner.journal.watch(request);
        inner.claim(request);
        Self {
            inner: Arc::clone(inner),
            watch,
            cancel,
        }
    }

    pub(super) fn request(&self) -> RequestId {
        self.watch.request()
    }

    pub(super) fn release(&mut self) {
        self.cancel = false;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let request = self.request();
        self.inner
            .attached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&request);
        if self.cancel {
            tracing::info!(approval.request = %request, "withdrawn");
            // Queued at once; there is nobody left to wait for it.
            drop(self.inner.journal.command(Command::Cancel(request)));
        }
    }
}

impl Inner {
    /// Marks a request as waited for by this process; false when it is already.
    pub(super) fn claim(&self, request: RequestId) -> bool {
        self.attached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(request)
    }
}
