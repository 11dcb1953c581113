//! Reviews: one verified person's click, and the look that another one takes after the glass was
//! broken.

mod post;
mod statement;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use post::PostReview;
use statement::still_good;
pub(crate) use statement::{DOMAIN, POST_DOMAIN};
pub use statement::{PostStatement, Statement};

use crate::canonical::Value;
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, PolicyDigest};
use crate::error::{ApprovalError, Code};
use crate::id::{PersonId, RequestId};
use crate::principal::{Assurance, IdentityKey};
use crate::sealed::Disclosure;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there is no third vote")]
pub enum Vote {
    /// Let it run.
    Approve,
    /// Do not; one denial ends the request.
    Deny,
}

impl Vote {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// An account that a channel has just proven; without one nobody can decide anything.
///
/// It has one constructor, [`VerifiedApprover::assertion`], which only channel verifiers call.
/// It says nothing about who may decide: the gate resolves the person and asks the directory.
///
/// ```compile_fail
/// use approvals_core::VerifiedApprover;
/// // There is no way to make one from a name.
/// let approver = VerifiedApprover { identity: "ciso".into() };
/// ```
#[derive(Debug, Clone)]
pub struct VerifiedApprover {
    identity: IdentityKey,
    assurance: Assurance,
    evidence: Evidence,
}

impl VerifiedApprover {
    /// Asserts that the caller has verified, itself, that `identity` is deciding now.
    ///
    /// Trusted: whoever calls this without having checked a proof forges a decision. Channel
    /// verifiers call it, and a test of the house keeps the list of the files that do.
    #[must_use]
    pub fn assertion(identity: IdentityKey, assurance: Assurance, evidence: Evidence) -> Self {
        Self {
            identity,
            assurance,
            evidence,
        }
    }

    /// The proven account.
    #[must_use]
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// How well it is proven.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// What an auditor can check again.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// What was checked, kept in the record so that an auditor can check it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Evidence {
    /// How the identity was proven: `sshsig`, `webauthn`, `slack`, `test`.
    pub method: String,
    /// The proof, by name.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "each_once"
    )]
    pub proof: BTreeMap<String, String>,
}

/// Reads names and texts, each name once: of two, readers would see one or the other.
fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Once;
    impl<'de> Visitor<'de> for Once {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("texts by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some((name, text)) = members.next_entry()? {
                if read.insert(name, text).is_some() {
                    return Err(serde::de::Error::custom("a name stands twice"));
                }
            }
            Ok(read)
        }
    }
    from.deserialize_map(Once)
}

impl Evidence {
    /// Evidence by this method.
    #[must_use]
    pub fn new(method: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            proof: BTreeMap::new(),
        }
    }

    /// With one more named part of the proof.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.proof.insert(name.into(), value.into());
        self
    }
}

/// One decision on one request, ready for [`Gate::review`](crate::Gate::review).
#[derive(Debug, Clone)]
pub struct Review {
    pub(crate) approver: VerifiedApprover,
    pub(crate) request: RequestId,
    pub(crate) digest: ActionDigest,
    pub(crate) policy: PolicyDigest,
    pub(crate) vote: Vote,
    pub(crate) reason: Option<Disclosure>,
    pub(crate) says: Option<PersonId>,
    pub(crate) valid_until: Option<Timestamp>,
}

impl Review {
    /// The decision of an approver on exactly what was shown: request, digest and policy.
    #[must_use]
    pub fn new(
        approver: VerifiedApprover,
        request: RequestId,
        digest: ActionDigest,
        policy: PolicyDigest,
        vote: Vote,
    ) -> Self {
        Self {
            approver,
            request,
            digest,
            policy,
            vote,
            reason: None,
            says: None,
            valid_until: None,
        }
    }

    /// The decision that a signed statement is, while it is worth anything.
    pub(crate) fn signed(
        said: Statement,
        approver: VerifiedApprover,
        reason: Option<Disclosure>,
        now: Timestamp,
    ) -> Result<Self, ApprovalError> {
        let bound = said.reason.as_ref() == reason.as_ref().map(|reason| &reason.commitment);
        still_good(said.request, said.expires_at, bound, now)?;
        let review = Self::new(approver, said.request, said.action, said.policy, said.vote);
        let review = review.with_reason(reason).claiming(said.person);
        Ok(review.valid_until(said.expires_at))
    }

    /// The same decision with the person's reason.
    ///
    /// # Errors
    /// `NonCanonical` when the reason is longer than 4,000 characters, `Misuse` without randomness.
    pub fn because(mut self, reason: &str) -> Result<Self, ApprovalError> {
        self.reason = Some(commit_reason(reason)?);
        Ok(self)
    }

    /// The same decision with a reason that was committed to before it was signed.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<Disclosure>) -> Self {
        self.reason = reason;
        self
    }

    /// The same decision, claiming to be this person's: refused unless the account proves it.
    #[must_use]
    pub fn claiming(mut self, person: PersonId) -> Self {
        self.says = Some(person);
        self
    }

    /// The same decision, worth nothing from then on: what was signed for a time counts only
    /// when it is counted within it.
    #[must_use]
    pub fn valid_until(mut self, until: Timestamp) -> Self {
        self.valid_until = Some(until);
        self
    }

    /// The request it is about.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.request
    }
}

/// Commits to the reason of a decision. An empty reason is none: the gate refuses a decision that
/// has one with `NonCanonical`.
///
/// # Errors
/// `NonCanonical` when the reason is longer than 4,000 characters, `Misuse` without randomness.
pub fn commit_reason(reason: &str) -> Result<Disclosure, ApprovalError> {
    if reason.chars().count() > MAX_REASON {
        return Err(ApprovalError::new(
            Code::NonCanonical,
            format!("the reason is longer than {MAX_REASON} characters; shorten it"),
        ));
    }
    Disclosure::new(REASON, &Value::Text(reason.to_owned()))
}

/// How many characters a reason may have.
pub(crate) const MAX_REASON: usize = 4_000;

/// What a reason is called in its disclosure.
pub(crate) const REASON: &str = "review.reason";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_a_limit() {
        assert!(commit_reason(&"é".repeat(4_000)).is_ok());
        assert!(commit_reason(&"é".repeat(4_001)).is_err());
    }
}
