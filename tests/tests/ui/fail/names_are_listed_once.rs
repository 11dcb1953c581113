//! A name in a list twice is a slip.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", redact(token, token))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
