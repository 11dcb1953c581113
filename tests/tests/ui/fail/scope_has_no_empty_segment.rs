//! An empty segment is a slip of the keyboard.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db..export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
