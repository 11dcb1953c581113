//! A scope that is computed cannot be checked or listed.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = SCOPE)]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
