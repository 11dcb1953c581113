//! One call that asks for a permit.

use crate::action::{Action, Bound};
use crate::error::ApprovalError;
use crate::principal::Agent;

/// What is asked, by whom, and what becomes of it when the caller goes away.
#[derive(Debug)]
pub struct Call {
    pub(super) action: Action,
    pub(super) reason: Option<String>,
    pub(super) agent: Agent,
    pub(super) detach: bool,
}

impl Call {
    /// The call that a guard bound.
    ///
    /// # Errors
    /// `NonCanonical` when a value has no canonical form.
    pub fn of(bound: Bound, agent: Agent) -> Result<Self, ApprovalError> {
        let (action, reason) = bound.into_action()?;
        Ok(Self {
            action,
            reason,
            agent,
            detach: false,
        })
    }

    /// A call whose action was bound by other means, such as an API.
    #[must_use]
    pub fn new(action: Action, reason: Option<String>, agent: Agent) -> Self {
        Self {
            action,
            reason,
            agent,
            detach: false,
        }
    }

    /// Leaves the request pending when the caller goes away, instead of withdrawing it.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.detach = true;
        self
    }

    /// What is asked.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Who asks.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }
}
