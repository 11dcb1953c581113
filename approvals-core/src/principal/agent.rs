//! The requester: an agent, and the people behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{ApprovalError, Code};
use crate::id::{AgentId, PersonId};

/// Who is asking: the agent and the people it acts for, set around the calls it makes.
///
/// What an agent says about itself (software, model, rationale) is drawn as its claim and never
/// trusted by policy. The people behind it, sponsor and owner, can never approve its actions.
///
/// # Examples
/// ```
/// use approvals_core::Agent;
///
/// let agent = Agent::new("runbook-bot")
///     .on_behalf_of("u_alice")
///     .run("incident-4711")
///     .rationale("the disk is full and these sessions are a week old");
/// # let _ = agent;
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    id: String,
    sponsor: Option<String>,
    owner: Option<String>,
    pub(crate) software: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) conversation: Option<String>,
    pub(crate) tool_call: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) rationale: Option<String>,
    pub(crate) break_glass: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) wait: Option<Duration>,
}

macro_rules! claims {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, text: impl Into<String>) -> Self {
            self.$name = Some(text.into());
            self
        }
    )*};
}

impl Agent {
    /// An agent by the name its operator gave it.
    ///
    /// The name is checked when the agent asks for something: see [`AgentId`].
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            sponsor: None,
            owner: None,
            software: None,
            model: None,
            provider: None,
            run: None,
            conversation: None,
            tool_call: None,
            tenant: None,
            rationale: None,
            break_glass: None,
            idempotency_key: None,
            wait: None,
        }
    }

    /// The person the agent acts for. This person may withdraw, and never approve.
    #[must_use]
    pub fn on_behalf_of(mut self, person: impl Into<String>) -> Self {
        self.sponsor = Some(person.into());
        self
    }

    /// The person who answers for an agent that acts on its own. Mandatory without a sponsor.
    #[must_use]
    pub fn owned_by(mut self, person: impl Into<String>) -> Self {
        self.owner = Some(person.into());
        self
    }

    claims! {
        /// The agent's software and version, as it says (`gen_ai.agent.name`).
        software,
        /// The model, as the agent says (`gen_ai.request.model`).
        model,
        /// The model's provider, as the agent says (`gen_ai.provider.name`).
        provider,
        /// The run this call belongs to. The same call in the same run re-attaches to its
        /// pending request after a restart.
        run,
        /// The conversation, as the agent says (`gen_ai.conversation.id`).
        conversation,
        /// The tool call (`gen_ai.tool.call.id`); it makes equal calls of one run distinct.
        tool_call,
        /// The tenant the action is for; an approval never crosses tenants.
        tenant,
        /// The agent's own words for why. Untrusted: drawn apart, labelled unverified.
        rationale,
        /// A key that names this one call: presented again it never asks twice, and presented
        /// with another action it is refused.
        idempotency_key,
    }

    /// Breaks the glass: asks although a rule says that now is not the time, and says why.
    ///
    /// It lifts nothing but what the policy ties to `break_glass = false`, and it makes the rest
    /// stricter: people always decide, each with a signature of their own key. It is recorded and
    /// told to every channel when it is used, and until somebody who had no part in it has reviewed
    /// it, the same agent cannot do it again. The reason is the agent's own words, untrusted.
    #[must_use]
    pub fn break_glass(mut self, reason: impl Into<String>) -> Self {
        self.break_glass = Some(reason.into());
        self
    }

    /// How long a call waits for people before it returns `Pending`; the request stays open.
    ///
    /// This is the caller's own clock. Until when people may decide, and until when an approval
    /// may be used, are set by policy.
    #[must_use]
    pub fn wait(mut self, at_most: Duration) -> Self {
        self.wait = Some(at_most);
        self
    }

    /// The requester, checked.
    ///
    /// # Errors
    /// `Unauthenticated` when the agent has neither sponsor nor owner, or a name is not a valid
    /// id: without a person behind it nobody could be kept from approving their own action.
    pub fn requester(&self) -> Result<Requester, ApprovalError> {
        let refuse = |error: crate::id::InvalidId| {
            ApprovalError::new(Code::Unauthenticated, error.to_string())
        };
        let person = |text: &Option<String>| {
            text.as_deref()
                .map(str::parse::<PersonId>)
                .transpose()
                .map_err(refuse)
        };
        let (sponsor, owner) = (person(&self.sponsor)?, person(&self.owner)?);
        if sponsor.is_none() && owner.is_none() {
            return Err(ApprovalError::new(
                Code::Unauthenticated,
                "nobody stands behind this agent; name its sponsor with `on_behalf_of(..)` or its owner with `owned_by(..)`",
            ));
        }
        let agent: AgentId = self.id.parse().map_err(refuse)?;
        Ok(Requester {
            agent,
            sponsor,
            owner,
        })
    }
}

/// The requester set: the agent, and the people who may therefore not approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    agent: AgentId,
    sponsor: Option<PersonId>,
    owner: Option<PersonId>,
}

impl Requester {
    /// The agent that asks.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The person the agent acts for.
    #[must_use]
    pub fn sponsor(&self) -> Option<&PersonId> {
        self.sponsor.as_ref()
    }

    /// The person who answers for the agent.
    #[must_use]
    pub fn owner(&self) -> Option<&PersonId> {
        self.owner.as_ref()
    }

    /// Everybody who is part of the asking, and so may not approve.
    #[must_use]
    pub fn people(&self) -> BTreeSet<PersonId> {
        self.sponsor.iter().chain(&self.owner).cloned().collect()
    }
}
