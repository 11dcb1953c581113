//! A part with the name of a parameter could hide it.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", args(table = table.len()))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
