//! What people sign: the exact bytes of a decision, and of a review after the use.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Vote;
use crate::canonical;
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment, PolicyDigest};
use crate::error::{ApprovalError, Code};
use crate::id::{PersonId, RequestId};
use crate::sealed::Disclosure;

/// What an approver's own key signs: the verb, the request, the digest, the policy, the person.
///
/// Binding the vote keeps a signed denial from being turned into an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Statement {
    /// The request.
    pub request: RequestId,
    /// What was shown.
    pub action: ActionDigest,
    /// Under which policy.
    pub policy: PolicyDigest,
    /// Yes or no.
    pub vote: Vote,
    /// Who says so.
    pub person: PersonId,
    /// Binds the reason without giving it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Commitment>,
    /// 128 random bits.
    pub nonce: String,
    /// After this the statement is worth nothing.
    pub expires_at: Timestamp,
}

impl Statement {
    /// The statement of one decision.
    #[must_use]
    pub fn new(
        review: (RequestId, ActionDigest, PolicyDigest, Vote),
        person: PersonId,
        reason: Option<&Disclosure>,
        nonce: String,
        expires_at: Timestamp,
    ) -> Self {
        let (request, action, policy, vote) = review;
        Self {
            request,
            action,
            policy,
            vote,
            person,
            reason: reason.map(|r| r.commitment.clone()),
            nonce,
            expires_at,
        }
    }

    /// The decision bytes: `approvals/decision/v1\0` and the canonical form.
    ///
    /// # Errors
    /// `NonCanonical`; never for a statement made or read here.
    pub fn bytes(&self) -> Result<Vec<u8>, ApprovalError> {
        print(DOMAIN, self)
    }

    /// Reads the decision bytes.
    ///
    /// # Errors
    /// `SignatureInvalid` when the bytes are not exactly what [`Statement::bytes`] prints.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApprovalError> {
        read(DOMAIN, bytes).ok_or_else(|| {
            let message = "the signed text is not a decision statement";
            ApprovalError::new(Code::SignatureInvalid, message)
        })
    }
}

/// What a person's own key signs when they have looked at how the glass was broken.
///
/// It has a domain of its own: a signed decision cannot be turned into one, nor the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PostStatement {
    /// The request that was used.
    pub request: RequestId,
    /// What ran.
    pub action: ActionDigest,
    /// Who says so.
    pub person: PersonId,
    /// Binds what the person found, without giving it away.
    pub reason: Commitment,
    /// 128 random bits.
    pub nonce: String,
    /// After this the statement is worth nothing.
    pub expires_at: Timestamp,
}

impl PostStatement {
    /// The statement that a person has reviewed the use of a request.
    #[must_use]
    pub fn new(
        used: (RequestId, ActionDigest),
        person: PersonId,
        reason: &Disclosure,
        nonce: String,
        expires_at: Timestamp,
    ) -> Self {
        let (request, action) = used;
        Self {
            request,
            action,
            person,
            reason: reason.commitment.clone(),
            nonce,
            expires_at,
        }
    }

    /// The bytes that are signed: `approvals/post-review/v1\0` and the canonical form.
    ///
    /// # Errors
    /// `NonCanonical`; never for a statement made or read here.
    pub fn bytes(&self) -> Result<Vec<u8>, ApprovalError> {
        print(POST_DOMAIN, self)
    }

    /// Reads the bytes that were signed.
    ///
    /// # Errors
    /// `SignatureInvalid` when the bytes are not exactly what [`PostStatement::bytes`] prints.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApprovalError> {
        read(POST_DOMAIN, bytes).ok_or_else(|| {
            let message = "the signed text is not the statement of a review after the use";
            ApprovalError::new(Code::SignatureInvalid, message)
        })
    }
}

/// Refuses what was signed too long ago, or with another reason.
pub(crate) fn still_good(
    request: RequestId,
    expires_at: Timestamp,
    bound: bool,
    now: Timestamp,
) -> Result<(), ApprovalError> {
    let (code, message) = if now >= expires_at {
        (Code::Expired, "the signed decision is too old; sign again")
    } else if bound {
        return Ok(());
    } else {
        let message = "the reason is not the one that was signed";
        (Code::ActionMismatch, message)
    };
    Err(ApprovalError::new(code, message).with_request(request))
}

fn print<T: Serialize>(domain: &[u8], statement: &T) -> Result<Vec<u8>, ApprovalError> {
    let value = canonical::to_value(statement)
        .map_err(|error| ApprovalError::new(Code::NonCanonical, error.to_string()))?;
    let mut bytes = domain.to_vec();
    bytes.extend_from_slice(&value.to_bytes());
    Ok(bytes)
}

/// One text for one statement: what does not print back to the same bytes is none.
fn read<T: Serialize + DeserializeOwned>(domain: &[u8], bytes: &[u8]) -> Option<T> {
    let statement: T = serde_json::from_slice(bytes.strip_prefix(domain)?).ok()?;
    let same = print(domain, &statement).ok()? == bytes;
    same.then_some(statement)
}

/// What stands in front of every signed decision.
pub(crate) const DOMAIN: &[u8] = b"approvals/decision/v1\0";

/// What stands in front of every signed review after the use.
pub(crate) const POST_DOMAIN: &[u8] = b"approvals/post-review/v1\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Value;

    #[test]
    fn a_statement_reads_back_only_as_printed() {
        let statement = Statement::new(
            (
                RequestId::from_bytes([1; 16]),
                ActionDigest::of(b"a"),
                PolicyDigest::of(b"p"),
                Vote::Deny,
            ),
            "u_dana".parse().unwrap(),
            None,
            "n".to_owned(),
            Timestamp::from_micros(1),
        );
        let bytes = statement.bytes().unwrap();
        assert_eq!(Statement::parse(&bytes).unwrap(), statement);
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [("deny", "approve"), ("{", "{ "), ("v1", "v2")] {
            let other = text.replacen(from, to, 1);
            assert!(
                Statement::parse(other.as_bytes()).ok() != Some(statement.clone()),
                "{from}"
            );
        }
    }

    #[test]
    fn a_decision_is_no_review_after_the_use_and_the_other_way_round() {
        let used = (RequestId::from_bytes([1; 16]), ActionDigest::of(b"a"));
        let reason = Disclosure::new("review.reason", &Value::Null).unwrap();
        let person = "u_dana".parse().unwrap();
        let until = Timestamp::from_micros(1);
        let post = PostStatement::new(used, person, &reason, "n".to_owned(), until);
        let bytes = post.bytes().unwrap();
        assert_eq!(PostStatement::parse(&bytes).unwrap(), post);
        assert!(Statement::parse(&bytes).is_err());
        let mut renamed = DOMAIN.to_vec();
        renamed.extend_from_slice(bytes.strip_prefix(POST_DOMAIN).unwrap());
        assert!(Statement::parse(&renamed).is_err(), "it has no vote");
        assert!(PostStatement::parse(&renamed).is_err());
    }
}
