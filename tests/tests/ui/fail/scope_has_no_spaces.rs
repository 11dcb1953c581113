//! A space separates nothing in a scope.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db. export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
