//! The look that another person takes after the glass was broken.

use super::statement::still_good;
use super::{PostStatement, VerifiedApprover};
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::ApprovalError;
use crate::id::{PersonId, RequestId};
use crate::sealed::Disclosure;

/// One person's review of how the glass was broken, ready for
/// [`Gate::post_review`](crate::Gate::post_review).
///
/// It undoes nothing and allows nothing: it says that somebody who had no part in it has looked.
#[derive(Debug, Clone)]
pub struct PostReview {
    pub(crate) approver: VerifiedApprover,
    pub(crate) request: RequestId,
    pub(crate) digest: ActionDigest,
    pub(crate) reason: Disclosure,
    pub(crate) says: Option<PersonId>,
    pub(crate) valid_until: Option<Timestamp>,
}

impl PostReview {
    /// The review of the use of a request, of exactly what was shown.
    ///
    /// `reason` is what the person found, from [`commit_reason`](super::commit_reason).
    #[must_use]
    pub fn new(
        approver: VerifiedApprover,
        request: RequestId,
        digest: ActionDigest,
        reason: Disclosure,
    ) -> Self {
        Self {
            approver,
            request,
            digest,
            reason,
            says: None,
            valid_until: None,
        }
    }

    /// The review that a signed statement is, while it is worth anything.
    pub(crate) fn signed(
        said: PostStatement,
        approver: VerifiedApprover,
        reason: Disclosure,
        now: Timestamp,
    ) -> Result<Self, ApprovalError> {
        let bound = said.reason == reason.commitment;
        still_good(said.request, said.expires_at, bound, now)?;
        let review = Self::new(approver, said.request, said.action, reason);
        Ok(review.claiming(said.person).valid_until(said.expires_at))
    }

    /// The same review, claiming to be this person's: refused unless the account proves it.
    #[must_use]
    pub fn claiming(mut self, person: PersonId) -> Self {
        self.says = Some(person);
        self
    }

    /// The same review, worth nothing from then on.
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
