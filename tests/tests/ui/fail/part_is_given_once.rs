//! Two parts of one name could hide each other.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", args(size = table.len(), size = token.len()))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
