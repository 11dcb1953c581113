//! Which gate a guarded call goes to, and who asks.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use super::{ApprovalGate, Call};
use crate::action::Bound;
use crate::error::{ApprovalError, Code};
use crate::permit::Permit;
use crate::principal::Agent;

tokio::task_local! {
    static CONTEXT: Context;
}

static DEFAULT: RwLock<Option<Arc<dyn ApprovalGate>>> = RwLock::new(None);

#[derive(Clone)]
struct Context {
    gate: Arc<dyn ApprovalGate>,
    agent: Arc<Agent>,
    detach: bool,
}

/// A gate found for one call, and who asks; refuses when there is none.
#[derive(Clone)]
pub struct Handle {
    gate: Option<Arc<dyn ApprovalGate>>,
    agent: Option<Arc<Agent>>,
    detach: bool,
}

impl Handle {
    /// Waits until the call may run.
    ///
    /// # Errors
    /// `Misuse` without a gate, `Unauthenticated` without an agent, and every no of the gate.
    pub async fn authorize(self, bound: Bound) -> Result<Permit, ApprovalError> {
        let (gate, call) = self.call(bound)?;
        (*gate).authorize(call).await
    }

    fn call(self, bound: Bound) -> Result<(Arc<dyn ApprovalGate>, Call), ApprovalError> {
        let Some(gate) = self.gate else {
            return Err(ApprovalError::new(
                Code::Misuse,
                "no gate guards this call; run it inside `gate.enter(agent, ..)`, or install a default gate with `install_default`",
            ));
        };
        let agent = match self.agent {
            Some(agent) => (*agent).clone(),
            None => gate.default_agent().ok_or_else(nobody)?,
        };
        let call = Call::of(bound, agent)?;
        Ok((gate, if self.detach { call.detached() } else { call }))
    }
}

/// The gate of the current task, else the process-wide default, else none.
#[must_use]
pub fn ambient() -> Handle {
    let found = CONTEXT.try_with(Context::clone).ok();
    match found {
        Some(context) => Handle {
            gate: Some(context.gate),
            agent: Some(context.agent),
            detach: context.detach,
        },
        None => {
            let gate = DEFAULT
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            Handle {
                gate,
                agent: None,
                detach: false,
            }
        }
    }
}

/// This gate, with the agent of the current task.
pub(crate) fn given(gate: Arc<dyn ApprovalGate>) -> Handle {
    Handle {
        gate: Some(gate),
        ..ambient()
    }
}

/// Guards every call of this process that names no gate of its own.
///
/// # Errors
/// `Misuse` when a default gate is installed already: two gates would be two policies.
pub fn install_default(gate: &dyn ApprovalGate) -> Result<(), ApprovalError> {
    let mut slot = DEFAULT.write().unwrap_or_else(PoisonError::into_inner);
    if slot.is_some() {
        return Err(ApprovalError::new(
            Code::Misuse,
            "a default gate is installed already; call `clear_default` first",
        ));
    }
    *slot = Some(gate.shared());
    Ok(())
}

/// Removes the default gate; guarded calls outside `gate.enter(..)` are refused from here on.
pub fn clear_default() {
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Runs work whose guarded calls go through this gate, asked for by this agent: what a gate's own
/// `enter` does.
pub fn enter<F: Future>(
    gate: &dyn ApprovalGate,
    agent: Agent,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    CONTEXT.scope(Context::new(gate, agent, false), work)
}

/// The same for requests that stay when the work is dropped: what a gate's own `detach` does.
pub fn detach<F: Future>(
    gate: &dyn ApprovalGate,
    agent: Agent,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    CONTEXT.scope(Context::new(gate, agent, true), work)
}

/// The same for work that blocks: what a gate's own `enter_blocking` does.
pub fn enter_blocking<T>(gate: &dyn ApprovalGate, agent: Agent, work: impl FnOnce() -> T) -> T {
    CONTEXT.sync_scope(Context::new(gate, agent, false), work)
}

impl Context {
    fn new(gate: &dyn ApprovalGate, agent: Agent, detach: bool) -> Self {
        Self {
            gate: gate.shared(),
            agent: Arc::new(agent),
            detach,
        }
    }
}

impl super::Gate {
    /// Runs work whose guarded calls go through this gate, asked for by this agent.
    ///
    /// Dropping the returned future withdraws a request that is still waiting.
    pub fn enter<F: Future>(
        &self,
        agent: Agent,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        enter(self, agent, work)
    }

    /// Like [`Gate::enter`](super::Gate::enter), but a request that is still waiting when the
    /// future is dropped stays pending; the same call attaches to it later.
    pub fn detach<F: Future>(
        &self,
        agent: Agent,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        detach(self, agent, work)
    }

    /// Runs blocking work whose guarded sync functions go through this gate.
    pub fn enter_blocking<T>(&self, agent: Agent, work: impl FnOnce() -> T) -> T {
        enter_blocking(self, agent, work)
    }
}

fn nobody() -> ApprovalError {
    ApprovalError::new(
        Code::Unauthenticated,
        "nobody asks: run the call inside `gate.enter(Agent::new(..).on_behalf_of(..), ..)`",
    )
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
