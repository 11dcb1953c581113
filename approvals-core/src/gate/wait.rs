//! Waiting for people: three clocks, and what a settled request means for the caller.

use std::sync::Arc;
use std::time::Duration;

use super::authorize::{Waiting, gone};
use super::hold::Hold;
use crate::clock::Timestamp;
use crate::commit::{Answer, Latest};
use crate::error::{ApprovalError, Code};
use crate::id::PersonId;
use crate::lifecycle::{Command, Phase, RequestState};
use crate::review::Vote;

/// A sleep is never longer than this, so that a clock that was set is noticed.
const NAP: Duration = Duration::from_secs(30);

impl Waiting {
    /// Waits for a decision: three clocks, and each ends in a no.
    pub(super) async fn wait(
        &self,
        hold: &mut Hold,
        first: Answer,
    ) -> Result<Arc<RequestState>, ApprovalError> {
        let (inner, request) = (&self.inner, hold.request());
        let gives_up = self.patience.map(|wait| inner.clock.now().after(wait));
        let (mut seen, mut state) = (first.seq, first.state);
        loop {
            let now_state = state.ok_or_else(|| gone(request))?;
            if let Some(verdict) = self.verdict(&now_state).await {
                hold.release();
                return verdict.map(|()| now_state);
            }
            let now = inner.clock.now();
            let deadline = now_state.expires_at();
            let due = now_state.due_at().unwrap_or(deadline);
            if now >= due
                // Boxed, as everything is that waits only now and then: many calls wait here.
                && let Some(changed) = Box::pin(self.catch_up(&now_state, now)).await?
            {
                state = Some(changed);
                continue;
            }
            if gives_up.is_some_and(|at| now >= at) {
                hold.release();
                let message = format!(
                    "nobody decided while the caller waited; the request stays open until {deadline}, ask again to attach to it"
                );
                return Err(ApprovalError::new(Code::Pending, message).with_request(request));
            }
            // What should be on record by now and is not, is tried again after a nap.
            let next = if now < due { due } else { deadline };
            let until = gives_up.map_or(next, |at| at.min(next));
            let nap = until.since(now).min(NAP).max(Duration::from_millis(1));
            let told = tokio::time::timeout(nap, hold.watch.after(seen)).await.ok();
            (seen, state) = match told {
                // This process wrote the change, and so knows it.
                Some(Latest {
                    seq,
                    state: Some(state),
                    ..
                }) => (seq, Some(state)),
                _ => Box::pin(inner.journal.look(request))
                    .await?
                    .map_or((seen, None), |(state, seq)| (seq, Some(Arc::new(state)))),
            };
        }
    }

    /// The request, when it may be used as it stands.
    pub(super) fn approved(&self, answer: &Answer) -> Option<Arc<RequestState>> {
        let state = answer.state.as_ref()?;
        let Phase::Approved { until, .. } = state.phase() else {
            return None;
        };
        self.tell(state, *until);
        Some(Arc::clone(state))
    }

    /// Has recorded what time has brought about; none when that changed nothing.
    async fn catch_up(
        &self,
        state: &RequestState,
        now: Timestamp,
    ) -> Result<Option<Arc<RequestState>>, ApprovalError> {
        let ticket = self.inner.journal.command(Command::Due(state.id()));
        let caught_up = self.inner.patient(ticket).await?.state;
        let pending = |state: &Arc<RequestState>| *state.phase() == Phase::Pending;
        if now >= state.expires_at() && caught_up.as_ref().is_some_and(pending) {
            let message = "the deadline is over, and the store did not end the request";
            return Err(ApprovalError::new(Code::Expired, message).with_request(state.id()));
        }
        Ok(caught_up.filter(|caught_up| caught_up.due_at() != state.due_at()))
    }

    /// What a settled request means for the caller; none while it is pending.
    async fn verdict(&self, state: &RequestState) -> Option<Result<(), ApprovalError>> {
        let no = |code: Code, message: &str| {
            Some(Err(
                ApprovalError::new(code, message).with_request(state.id())
            ))
        };
        match state.phase() {
            Phase::Pending => None,
            Phase::Approved { until, .. } => {
                self.tell(state, *until);
                Some(Ok(()))
            }
            Phase::Denied { by: None, code, .. } => no(*code, forbids(*code)),
            Phase::Denied {
                by: Some(person), ..
            } => Some(Err(Box::pin(self.denied(state, person)).await)),
            Phase::Expired => no(
                Code::Expired,
                "nobody decided in time, or the approval was not used in time; ask again",
            ),
            Phase::Cancelled => no(Code::Cancelled, "the request was withdrawn"),
            Phase::Running(_) | Phase::Burned | Phase::Finished(_) => no(
                Code::AlreadyConsumed,
                "this call has been approved and used before; one approval, one run",
            ),
        }
    }

    /// Says who let it run, and how long ago; for the program's own log.
    fn tell(&self, state: &RequestState, until: Timestamp) {
        let approved_at = until.before(state.use_within());
        let ago = self.inner.clock.now().since(approved_at).as_millis();
        let people = state
            .reviews()
            .iter()
            .filter(|review| review.vote == Vote::Approve);
        let by: Vec<_> = people.map(|review| review.person.as_str()).collect();
        let by = if by.is_empty() {
            "policy".to_owned()
        } else {
            by.join(", ")
        };
        tracing::info!(target: "approvals_core::decided", request = %state.id(), by, resumed_after_ms = ago, "approved");
    }

    async fn denied(&self, state: &RequestState, person: &PersonId) -> ApprovalError {
        let id = state.id();
        let error = ApprovalError::new(Code::Denied, "the request was denied")
            .with_request(id)
            .with_person(person.clone());
        // The reason is for people; without it the answer is still no.
        let disclosures = self.inner.journal.disclosures(id).await.unwrap_or_default();
        let card = crate::card::Card::of(state, &disclosures).ok();
        match card.and_then(|card| card.denial) {
            Some(reason) => error.with_reason(reason.raw()),
            None => error,
        }
    }
}

/// What a no that no person said means to whoever finds it on record.
fn forbids(code: Code) -> &'static str {
    match code {
        Code::Frozen => "this was frozen when it was asked; ask again when the freeze is over",
        Code::DeniedRecently => "a person had denied this very action shortly before it was asked",
        _ => "a policy rule forbids this; no approval can lift it",
    }
}
