//! A redacted value must not reach the card through a text.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = "with {token}", redact(token))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
