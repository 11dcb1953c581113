//! Using a permit up, and what comes after.

use std::sync::Arc;

use super::Inner;
use crate::commit::Answer;
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::{RecordId, RequestId};
use crate::lifecycle::{Attempt, Command, Consumption, Finished, RequestState, Reviewed};
use crate::permit::{PermitPort, Queued};
use crate::policy::Policy;
use crate::proposal::Proposal;
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
    fn consume(&self, request: RequestId, attempt: RecordId, digest: ActionDigest) -> Queued<()> {
        let (inner, proposal) = (Arc::clone(&self.inner), Arc::clone(&self.proposal));
        let (approved, by) = (Arc::clone(&self.approved), self.by(attempt));
        Box::pin(async move {
            let once = |policy| {
                let proposal = Arc::clone(&proposal);
                used_under(&inner, policy, proposal, &approved, (digest, by))
            };
            let used = inner.policy.try_with(once).await?;
            match used.refusal {
                None => {
                    inner.alarm(&approved);
                    witnessed(&inner, request, by, used.seq).await
                }
                Some(refusal) => {
                    tracing::info!(approval.request = %request, code = %refusal.code, "permit refused");
                    Err(refusal.into_error(request))
                }
            }
        })
    }

    fn burn(&self, request: RequestId, attempt: RecordId, got: ActionDigest) -> Queued<()> {
        tracing::warn!(approval.request = %request, "the arguments changed after approval; nothing ran");
        let by = self.by(attempt);
        let (why, got) = (Code::ActionMismatch, Some(got));
        queued(
            &self.inner,
            Command::Burn {
                request,
                by,
                why,
                got,
            },
        )
    }

    fn finish(&self, request: RequestId, attempt: RecordId, finished: Finished) -> Queued<()> {
        tracing::info!(approval.request = %request, outcome = ?finished.outcome, "finished");
        let by = Some(self.by(attempt));
        queued(
            &self.inner,
            Command::Finish {
                request,
                by,
                finished,
            },
        )
    }

    fn abandon(&self, request: RequestId) {
        drop(self.inner.journal.command(Command::Cancel(request)));
    }
}

async fn used_under(
    inner: &Inner,
    policy: Arc<Policy>,
    proposal: Arc<Proposal>,
    approved: &RequestState,
    (digest, by): (ActionDigest, Attempt),
) -> Result<Answer, ApprovalError> {
    let gathered = facts(inner, policy, proposal, approved, (digest, by));
    let command = Command::Consume(Box::new(gathered.await?));
    // When nobody waits for the answer any more, the permit reports that nothing started.
    let ticket = inner.journal.command(command);
    inner.patient(ticket).await
}

impl Port {
    fn by(&self, record: RecordId) -> Attempt {
        let boot = self.inner.journal.boot();
        Attempt { boot, record }
    }
}

/// Where a quorum of witnesses is asked for, nothing runs before it has seen the record of the use.
pub(super) async fn witnessed(
    inner: &Arc<Inner>,
    request: RequestId,
    by: Attempt,
    seq: u64,
) -> Result<(), ApprovalError> {
    let Some(anchors) = &inner.anchors else {
        return Ok(());
    };
    let Err(error) = anchors.cover(seq + 1).await else {
        return Ok(());
    };
    tracing::warn!(approval.request = %request, %error, "nobody vouches for the use; nothing ran");
    let (why, got) = (error.code(), None);
    let burn = Command::Burn {
        request,
        by,
        why,
        got,
    };
    queued(inner, burn).await?;
    Err(error.with_request(request))
}

fn queued(inner: &Arc<Inner>, command: Command) -> Queued<()> {
    let ticket = inner.journal.command(command);
    let inner = Arc::clone(inner);
    Box::pin(async move { inner.patient(ticket).await.map(|_| ()) })
}

/// Everything that must still hold when the approval is used: who approved, and what policy says.
async fn facts(
    inner: &Inner,
    policy: Arc<Policy>,
    proposal: Arc<Proposal>,
    approved: &RequestState,
    (digest, by): (ActionDigest, Attempt),
) -> Result<Consumption, ApprovalError> {
    let request = approved.id();
    let mut wish = Consumption::new(request, digest, by, (*policy).clone(), proposal);
    let given = |review: &&Reviewed| review.vote == Vote::Approve;
    for review in approved.reviews().iter().filter(given) {
        let standing = inner.standing(&review.person).await;
        let standing = standing.map_err(|error| error.with_request(request))?;
        let standing = standing.map(|standing| (review.person.clone(), standing));
        wish.standings.extend(standing);
    }
    wish.engines = inner.engines.names();
    // The policy is asked once more when the lock is held; engines may take their time.
    let now = inner.clock.now();
    let judgement = inner.engines.judge(&policy, &wish.proposal, now).await;
    wish.judged = Some(judgement.evaluation);
    Ok(wish)
}

impl Inner {
    /// Says loudly that the glass is broken, when it is. The channels are told by the outbox.
    fn alarm(&self, used: &RequestState) {
        let action = used.action();
        if action.break_glass.is_none() {
            return;
        }
        tracing::error!(
            approval.request = %used.id(),
            approval.scope = %action.scope,
            gen_ai.agent.id = %action.agent,
            "an agent has broken the glass; the use stays open until somebody who had no part in it reviews it"
        );
        self.post.ring();
    }
}
