//! Asking the engines: each in a bounded time, and whatever is no answer is a no.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::clock::Timestamp;
use crate::error::{ApprovalError, Code};
use crate::id::EngineName;
use crate::policy::{EngineError, Evaluation, Judged, Opinion, Policy, PolicyEngine};
use crate::proposal::Proposal;
use crate::request::PolicyRef;

/// The engines that judge beside a policy; with none, the policy alone decides.
///
/// A gate asks them for itself. This is for programs that judge without asking anybody: tests of
/// policies, and looks at what another policy would have said.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use approvals_core::engines::Engines;
///
/// assert_eq!(Engines::new(Vec::new(), Duration::from_secs(10))?.names().len(), 0);
/// # Ok::<(), approvals_core::ApprovalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Engines {
    list: Vec<Arc<dyn PolicyEngine>>,
    patience: Duration,
}

/// What the policy and all engines say of one proposal at one time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Judgement {
    /// The strictest of everything that was said; the only one to act on.
    pub evaluation: Evaluation,
    /// What the policy says alone.
    pub by_policy: Evaluation,
    /// What the engines say, in their order.
    pub engines: Vec<Judged>,
}

impl Engines {
    /// These engines, all of which must answer within `patience`.
    ///
    /// # Errors
    /// `Misuse` when two of them share a name, because a record could not tell them apart.
    pub fn new(
        list: Vec<Arc<dyn PolicyEngine>>,
        patience: Duration,
    ) -> Result<Self, ApprovalError> {
        let mut seen = BTreeSet::new();
        match list
            .iter()
            .find(|engine| !seen.insert(engine.name().clone()))
        {
            Some(twin) => {
                let name = twin.name();
                let message = format!("two policy engines are called `{name}`; name one anew");
                Err(ApprovalError::new(Code::Misuse, message))
            }
            None => Ok(Self { list, patience }),
        }
    }

    /// What they are called.
    #[must_use]
    pub fn names(&self) -> BTreeSet<EngineName> {
        self.list
            .iter()
            .map(|engine| engine.name().clone())
            .collect()
    }

    /// What the policy and every engine say, and the strictest of it.
    ///
    /// An engine that fails, panics or does not answer in time denies, and so does one that the
    /// policy names and that is not here, or is here with other texts.
    pub async fn judge(&self, policy: &Policy, proposal: &Proposal, at: Timestamp) -> Judgement {
        let by_policy = policy.evaluate(proposal, at);
        let mut evaluation = by_policy.clone();
        for wanted in policy.engines() {
            if let Some(error) = self.lacks(wanted.digest(), wanted.name()) {
                evaluation = evaluation.tightened(wanted.name(), Err(error));
            }
        }
        let deadline = Instant::now() + self.patience;
        let mut engines = Vec::with_capacity(self.list.len());
        for engine in &self.list {
            let opinion = ask(&**engine, proposal, at, deadline).await;
            engines.push(Judged::of(&**engine, &opinion));
            evaluation = evaluation.tightened(engine.name(), opinion);
        }
        Judgement {
            // What an engine asks of people is held to the same when the glass is broken.
            evaluation: evaluation.hardened(proposal),
            by_policy,
            engines,
        }
    }

    fn lacks(&self, digest: crate::digest::PolicyDigest, name: &EngineName) -> Option<EngineError> {
        match self.list.iter().find(|engine| engine.name() == name) {
            Some(engine) if engine.digest() == digest => None,
            Some(engine) => Some(EngineError::new(format!(
                "the policy wants it to judge by {digest} and it judges by {}",
                engine.digest()
            ))),
            None => Some(EngineError::new(
                "the policy names it and this process does not have it",
            )),
        }
    }
}

impl Judgement {
    /// The policy and the engines that judged, as a record names them.
    #[must_use]
    pub fn reference(&self, policy: &Policy) -> PolicyRef {
        let rules = self.by_policy.rules().to_vec();
        PolicyRef::new(policy.version(), policy.digest(), rules).beside(self.engines.clone())
    }
}

async fn ask(
    engine: &dyn PolicyEngine,
    proposal: &Proposal,
    at: Timestamp,
    deadline: Instant,
) -> Result<Opinion, EngineError> {
    // The call itself is inside the future, so that a panic of it is caught, too.
    let mut answer = Box::pin(async move { engine.judge(proposal, at).await });
    let unwound = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(EngineError::new("it panicked"))))
    });
    match timeout_at(deadline, unwound).await {
        Ok(opinion) => opinion,
        Err(_) => Err(EngineError::new("it did not answer in time")),
    }
}
