//! What a store says, as the rest of the library says it.

use approvals_core::ports::StoreError;
use approvals_core::{ApprovalError, Code};

/// What is fatal for a writer is damage for everybody else.
pub(crate) fn store_error(error: StoreError) -> ApprovalError {
    let code = if error.is_fatal() {
        Code::AuditTampered
    } else {
        Code::StoreUnavailable
    };
    ApprovalError::new(code, error.to_string())
}
