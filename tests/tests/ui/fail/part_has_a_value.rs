//! A part is an expression over the arguments.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", args(size))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
