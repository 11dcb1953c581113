//! A brace that is open swallows the text.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = "export of {table", resource = "table}")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
