//! The part of an erasure that only a gate can do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Gate, Inner, desk};
use crate::commit::{Answer, Work};
use crate::error::ApprovalError;
use crate::id::RequestId;
use crate::lifecycle::{RequestState, erasable};

/// How long an erasure waits for those who read the store at this moment.
const PATIENCE: Duration = Duration::from_secs(2);

impl Gate {
    /// Overwrites what was erased, wherever the store itself still has bytes of it, such as in a
    /// log of its own. An erasure does it; it is only needed after one that could not.
    ///
    /// # Errors
    /// `StoreUnavailable` while somebody reads the store, or when it cannot be written.
    pub async fn scrub(&self) -> Result<(), ApprovalError> {
        self.0.scrub(PATIENCE).await
    }

    /// The request, when what people were shown of it can be erased.
    pub(crate) async fn erasable(&self, request: RequestId) -> Result<RequestState, ApprovalError> {
        let found = self.0.journal.look(request).await?;
        let (state, _) = found.ok_or_else(|| desk::unknown(request))?;
        match erasable(&state) {
            Ok(()) => Ok(state),
            Err(refusal) => Err(refusal.into_error(request)),
        }
    }

    /// Records the erasure and destroys what opens the request, in one step, under an approval
    /// that is in use.
    pub(crate) async fn erase_under(
        &self,
        request: RequestId,
        authority: RequestId,
    ) -> Result<Answer, ApprovalError> {
        let work = Work::Erase { request, authority };
        // Without a limit: whether it happened must be known before it is said how it ended.
        let answer = self.0.journal.submit(work).await?;
        match answer.refusal {
            None => Ok(answer),
            Some(refusal) => Err(refusal.into_error(request)),
        }
    }
}

impl Inner {
    /// Scrubs, and remembers when it could not.
    pub(super) async fn scrub(&self, at_most: Duration) -> Result<(), ApprovalError> {
        let scrubbed = self.journal.scrub(at_most).await;
        self.unscrubbed.store(scrubbed.is_err(), Ordering::Relaxed);
        scrubbed
    }

    /// Scrubs what could not be scrubbed before.
    pub(super) async fn scrub_again(&self) {
        if self.unscrubbed.load(Ordering::Relaxed) {
            // It stays remembered, and the next round tries again.
            let _ = self.scrub(Duration::ZERO).await;
        }
    }
}
