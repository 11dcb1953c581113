//! From a call to a permit: propose, evaluate, record, wait.

use std::sync::Arc;

use super::consume::Port;
use super::hold::Hold;
use super::listing::Listing;
use super::propose::propose;
use super::{Call, Inner};
use crate::commit::{Answer, Work};
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::{Draw, PersonId, RequestId};
use crate::lifecycle::{Ask, Command, Created, RequestState};
use crate::permit::Permit;
use crate::policy::Policy;
use crate::ports::DirectoryError;
use crate::principal::{Agent, Standing};
use crate::proposal::Proposal;
use crate::request::{ContentKey, IdempotencyKey};
use crate::sealed::{AgentClaims, RecordedAction, Salts, SealedAction};

/// Asks, waits, and gives the permit.
///
/// Many calls wait at once: what a call needs to ask has a box of its own, which is gone by then.
pub(super) fn authorize(
    inner: &Arc<Inner>,
    call: Call,
) -> impl Future<Output = Result<Permit, ApprovalError>> + Send + use<> {
    let entered = Box::pin(entered(Arc::clone(inner), call));
    async move {
        let (span, asked) = entered.await?;
        let result = match asked {
            Ok((waiting, asked)) => {
                tracing::Instrument::instrument(waiting.run(asked), span.clone()).await
            }
            Err(error) => Err(error),
        };
        span.record(
            "approval.outcome",
            match &result {
                Ok(_) => "approved",
                Err(error) => error.code().as_str(),
            },
        );
        result
    }
}

type Entered = (tracing::Span, Result<(Waiting, Asked), ApprovalError>);

async fn entered(inner: Arc<Inner>, call: Call) -> Result<Entered, ApprovalError> {
    let asking = Asking::of(&inner, call).await?;
    let (proposal, agent) = (&asking.proposal, &asking.agent);
    let span = tracing::info_span!(
        "approval",
        otel.name = "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = %proposal.action.scope,
        gen_ai.agent.id = %proposal.requester.agent(),
        gen_ai.conversation.id = agent.conversation.as_deref(),
        gen_ai.tool.call.id = agent.tool_call.as_deref(),
        approval.scope = %proposal.action.scope,
        approval.request = tracing::field::Empty,
        approval.outcome = tracing::field::Empty,
    );
    let asked = tracing::Instrument::instrument(asking.enter(), span.clone()).await;
    let waiting = Waiting {
        proposal: Arc::clone(&asking.proposal),
        patience: asking.agent.wait,
        inner,
    };
    Ok((span, asked.map(|asked| (waiting, asked))))
}

/// Records what is asked, or finds the request that the same call has made, and waits for nobody.
pub(super) async fn ask(inner: &Arc<Inner>, call: Call) -> Result<RequestId, ApprovalError> {
    let mut asked = Asking::of(inner, call).await?.enter().await?;
    asked.hold.release();
    let request = asked.hold.request();
    inner.note_for_receipt(request);
    match (asked.answer.state, asked.answer.refusal) {
        // What policy forbids is on record as a request that was denied.
        (Some(_), _) => Ok(request),
        (None, Some(refusal)) => Err(refusal.into_error(request)),
        (None, None) => Err(gone(request)),
    }
}

struct Asking {
    inner: Arc<Inner>,
    proposal: Arc<Proposal>,
    claims: AgentClaims,
    agent: Agent,
    detach: bool,
}

/// A call that has asked: all that it needs to wait, and to use what it waits for.
pub(super) struct Waiting {
    pub(super) inner: Arc<Inner>,
    proposal: Arc<Proposal>,
    /// How long the caller waits.
    pub(super) patience: Option<std::time::Duration>,
}

impl Asking {
    async fn of(inner: &Arc<Inner>, call: Call) -> Result<Self, ApprovalError> {
        let claims = AgentClaims::of(&call.agent)?;
        let (agent, detach) = (call.agent.clone(), call.detach);
        let proposal = Arc::new(propose(inner, call).await?);
        Ok(Self {
            inner: Arc::clone(inner),
            proposal,
            claims,
            agent,
            detach,
        })
    }

    /// Records the request, or goes on with the one that this call has made already.
    async fn enter(&self) -> Result<Asked, ApprovalError> {
        let mut asked = self.ask(self.key()).await?;
        if asked.answer.attached {
            // What was made for a request of this call's own is not needed.
            asked.hold.release();
            asked = match asked.answer.state.as_ref().map(|state| state.id()) {
                Some(id) if self.is_named() || self.inner.claim(id) => {
                    Box::pin(self.attach(id)).await?
                }
                // Another call of this very process waits for that one; this is a second action.
                _ => self.ask(None).await?,
            };
        }
        Ok(asked)
    }

    /// Whether the caller named this one call itself.
    fn is_named(&self) -> bool {
        self.agent.idempotency_key.is_some()
    }

    /// Records the request, or finds the one this call has made already.
    async fn ask(&self, key: Option<IdempotencyKey>) -> Result<Asked, ApprovalError> {
        self.inner
            .policy
            .try_with(|policy| self.ask_under(policy, key))
            .await
    }

    async fn ask_under(
        &self,
        policy: Arc<Policy>,
        key: Option<IdempotencyKey>,
    ) -> Result<Asked, ApprovalError> {
        let asked_at = self.inner.clock.now();
        let engines = &self.inner.engines;
        let judgement = engines.judge(&policy, &self.proposal, asked_at).await;
        let mut draw = Draw::default();
        let request = RequestId::from_bytes(draw.take()?);
        let (decide_within, use_within) = judgement.evaluation.times();
        let expires_at = asked_at.after(decide_within);
        let mut sealed = SealedAction::seal(
            &self.proposal,
            self.claims.clone(),
            request,
            expires_at,
            &mut Salts::drawn(draw)?,
            &self.inner.key,
        )?;
        let created = Created {
            action: sealed.record().clone(),
            digest: sealed.digest(),
            policy: judgement.reference(&policy),
            requirement: None,
            asked_at,
            use_within_s: use_within.as_secs(),
            key,
            content: self.content(),
        };
        let ask = Ask::new(created, judgement.evaluation, policy.memory());
        let command = Command::Ask(Box::new(ask));
        let work = Work::Command {
            command,
            disclosures: sealed.take_disclosures(),
            attach_closed: self.is_named(),
        };
        // The hold comes first: from the moment the ask is queued, going away withdraws it, and
        // no decision on it can be missed.
        let hold = Hold::new(&self.inner, request, !self.detach);
        let ticket = self.inner.journal.submit(work);
        let answer = self.inner.patient(ticket).await?;
        Ok(Asked {
            hold,
            answer,
            sealed,
            words: Arc::clone(&self.proposal),
        })
    }

    /// Goes on with a request that this call has made already.
    async fn attach(&self, id: RequestId) -> Result<Asked, ApprovalError> {
        // Until the call has proven to be the same, going away must not withdraw the request.
        let mut hold = Hold::new(&self.inner, id, false);
        // It may have changed since it was found: only what is looked at now will be told further.
        let looked = self.inner.patient(self.inner.journal.look(id)).await?;
        let (state, seq) = looked.ok_or_else(|| gone(id))?;
        let (sealed, words) = self.same_as(&state).await?;
        hold.cancel = !self.detach;
        let state = Some(Arc::new(state));
        let answer = Answer {
            state,
            seq,
            vote: None,
            attached: true,
            refusal: None,
        };
        Ok(Asked {
            hold,
            answer,
            sealed,
            words,
        })
    }

    /// Names the call: by the caller's own key, or by run and content. Keyed, so that the stored
    /// name gives nothing away.
    fn key(&self) -> Option<IdempotencyKey> {
        let who = self.proposal.requester.agent().as_str();
        let named = match &self.agent.idempotency_key {
            Some(key) => Listing::of(["key", who, key]),
            None if self.agent.run.is_none() && self.agent.tool_call.is_none() => return None,
            None => self.content_of_run(),
        };
        let named = self.inner.key.fingerprint(named.end().as_bytes());
        Some(IdempotencyKey::from_bytes(named))
    }

    /// Everything of a call that its action binds, but for what differs from try to try: random
    /// parts, times, and what the agent says. That it breaks the glass is no matter of words.
    fn content_of_run(&self) -> Listing {
        let Proposal {
            requester,
            action,
            reason,
            ..
        } = &*self.proposal;
        let mut named = Listing::of(["run", requester.agent().as_str()]);
        let behind = [requester.sponsor(), requester.owner()];
        for person in behind {
            named.text_or_none(person.map(PersonId::as_str));
        }
        let claims = &self.claims;
        for claim in [
            &claims.software,
            &claims.model,
            &claims.provider,
            &claims.run,
            &claims.conversation,
            &claims.tool_call,
        ] {
            named.text_or_none(claim.as_deref());
        }
        named.text(&action.function);
        named.text(&crate::digest::hex(action.schema.as_bytes()));
        named.list(|list| {
            action.not_covered.iter().for_each(|name| list.text(name));
        });
        named.action(action);
        named.text_or_none(reason.as_deref());
        named.canonical(match self.proposal.break_glass {
            Some(_) => "true",
            None => "false",
        });
        named
    }

    /// Names what is asked, whoever asks, by whatever function and in whatever words. Keyed, so that
    /// the name on record gives nothing away.
    fn content(&self) -> ContentKey {
        let mut content = Listing::of(["content"]);
        content.action(&self.proposal.action);
        ContentKey::from_bytes(self.inner.key.fingerprint(content.end().as_bytes()))
    }

    /// Seals this call as the request on record was sealed, and refuses it when it differs.
    async fn same_as(
        &self,
        state: &RequestState,
    ) -> Result<(SealedAction, Arc<Proposal>), ApprovalError> {
        let id = state.id();
        if let Some(authority) = state.erased() {
            let message = format!(
                "this key or run belongs to a request that was erased under authority of {authority}, so nobody can tell whether it was this call; use another idempotency key"
            );
            return Err(ApprovalError::new(Code::Replay, message).with_request(id));
        }
        let disclosures = self.inner.journal.disclosures(id).await?;
        let mut salts = state
            .action()
            .salts(&disclosures)
            .ok_or_else(|| different(id))?;
        let recorded = RecordedAction::new(state.action().clone(), disclosures)?;
        let proposal = recorded.reworded((*self.proposal).clone());
        let mut sealed = SealedAction::seal(
            &proposal,
            self.claims.clone(),
            id,
            state.expires_at(),
            &mut salts,
            &self.inner.key,
        )?;
        if sealed.digest() == state.digest() {
            drop(sealed.take_disclosures());
            Ok((sealed, Arc::new(proposal)))
        } else {
            Err(different(id))
        }
    }
}

impl Waiting {
    async fn run(self, asked: Asked) -> Result<Permit, ApprovalError> {
        let Asked {
            mut hold,
            answer,
            sealed,
            words,
        } = asked;
        let request = hold.request();
        tracing::Span::current().record("approval.request", tracing::field::display(request));
        self.inner.note_for_receipt(request);
        if let Some(refusal) = answer.refusal {
            hold.release();
            tracing::info!(code = %refusal.code, "refused by policy");
            return Err(refusal.into_error(request));
        }
        tracing::info!(attached = answer.attached, digest = %sealed.digest().short(), "asked");
        // A request from an earlier start is drawn again: its first copy may be out of sight.
        let again = answer.attached.then_some(request);
        let state = match self.approved(&answer) {
            Some(state) => state,
            // Boxed: what policy lets through carries no room for it.
            None => Box::pin(self.decided(&mut hold, answer, again)).await?,
        };
        hold.release();
        self.permit(state, sealed, words)
    }

    /// Waits until people have decided, and hands out meanwhile what is due to them.
    async fn decided(
        &self,
        hold: &mut Hold,
        answer: Answer,
        again: Option<RequestId>,
    ) -> Result<Arc<RequestState>, ApprovalError> {
        let nobody = self.inner.notifiers.is_empty();
        let deliver = (!nobody).then(|| Box::pin(self.inner.deliver_until_dropped(again)));
        let delivered = async {
            match deliver {
                Some(deliver) => deliver.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            waited = self.wait(hold, answer) => waited,
            () = delivered => Err(ApprovalError::new(Code::Misuse, "the deliveries ended")),
        }
    }

    fn permit(
        &self,
        state: Arc<RequestState>,
        sealed: SealedAction,
        words: Arc<Proposal>,
    ) -> Result<Permit, ApprovalError> {
        let (request, digest) = (state.id(), sealed.digest());
        if digest != state.digest() {
            return Err(different(request));
        }
        let inner = Arc::clone(&self.inner);
        let reseal = move |mut live: crate::action::Bound| -> Result<ActionDigest, ApprovalError> {
            live.environment_or(&inner.options.environment);
            // INVARIANT: the digest binds the texts of this very proposal, and nothing but these
            // can have changed. Where none has, it is that digest, and need not be computed again.
            if live.is(&words.action, &words.reason) {
                return Ok(digest);
            }
            inner.digest_of(live, &words, &sealed)
        };
        let port = Port::new(Arc::clone(&self.inner), Arc::clone(&self.proposal), state);
        Permit::assertion(request, digest, Arc::new(port), Box::new(reseal))
    }
}

/// A request on record, and what holds it for this call.
struct Asked {
    hold: Hold,
    answer: Answer,
    sealed: SealedAction,
    /// What was sealed: the proposal, with the agent's words as they are on record.
    words: Arc<Proposal>,
}

impl Inner {
    /// The digest of other values, sealed as the approved ones were.
    fn digest_of(
        &self,
        live: crate::action::Bound,
        approved: &Proposal,
        sealed: &SealedAction,
    ) -> Result<ActionDigest, ApprovalError> {
        let record = sealed.record();
        let mut salts = sealed.salts().ok_or_else(|| different(record.request_id))?;
        let (mut action, reason) = live.into_action()?;
        self.place(&mut action);
        action.tenant.clone_from(&approved.action.tenant);
        let mut live = Proposal::new(approved.requester.clone(), action);
        live.reason = reason;
        live.rationale.clone_from(&approved.rationale);
        live.break_glass.clone_from(&approved.break_glass);
        let (claims, id) = (record.claims.clone(), record.request_id);
        SealedAction::seal(&live, claims, id, record.expires_at, &mut salts, &self.key)
            .map(|sealed| sealed.digest())
    }

    /// What the directory says of a person; a directory that fails or hangs is a no.
    pub(super) async fn standing(
        &self,
        person: &PersonId,
    ) -> Result<Option<Standing>, ApprovalError> {
        self.directory(self.people.standing(person)).await
    }

    pub(super) async fn directory<T>(
        &self,
        answer: impl Future<Output = Result<T, DirectoryError>>,
    ) -> Result<T, ApprovalError> {
        let refuse = |message: String| ApprovalError::new(Code::IdentityUnresolved, message);
        match tokio::time::timeout(self.options.patience, answer).await {
            Ok(answer) => answer.map_err(|error| refuse(error.to_string())),
            Err(_) => Err(refuse("the directory did not answer in time".to_owned())),
        }
    }

    /// Waits for the store, but not for ever: a store that hangs is a no.
    pub(super) async fn patient<T>(
        &self,
        ticket: impl Future<Output = Result<T, ApprovalError>>,
    ) -> Result<T, ApprovalError> {
        match tokio::time::timeout(self.options.patience, ticket).await {
            Ok(answer) => answer,
            Err(_) => Err(ApprovalError::new(
                Code::AuditUnavailable,
                "the store did not answer in time; nothing may run while nothing can be recorded",
            )),
        }
    }
}

pub(super) fn gone(request: RequestId) -> ApprovalError {
    ApprovalError::new(Code::NotFound, "the request is gone").with_request(request)
}

fn different(request: RequestId) -> ApprovalError {
    let message =
        "this key or run belongs to a request for another action; use another idempotency key";
    ApprovalError::new(Code::ActionMismatch, message).with_request(request)
}
