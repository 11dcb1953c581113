//! One call that asks for a permit.

use std::time::Duration;

use crate::action::{Action, Bound};
use crate::error::ApprovalError;
use crate::principal::Agent;
use crate::proposal::Proposal;

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

    /// The author's words around the arguments.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether the request stays when the caller goes away.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.detach
    }

    /// What the caller calls this one call, so that it never asks twice.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.agent.idempotency_key.as_deref()
    }

    /// How long the caller waits for people.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        self.agent.wait
    }

    /// What a policy would be asked: who, what, for whom, and in which words.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody stands behind the agent, or a name is no name.
    pub fn into_proposal(self) -> Result<Proposal, ApprovalError> {
        let mut proposal = Proposal::new(self.agent.requester()?, self.action);
        proposal.action.tenant = self.agent.tenant;
        proposal.reason = self.reason;
        proposal.rationale = self.agent.rationale;
        proposal.break_glass = self.agent.break_glass;
        Ok(proposal)
    }
}
