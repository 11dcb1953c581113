//! A text that is computed cannot be checked for secrets.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = concat!("weekly ", "export"))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
