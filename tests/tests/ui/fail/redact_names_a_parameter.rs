//! A misspelled name would leave the secret in the open.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", redact(tokn))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
