//! What says that a policy was replaced with the word of those whom it named for that.

use crate::digest::ActionDigest;
use crate::id::RequestId;
use crate::policy::PolicyName;

/// The replacement of one policy by another, and who answers for it: right in front of the records
/// that put the new one into force.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyChange {
    /// The policy that was in force.
    pub old: PolicyName,
    /// The policy that is in force from here on.
    pub new: PolicyName,
    /// The request in which people approved it.
    pub authority: RequestId,
    /// What they approved.
    pub digest: ActionDigest,
    /// Opens what they were shown: both names, and what differs between the texts.
    pub opened: Vec<String>,
}

impl PolicyChange {
    /// One policy in the place of another, under this request and its action.
    #[must_use]
    pub fn new(
        (old, new): (PolicyName, PolicyName),
        (authority, digest): (RequestId, ActionDigest),
        opened: Vec<String>,
    ) -> Self {
        Self {
            old,
            new,
            authority,
            digest,
            opened,
        }
    }
}
