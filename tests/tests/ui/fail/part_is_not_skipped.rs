//! A part is named in order to be bound.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", args(size = table.len()), skip(size))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
