//! Why a callback does not count, and that it is on record.

use approvals_core::gate::Refusal;
use approvals_core::{ApprovalError, IdentityKey, RequestId};

use super::Desk;
use super::clicker::is_home;
use super::payload::Origin;
use crate::names;

/// Why a callback does not count.
#[derive(Debug)]
pub(super) struct No {
    error: ApprovalError,
    /// Whether the channel says so by itself: then it goes on record here.
    ours: bool,
    request: Option<RequestId>,
}

impl From<ApprovalError> for No {
    fn from(error: ApprovalError) -> Self {
        Self {
            error,
            ours: true,
            request: None,
        }
    }
}

impl No {
    /// The gate said so, or nothing was tried yet that a record is owed.
    pub(super) fn said(error: ApprovalError) -> Self {
        Self {
            ours: false,
            ..Self::from(error)
        }
    }

    pub(super) fn about(self, request: RequestId) -> Self {
        Self {
            request: Some(request),
            ..self
        }
    }
}

impl Desk {
    /// Puts on record what the channel refuses by itself: who, as far as Slack vouches for it, and
    /// the code. Nothing else of the callback.
    pub(super) async fn refuse(&self, origin: &Origin, no: No) -> ApprovalError {
        if no.ours {
            let mut refusal = Refusal::new(names::PROVIDER, no.error.code());
            let abroad = |team: &&String| !is_home(&self.config, team);
            let home = origin.user.team_id.as_ref().filter(abroad);
            let home = home.unwrap_or(&self.config.team);
            if let Ok(account) = IdentityKey::new(names::PROVIDER, home, &origin.user.id) {
                refusal = refusal.of(&account);
            }
            if let Some(request) = no.request {
                refusal = refusal.about(request);
            }
            self.gate.record_refusal(refusal).await;
        }
        no.error
    }
}
