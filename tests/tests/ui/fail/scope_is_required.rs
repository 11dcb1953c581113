//! A guard without a scope selects no policy.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(reason = "weekly export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
