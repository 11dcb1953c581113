//! Reviewing how the glass was broken: with a passkey, because it takes the person's own key.

use approvals_core::digest::ActionDigest;
use approvals_core::review::{PostStatement, commit_reason};
use approvals_core::{Code, PersonId, RequestId, Timestamp};
use serde::Deserialize;

use super::Refused;
use super::decide::ToSign;
use super::pending::Said;

/// What somebody found, as a page sends it: who reviews is never in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    csrf: String,
    digest: ActionDigest,
    reason: String,
}

impl ToSign for Found {
    fn csrf(&self) -> &str {
        &self.csrf
    }

    fn said(
        self,
        id: RequestId,
        person: PersonId,
        nonce: String,
        until: Timestamp,
    ) -> Result<Said, Refused> {
        if self.reason.trim().is_empty() {
            let message = "a review says what you found; write it in a few words";
            return Err(Refused::new(Code::NonCanonical, message));
        }
        let reason = commit_reason(self.reason.trim())?;
        let used = (id, self.digest);
        let statement = PostStatement::new(used, person, &reason, nonce, until);
        Ok(Said::Review(statement, reason))
    }
}
