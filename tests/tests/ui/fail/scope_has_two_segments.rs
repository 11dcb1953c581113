//! One word is too coarse to select a policy.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
