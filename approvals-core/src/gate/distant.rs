//! Asking and using for an agent in another process, which holds neither store nor keys nor policy.
//!
//! There is no permit here, because nothing runs here: the agent's process runs the body, and only
//! after [`Gate::redeem`] said so, once. Whoever calls these must have made sure who the agent is,
//! and that the request is the agent's own.

use std::sync::Arc;
use std::time::Duration;

use super::consume::{Port, witnessed};
use super::desk::unknown;
use super::{Call, Gate, authorize};
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::{RecordId, RequestId};
use crate::ledger::Entry;
use crate::lifecycle::{Attempt, Command, Event, Finished, Phase};
use crate::permit::PermitPort as _;
use crate::policy::Recorded;
use crate::request::Outcome;
use crate::sealed::RecordedAction;

impl Gate {
    /// Records what an agent elsewhere asks for, or finds the request that the same call has made
    /// already, and waits for nobody. The request stays when the agent goes away.
    ///
    /// It gives no right: whatever becomes of the request, only [`redeem`](Self::redeem) does. An
    /// ask that policy forbids is a request, too, and denied.
    ///
    /// # Errors
    /// As `authorize`, when it cannot be recorded: `Unauthenticated`, `IdentityUnresolved`,
    /// `NonCanonical`, `ActionMismatch` for a key that belongs to another action, `RateLimited`,
    /// `StoreUnavailable`, `AuditUnavailable`.
    pub async fn ask(&self, call: Call) -> Result<RequestId, ApprovalError> {
        authorize::ask(&self.0, call.detached()).await
    }

    /// Uses an approval up, once, for the agent that asked: it may run what it asked for now.
    ///
    /// Policy, people and time are looked at again, as everywhere. `attempt` names this one try:
    /// presented again, the answer is the same, so that it can be asked for again when the answer
    /// was lost; any other try is refused. `digest` is what is about to run, as the agent knows it.
    ///
    /// # Errors
    /// `ActionMismatch` when something else was approved; `NotFound`, `Pending`, `AlreadyConsumed`,
    /// `Expired`, `Denied`, `Cancelled`, `NotEligible`, `PolicyChanged`, `Frozen` as the store finds it now; `Unrenderable` when the values that were
    /// approved are no longer on record; `AuditUnavailable` or `StoreUnavailable` when it cannot be
    /// recorded.
    pub async fn redeem(
        &self,
        request: RequestId,
        attempt: RecordId,
        digest: ActionDigest,
    ) -> Result<(), ApprovalError> {
        if let Some(used) = self.used(request).await? {
            return self.same_try(request, used, (attempt, digest)).await;
        }
        let found = self.0.journal.whole(request).await?;
        let (state, disclosures) = found.ok_or_else(|| unknown(request))?;
        let recorded = Recorded::of(state.action(), &disclosures)?;
        let whole = recorded.undisclosed().is_empty() && state.erased().is_none();
        if !whole || state.action().digest()? != state.digest() {
            let message =
                "what was approved is not on record as it was bound, so it may not run; ask again";
            return Err(ApprovalError::new(Code::Unrenderable, message).with_request(request));
        }
        let proposal = Arc::new(recorded.proposal().clone());
        let port = Port::new(Arc::clone(&self.0), proposal, Arc::new(state));
        match port.consume(request, attempt, digest).await {
            // The same try may have come twice at once.
            Err(error) if error.code() == Code::AlreadyConsumed => {
                match self.used(request).await? {
                    Some(used) => self.same_try(request, used, (attempt, digest)).await,
                    None => Err(error),
                }
            }
            other => other,
        }
    }

    /// What binds a request, and what opens it: for the agent that asked, which compares it with
    /// its own arguments before anybody's answer counts for it.
    ///
    /// # Errors
    /// `NotFound`; `Unrenderable` when its values are no longer on record; `StoreUnavailable` when
    /// the store cannot be read.
    pub async fn sealed(&self, request: RequestId) -> Result<RecordedAction, ApprovalError> {
        let found = self.0.journal.whole(request).await?;
        let (state, disclosures) = found.ok_or_else(|| unknown(request))?;
        let sealed = RecordedAction::new(state.action().clone(), disclosures)?;
        match sealed.digest() == state.digest() && state.erased().is_none() {
            true => Ok(sealed),
            false => {
                let message = "what was asked is not on record as it was bound; ask again";
                Err(ApprovalError::new(Code::Unrenderable, message).with_request(request))
            }
        }
    }

    /// Records that the agent found, at its last check, that it was about to run something else
    /// than what was approved, and ran nothing. Said again, it changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Misuse` when the approval was not used, its run has ended, or `got` is what was
    /// approved; `StoreUnavailable` or `AuditUnavailable` when it cannot be recorded.
    pub async fn renounce(
        &self,
        request: RequestId,
        got: ActionDigest,
    ) -> Result<(), ApprovalError> {
        let used = self.used(request).await?;
        let used = used.ok_or_else(|| unused(request))?;
        if used.burned {
            return Ok(());
        }
        if got == used.digest {
            let message =
                "what was found is just what was approved, so it may have run; report how it ended";
            return Err(ApprovalError::new(Code::Misuse, message).with_request(request));
        }
        let (by, why, got) = (used.by, Code::ActionMismatch, Some(got));
        let ticket = self.0.journal.command(Command::Burn {
            request,
            by,
            why,
            got,
        });
        match self.0.patient(ticket).await?.refusal {
            None => Ok(()),
            Some(refusal) => Err(refusal.into_error(request)),
        }
    }

    /// Records how a run that was redeemed has ended. Said again, it changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Misuse` when the approval was not used; `Replay` when it has been said to have
    /// ended otherwise; `StoreUnavailable` or `AuditUnavailable` when it cannot be recorded.
    pub async fn report(&self, request: RequestId, outcome: Outcome) -> Result<(), ApprovalError> {
        let Some(by) = self.used(request).await? else {
            return Err(unused(request));
        };
        let finished = Finished {
            outcome,
            code: None,
            duration_us: None,
        };
        let by = Some(by.by);
        let ticket = self.0.journal.command(Command::Finish {
            request,
            by,
            finished,
        });
        let answer = self.0.patient(ticket).await?;
        match answer.state.as_deref().map(|state| state.phase()) {
            Some(Phase::Finished(said)) if *said == outcome => Ok(()),
            _ => {
                let message = "this run has been said to have ended otherwise, and that stays";
                Err(ApprovalError::new(Code::Replay, message).with_request(request))
            }
        }
    }

    /// Waits until a request has a record after `seen`, for a bounded time; gives its newest.
    ///
    /// # Errors
    /// `NotFound`; `StoreUnavailable` when the store cannot be read.
    pub async fn changed(
        &self,
        request: RequestId,
        seen: u64,
        at_most: Duration,
    ) -> Result<u64, ApprovalError> {
        let mut watch = self.0.journal.watch(request);
        let until = tokio::time::Instant::now() + at_most;
        loop {
            let looked = self.0.patient(self.0.journal.look(request)).await?;
            let (_, seq) = looked.ok_or_else(|| unknown(request))?;
            if seq > seen || tokio::time::Instant::now() >= until {
                return Ok(seq);
            }
            let _ = tokio::time::timeout_at(until, watch.after(seq)).await;
        }
    }

    /// The try that used an approval up, if one did.
    async fn used(&self, request: RequestId) -> Result<Option<Used>, ApprovalError> {
        let records = self.0.patient(self.0.journal.history(request)).await?;
        if records.is_empty() {
            return Err(unknown(request));
        }
        let mut used: Option<Used> = None;
        for record in &records {
            match (&record.entry, &mut used) {
                (Entry::Request(_, Event::Consumed(consumed)), _) => {
                    used = Some(Used {
                        by: consumed.by,
                        digest: consumed.digest,
                        seq: record.seq,
                        burned: false,
                    });
                }
                (Entry::Request(_, Event::PermitRefused(refused)), Some(used)) => {
                    used.burned |= refused.burned;
                }
                _ => {}
            }
        }
        Ok(used)
    }

    /// The answer to a try that comes again: the same as the first time, and nothing that was not
    /// true then. What was burned stays burned, and witnesses are waited for again.
    async fn same_try(
        &self,
        request: RequestId,
        used: Used,
        (attempt, digest): (RecordId, ActionDigest),
    ) -> Result<(), ApprovalError> {
        if used.by.record != attempt || used.digest != digest || used.burned {
            let message = "this approval has been used; one approval, one run";
            let error = ApprovalError::new(Code::AlreadyConsumed, message);
            return Err(error.with_request(request));
        }
        witnessed(&self.0, request, used.by, used.seq).await
    }
}

/// How an approval was used up.
struct Used {
    by: Attempt,
    /// What was used.
    digest: ActionDigest,
    /// The record of the use.
    seq: u64,
    /// Whether it was stopped at the last moment, so that nothing may run.
    burned: bool,
}

fn unused(request: RequestId) -> ApprovalError {
    let message = "this approval was not used, so nothing has ended; consume it first";
    ApprovalError::new(Code::Misuse, message).with_request(request)
}
