//! A segment is a name.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.2export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
