//! Using a permit up, and what comes after.

use std::sync::Arc;

use super::Inner;
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::lifecycle::{Command, Consumption, Finished, RequestState, Reviewed};
use crate::permit::{PermitPort, Queued};
use crate::proposal::Proposal;
use crate::request::Outcome;
use crate::review::Vote;

pub(super) struct Port {
    inner: Arc<Inner>,
    proposal: Arc<Proposal>,
    approved: Arc<RequestState>,
}

impl Port {
    /// `approved` is the request as it was when it was approved: who approved it is settled then.
    pub(super) fn new(
        inner: Arc<Inner>,
        proposal: Arc<Proposal>,
        approved: Arc<RequestState>,
    ) -> Self {
        Self {
            inner,
            proposal,
            approved,
        }
    }
}

impl PermitPort for Port {
    fn consume(&self, request: RequestId, digest: ActionDigest) -> Queued<()> {
        let (inner, proposal) = (Arc::clone(&self.inner), Arc::clone(&self.proposal));
        let approved = Arc::clone(&self.approved);
        Box::pin(async move {
            let command =
                Command::Consume(Box::new(facts(&inner, &proposal, &approved, digest).await?));
            let ticket = inner.journal.command(command);
            match inner.patient(ticket).await {
                Ok(answer) => match answer.refusal {
                    None => Ok(()),
                    Some(refusal) => {
                        tracing::info!(approval.request = %request, code = %refusal.code, "permit refused");
                        Err(refusal.into_error(request))
                    }
                },
                Err(error) => {
                    // It may have become durable after all. Then the run is over before it began.
                    let finished = Finished {
                        outcome: Outcome::Unknown,
                        code: Some("not_started".to_owned()),
                        duration_us: None,
                    };
                    drop(inner.journal.command(Command::Finish { request, finished }));
                    Err(error)
                }
            }
        })
    }

    fn burn(&self, request: RequestId, got: ActionDigest) -> Queued<()> {
        tracing::warn!(approval.request = %request, "the arguments changed after approval; nothing ran");
        queued(&self.inner, Command::Burn { request, got })
    }

    fn finish(&self, request: RequestId, finished: Finished) -> Queued<()> {
        tracing::info!(approval.request = %request, outcome = ?finished.outcome, "finished");
        queued(&self.inner, Command::Finish { request, finished })
    }

    fn abandon(&self, request: RequestId) {
        drop(self.inner.journal.command(Command::Cancel(request)));
    }
}

fn queued(inner: &Arc<Inner>, command: Command) -> Queued<()> {
    let ticket = inner.journal.command(command);
    let inner = Arc::clone(inner);
    Box::pin(async move { inner.patient(ticket).await.map(|_| ()) })
}

/// Everything that must still hold when the approval is used: who approved, and what policy says.
async fn facts(
    inner: &Inner,
    proposal: &Proposal,
    approved: &RequestState,
    digest: ActionDigest,
) -> Result<Consumption, ApprovalError> {
    let policy = inner.policy();
    let request = approved.id();
    let mut wish = Consumption::new(request, digest, policy.digest());
    let given = |review: &&Reviewed| review.vote == Vote::Approve;
    for review in approved.reviews().iter().filter(given) {
        let standing = inner.people.standing(&review.person).await;
        let standing = standing.map_err(|error| {
            ApprovalError::new(Code::IdentityUnresolved, error.to_string()).with_request(request)
        })?;
        let standing = standing.map(|standing| (review.person.clone(), standing));
        wish.standings.extend(standing);
    }
    if policy.digest() != approved.policy().digest {
        wish.changed = Some(policy.evaluate(proposal));
    }
    Ok(wish)
}
