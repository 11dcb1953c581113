//! Engines: other judges beside the policy, which can tighten its answer and never loosen it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::requirement::Requirement;
use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::id::{EngineName, RuleId};
use crate::proposal::Proposal;

/// Judges proposals beside the policy and can only tighten: whatever it answers, nothing runs that
/// the policy alone would not let run, and nobody is asked less.
///
/// It is asked when an action is proposed and again before the approval is used, from several
/// tasks at once, so an implementation
/// - judges by texts that do not change while it exists, and whose digest it gives: what it judges
///   by otherwise cannot be told from the record; another text is another engine;
/// - returns an error when it does not know, and never [`Opinion::NoObjection`] in its place;
/// - ends in a bounded time and does not block its thread; past the gate's patience its answer is
///   taken for an error, and so is a panic;
/// - writes no value of an action into its errors: they reach logs.
///
/// Trusted: whoever can change what an engine judges by can take away what it adds, and nothing of
/// what the policy asks.
///
/// # Examples
/// ```
/// use approvals_core::id::EngineName;
/// use approvals_core::policy::{EngineError, Opinion, PolicyEngine};
/// use approvals_core::{PolicyDigest, Proposal, Timestamp};
///
/// /// Nothing runs for a tenant that is locked.
/// #[derive(Debug)]
/// struct Locked {
///     name: EngineName,
///     tenants: Vec<String>,
/// }
///
/// #[async_trait::async_trait]
/// impl PolicyEngine for Locked {
///     fn name(&self) -> &EngineName {
///         &self.name
///     }
///     fn digest(&self) -> PolicyDigest {
///         PolicyDigest::of(self.tenants.join("\n").as_bytes())
///     }
///     async fn judge(&self, proposal: &Proposal, _: Timestamp) -> Result<Opinion, EngineError> {
///         match &proposal.action.tenant {
///             Some(tenant) if self.tenants.contains(tenant) => {
///                 Ok(Opinion::Deny(vec!["locked".parse().map_err(EngineError::new)?]))
///             }
///             Some(_) => Ok(Opinion::NoObjection),
///             None => Err(EngineError::new("the action names no tenant")),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait PolicyEngine: Send + Sync + fmt::Debug {
    /// Its name, stable from start to start; no two engines of a gate share one.
    fn name(&self) -> &EngineName;

    /// Names exactly the texts it judges by.
    fn digest(&self) -> PolicyDigest;

    /// What it says of a proposal at a time.
    ///
    /// # Errors
    /// [`EngineError`] when it cannot tell; the proposal is denied then.
    async fn judge(&self, proposal: &Proposal, at: Timestamp) -> Result<Opinion, EngineError>;
}

/// One engine for several gates.
#[async_trait]
impl<E: PolicyEngine + ?Sized> PolicyEngine for Arc<E> {
    fn name(&self) -> &EngineName {
        (**self).name()
    }

    fn digest(&self) -> PolicyDigest {
        (**self).digest()
    }

    async fn judge(&self, proposal: &Proposal, at: Timestamp) -> Result<Opinion, EngineError> {
        (**self).judge(proposal, at).await
    }
}

/// What an engine says of a proposal. There is no yes among its words: that is the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth opinion would have to be handled everywhere"
)]
pub enum Opinion {
    /// It forbids it, by these rules; no approval can lift that.
    Deny(Vec<RuleId>),
    /// People must approve, beside those that the policy asks for.
    Require(Requirement),
    /// Nothing speaks against it; what the policy says stands.
    NoObjection,
}

/// An engine could not tell; whoever asked must refuse. The text reaches logs: it holds no value
/// of an action and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

impl EngineError {
    /// An error whose message says what keeps the engine from judging.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

/// An engine that a policy names: without it, or with other texts, nothing may run.
///
/// So the texts of an engine are part of the policy's own text, are recorded with it, and cannot
/// be exchanged, left out or taken back to an older state without a newer policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedEngine {
    pub(super) name: EngineName,
    pub(super) digest: PolicyDigest,
}

impl WantedEngine {
    /// The engine.
    #[must_use]
    pub fn name(&self) -> &EngineName {
        &self.name
    }

    /// The exact texts it must judge by.
    #[must_use]
    pub fn digest(&self) -> PolicyDigest {
        self.digest
    }
}

/// Which engine judged a request, by which texts, and in a word how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Judged {
    /// The engine.
    pub name: EngineName,
    /// The exact texts it judged by.
    pub digest: PolicyDigest,
    /// How.
    pub answer: Answer,
    /// Its own rules behind the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleId>,
}

/// An engine's answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new answer must be handled everywhere"
)]
pub enum Answer {
    /// It forbade it.
    Deny,
    /// It asked for people.
    Require,
    /// It had no objection.
    NoObjection,
    /// It could not tell, which is a no.
    Failed,
}

impl Answer {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "denied",
            Self::Require => "asked for people",
            Self::NoObjection => "had no objection",
            Self::Failed => "could not tell",
        }
    }
}

impl Judged {
    /// What an engine answered, as it goes on record.
    #[must_use]
    pub fn of(engine: &dyn PolicyEngine, opinion: &Result<Opinion, EngineError>) -> Self {
        let (answer, rules) = match opinion {
            Ok(Opinion::Deny(rules)) => (Answer::Deny, rules.clone()),
            Ok(Opinion::Require(requirement)) => (Answer::Require, requirement.rules().to_vec()),
            Ok(Opinion::NoObjection) => (Answer::NoObjection, Vec::new()),
            Err(_) => (Answer::Failed, Vec::new()),
        };
        Self {
            name: engine.name().clone(),
            digest: engine.digest(),
            answer,
            rules,
        }
    }
}
