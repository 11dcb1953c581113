//! The gate of an agent's process.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use approvals_core::action::Bound;
use approvals_core::digest::RedactionKey;
use approvals_core::gate::{self, Call};
use approvals_core::sealed::RecordedAction;
use approvals_core::{Agent, ApprovalError, ApprovalGate, Code, Permit, RequestId};
use async_trait::async_trait;
use reqwest::Method;
use tokio::time::Instant;

use crate::address::Address;
use crate::answer::Answer;
use crate::ask::Ask;
use crate::port::Port;
use crate::token::Token;
use crate::way::Way;
use crate::web::{self, Web};
use crate::worker::Worker;

/// How long one look waits for people.
const LOOK: Duration = Duration::from_secs(25);

/// How long the server may take to end what is out of time.
const SLACK: Duration = Duration::from_secs(60);

/// The pause after a look that was answered too early: the server is about to stop.
const EARLY: Duration = Duration::from_millis(250);

/// A gate whose store, keys and policy are elsewhere: guarded functions run unchanged, and nothing
/// in this process can approve them.
///
/// Cheap to clone. When the last clone goes, what the server is still to be told gets five seconds.
///
/// # Examples
/// ```no_run
/// use approvals_core::{Agent, ApprovalError, requires_approval};
/// use approvals_remote::{RemoteGate, Token};
///
/// #[requires_approval(scope = "db.export", reason = "weekly export of {table}", redact(token))]
/// async fn export(table: String, token: String) -> Result<usize, ApprovalError> {
///     Ok(table.len() + token.len())
/// }
///
/// # async fn weekly() -> Result<(), ApprovalError> {
/// let token = Token::from_env("APPROVALS_TOKEN")?;
/// let gate = RemoteGate::builder("https://approvals.example.com".parse()?, token).open()?;
/// let agent = Agent::new("runbook-bot").on_behalf_of("u_alice").rationale("the auditors asked");
/// let rows = gate.enter(agent, export("users".into(), "s3cr3t".into())).await?;
/// # let _ = rows;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteGate(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) worker: Worker,
    pub(crate) way: Arc<Way>,
    key: Arc<RedactionKey>,
    agent: Option<Agent>,
    address: Address,
}

/// What a [`RemoteGate`] is made of: where the server is, and the token of the agent.
#[derive(Debug)]
pub struct Builder {
    address: Address,
    token: Token,
    agent: Option<Agent>,
    patience: Duration,
}

impl Builder {
    /// Who asks when a call names nobody. Who it really is, is what the token says: the name here
    /// must be the same.
    #[must_use]
    pub fn agent(mut self, agent: Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// How long a call stays unanswered before it is a no; 30 seconds unless given. Waiting for
    /// people is not meant: that goes on over restarts of the server until their time is over.
    #[must_use]
    pub fn patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    /// The gate. Nothing is asked yet.
    ///
    /// # Errors
    /// `Misuse` when TLS or the gate's thread cannot be set up.
    pub fn open(self) -> Result<RemoteGate, ApprovalError> {
        let web = Web::new(self.address.clone(), &self.token)?;
        Ok(RemoteGate(Arc::new(Inner {
            worker: Worker::start()?,
            way: Arc::new(Way {
                web,
                patience: self.patience,
            }),
            key: Arc::new(self.token.redaction_key()),
            agent: self.agent,
            address: self.address,
        })))
    }
}

impl RemoteGate {
    /// A gate on the server at this address, for the agent whose token this is.
    #[must_use]
    pub fn builder(address: Address, token: Token) -> Builder {
        Builder {
            address,
            token,
            agent: None,
            patience: Duration::from_secs(30),
        }
    }

    /// Runs work whose guarded calls go through this gate, asked for by this agent.
    ///
    /// Dropping the returned future withdraws a request that is still waiting.
    pub async fn enter<F: Future>(&self, agent: Agent, work: F) -> F::Output {
        gate::enter(self, agent, work).await
    }

    /// Like [`enter`](Self::enter), but a request that is still waiting when the future is dropped
    /// stays pending; the same call finds it again by its
    /// [`idempotency_key`](Agent::idempotency_key).
    pub async fn detach<F: Future>(&self, agent: Agent, work: F) -> F::Output {
        gate::detach(self, agent, work).await
    }

    /// Runs blocking work whose guarded sync functions go through this gate.
    pub fn enter_blocking<T>(&self, agent: Agent, work: impl FnOnce() -> T) -> T {
        gate::enter_blocking(self, agent, work)
    }

    /// Waits until the server has been told everything so far, or could not be: withdrawals of
    /// dropped calls, outcomes of dropped runs.
    pub async fn flush(&self) {
        self.0.worker.flush().await;
    }
}

#[async_trait]
impl ApprovalGate for RemoteGate {
    async fn authorize(&self, call: Call) -> Result<Permit, ApprovalError> {
        let (detach, patience) = (call.is_detached(), call.patience());
        let ask = Arc::new(Ask::of(call, &self.0.key)?);
        let mut hold = Hold {
            inner: Arc::clone(&self.0),
            ask: Arc::clone(&ask),
            place: Arc::default(),
            cancel: !detach,
        };
        let (way, place) = (Arc::clone(&self.0.way), Arc::clone(&hold.place));
        let asked = Arc::clone(&ask);
        let waited = self.0.worker.wait(async move {
            let first = first(&way, &asked, &place).await?;
            decided(&way, first, patience).await
        });
        let sealed = waited.await.inspect_err(|error| {
            // What is settled, or is to stay open, needs no withdrawal.
            hold.cancel &= matches!(
                error.code(),
                Code::StoreUnavailable | Code::AuditUnavailable | Code::ActionMismatch
            );
        })?;
        hold.cancel = false;
        self.permit(ask, sealed)
    }

    fn shared(&self) -> Arc<dyn ApprovalGate> {
        Arc::new(self.clone())
    }

    fn default_agent(&self) -> Option<Agent> {
        self.0.agent.clone()
    }
}

impl RemoteGate {
    fn permit(&self, ask: Arc<Ask>, sealed: RecordedAction) -> Result<Permit, ApprovalError> {
        let (request, digest) = (sealed.record().request_id, sealed.digest());
        let (key, agent) = (Arc::clone(&self.0.key), sealed.record().agent.clone());
        let reseal = move |live: Bound| {
            let live = Call::of(live, Agent::new(agent.as_str()))?;
            let reason = live.reason().map(str::to_owned);
            ask.reseal(live.action().clone(), reason, &key, &sealed)
        };
        let port = Arc::new(Port(Arc::clone(&self.0)));
        Permit::assertion(request, digest, port, Box::new(reseal))
    }
}

/// Asks, and makes sure that what is on record now is what was asked.
async fn first(
    way: &Way,
    ask: &Ask,
    place: &OnceLock<String>,
) -> Result<(Answer, RecordedAction), ApprovalError> {
    let answer = Answer::parse(&way.through(&ask.post).await?)?;
    let _ = place.set(answer.path());
    let sealed = answer.sealed()?;
    ask.check(&sealed)?;
    tracing::info!(approval.request = %answer.request(), digest = %sealed.digest().short(), "asked");
    Ok((answer, sealed))
}

/// Waits for people: until they decided, their time is over, or the caller's is.
async fn decided(
    way: &Way,
    (mut answer, sealed): (Answer, RecordedAction),
    patience: Option<Duration>,
) -> Result<RecordedAction, ApprovalError> {
    let (request, digest) = (answer.request(), sealed.digest());
    // The server's clock may differ from ours: only how long it takes is taken from it.
    let lasts = answer.deadline_at.since(answer.created_at);
    let until = Instant::now() + lasts.saturating_add(SLACK);
    let gives_up = patience.map(|patience| Instant::now() + patience);
    while answer.verdict()?.is_none() {
        let next = look(way, request, until);
        let body = match gives_up {
            None => next.await?,
            Some(at) => tokio::time::timeout_at(at, next)
                .await
                .map_err(|_| still_open(request))??,
        };
        answer = Answer::parse(&body)?;
        answer.is_about(request, digest)?;
        if Instant::now() >= until {
            let message = "the deadline is over, and the server did not end the request";
            return Err(ApprovalError::new(Code::Expired, message).with_request(request));
        }
    }
    Ok(sealed)
}

/// Where the request stands once it is decided, or after a while. A server that is gone is looked
/// for until the time for people is over.
async fn look(way: &Way, request: RequestId, until: Instant) -> Result<Vec<u8>, ApprovalError> {
    let path = crate::answer::path(request);
    let mut call = web::Call::new(Method::GET, format!("{path}?wait={}s", LOOK.as_secs()));
    call.wait = LOOK;
    let began = Instant::now();
    let body = way.until(&call, until).await;
    let body = body.map_err(|error| error.with_request(request))?;
    if began.elapsed() < EARLY && Answer::parse(&body)?.verdict()?.is_none() {
        tokio::time::sleep(EARLY).await;
    }
    Ok(body)
}

fn still_open(request: RequestId) -> ApprovalError {
    let message =
        "nobody decided while the caller waited; the request stays open until its deadline";
    ApprovalError::new(Code::Pending, message).with_request(request)
}

/// Withdraws the request when the caller goes away, unless it was settled or detached.
struct Hold {
    inner: Arc<Inner>,
    ask: Arc<Ask>,
    /// Where the request is, once the server said so.
    place: Arc<OnceLock<String>>,
    cancel: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.cancel {
            return;
        }
        let (way, ask) = (Arc::clone(&self.inner.way), Arc::clone(&self.ask));
        let place = self.place.get().cloned();
        drop(self.inner.worker.begin(async move {
            let place = match place {
                Some(place) => place,
                // The ask may have got through: asked again, it is the same request.
                None => Answer::parse(&way.through(&ask.post).await?)?.path(),
            };
            way.withdraw(&place).await;
            Ok(())
        }));
    }
}

impl fmt::Debug for RemoteGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteGate")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}
