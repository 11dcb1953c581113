//! The whole shows what its redacted part hides.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = "with {token:?}", args(prefix = token.len()), redact(prefix))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
