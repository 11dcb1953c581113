//! A guard must not ask for many scopes at once.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.*")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
