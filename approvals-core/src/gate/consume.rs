//! Using a permit up, and what comes after.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inner;
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::lifecycle::{Command, Consumption, Finished};
use crate::permit::{PermitPort, Queued};
use crate::proposal::Proposal;
use crate::request::Outcome;
use crate::review::Vote;

pub(super) struct Port {
    inner: Arc<Inner>,
    proposal: Arc<Proposal>,
}

impl Port {
    pub(super) fn new(inner: Arc<Inner>, proposal: Arc<Proposal>) -> Self {
        Self { inner, proposal }
    }
}

impl PermitPort for Port {
    fn consume(&self, request: RequestId, digest: ActionDigest) -> Queued<()> {
        let (inner, proposal) = (Arc::clone(&self.inner), Arc::clone(&self.proposal));
        Box::pin(async move {
            let command =
                Command::Consume(Box::new(facts(&inner, &proposal, request, digest).await?));
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
    request: RequestId,
    digest: ActionDigest,
) -> Result<Consumption, ApprovalError> {
    let policy = inner.policy();
    let mut wish = Consumption::new(request, digest, policy.digest());
    let Some((state, _)) = inner.journal.look(request).await? else {
        return Ok(wish);
    };
    let mut standings = BTreeMap::new();
    for review in state
        .reviews()
        .iter()
        .filter(|review| review.vote == Vote::Approve)
    {
        let standing = inner
            .people
            .standing(&review.person)
            .await
            .map_err(|error| {
                ApprovalError::new(Code::IdentityUnresolved, error.to_string())
                    .with_request(request)
            })?;
        standings.extend(standing.map(|standing| (review.person.clone(), standing)));
    }
    wish.standings = standings;
    if policy.digest() != state.policy().digest {
        wish.changed = Some(policy.evaluate(proposal));
    }
    Ok(wish)
}
