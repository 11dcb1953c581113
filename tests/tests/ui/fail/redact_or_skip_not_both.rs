//! A value is bound or it is not.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", redact(token), skip(token))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
