//! A positional placeholder says nothing to the reader.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = "export of {}", resource = "{0}")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
