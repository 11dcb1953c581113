//! A missing comma must not swallow an argument.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export" redact(token))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
