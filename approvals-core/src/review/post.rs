//! The look that another person takes after the glass was broken.

use super::VerifiedApprover;
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
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
