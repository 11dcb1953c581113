//! The gate is an expression.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", gate)]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
