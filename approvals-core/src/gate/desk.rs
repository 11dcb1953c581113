//! What people and programs can see and do besides deciding.

use super::Gate;
use crate::card::Card;
use crate::commit::Work;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::lifecycle::{Command, RequestState};
use crate::ports::{Delivery, Filter, Notice, RequestRow};
use crate::sealed::Disclosure;

impl Gate {
    /// Requests, for a listing. What is out of time is ended first.
    ///
    /// # Errors
    /// `StoreUnavailable` or `AuditUnavailable` when the store cannot be read or written.
    pub async fn list(&self, filter: Filter) -> Result<Vec<RequestRow>, ApprovalError> {
        self.sweep().await?;
        self.0
            .journal
            .read(move |reader| reader.requests(&filter))
            .await
    }

    /// One request, whole, as it stands now.
    ///
    /// # Errors
    /// `NotFound`; `Unrenderable` when it cannot be shown whole; `AuditTampered` when its records
    /// make no sense; `StoreUnavailable` when the store cannot be read.
    pub async fn card(&self, request: RequestId) -> Result<Card, ApprovalError> {
        card(&self.0, request).await
    }

    /// The copies that a channel has of a request, as its records say: a callback decides something
    /// only from a place that stands here.
    ///
    /// # Errors
    /// `NotFound`; `AuditTampered` when its records make no sense; `StoreUnavailable` when the
    /// store cannot be read.
    pub async fn copies(
        &self,
        request: RequestId,
        channel: &str,
    ) -> Result<Vec<Delivery>, ApprovalError> {
        let (state, _) = whole(&self.0, request).await?;
        Ok(state.copies(channel).map(Delivery::to).collect())
    }

    /// Withdraws a request that has not been used; nothing when it is settled.
    ///
    /// # Errors
    /// `NotFound`; `StoreUnavailable` or `AuditUnavailable` when it cannot be recorded.
    pub async fn cancel(&self, request: RequestId) -> Result<(), ApprovalError> {
        let ticket = self.0.journal.command(Command::Cancel(request));
        match self.0.patient(ticket).await?.refusal {
            None => Ok(()),
            Some(refusal) => Err(refusal.into_error(request)),
        }
    }

    /// Ends what is out of time, and reports runs whose process is gone as `unknown`.
    ///
    /// Call it every half minute from a long-lived process; opening a gate does it once.
    ///
    /// # Errors
    /// `StoreUnavailable` or `AuditUnavailable` when it cannot be recorded.
    pub async fn sweep(&self) -> Result<(), ApprovalError> {
        let ticket = self.0.journal.submit(Work::Sweep);
        self.0.patient(ticket).await?;
        self.0.scrub_again().await;
        Ok(())
    }

    /// Waits until everything queued so far is durable: withdrawals of dropped calls, outcomes of
    /// dropped runs.
    ///
    /// # Errors
    /// `AuditUnavailable` when it did not become durable.
    pub async fn flush(&self) -> Result<(), ApprovalError> {
        let flushed = self.0.journal.flush();
        self.0.patient(flushed).await
    }
}

pub(super) async fn card(inner: &super::Inner, request: RequestId) -> Result<Card, ApprovalError> {
    let (state, disclosures) = whole(inner, request).await?;
    Card::of(&state, &disclosures)
}

/// A request as this channel is to draw it now.
pub(super) async fn notice(
    inner: &super::Inner,
    request: RequestId,
    channel: &str,
    attempts: u32,
) -> Result<Notice, ApprovalError> {
    let (state, disclosures) = whole(inner, request).await?;
    let copies = state.copies(channel).map(Delivery::to).collect();
    let card = Card::of(&state, &disclosures)?;
    Ok(Notice::new(card, attempts).with_copies(copies))
}

async fn whole(
    inner: &super::Inner,
    request: RequestId,
) -> Result<(RequestState, Vec<Disclosure>), ApprovalError> {
    let found = inner.journal.whole(request).await?;
    found.ok_or_else(|| unknown(request))
}

pub(super) fn unknown(request: RequestId) -> ApprovalError {
    let message = "there is no such request; list them with `approvals list`";
    ApprovalError::new(Code::NotFound, message).with_request(request)
}
