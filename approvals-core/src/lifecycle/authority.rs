//! The approval under which the library does something itself: an erasure, a change of the policy.

use super::command::Refusal;
use super::state::{Phase, RequestState};
use crate::error::Code;
use crate::id::BootId;

/// What an authority must be for, and what is said when it is not there or not in use.
pub(super) struct Wanted {
    pub(super) scope: &'static str,
    pub(super) missing: &'static str,
    pub(super) unused: &'static str,
}

impl Wanted {
    /// The authority, if it is for this scope and this process is running it now.
    pub(super) fn in_use<'a>(
        &self,
        authority: Option<&'a RequestState>,
        boot: BootId,
    ) -> Result<&'a RequestState, Refusal> {
        let Some(authority) = authority else {
            return no(self.missing);
        };
        if authority.action().scope.as_str() != self.scope {
            return no("the request that should approve it is for another action");
        }
        if !matches!(authority.phase(), Phase::Running(by) if by.boot == boot) {
            return no(self.unused);
        }
        Ok(authority)
    }
}

pub(super) fn no<T>(message: &str) -> Result<T, Refusal> {
    Err(Refusal {
        code: Code::NotEligible,
        message: message.to_owned(),
    })
}
