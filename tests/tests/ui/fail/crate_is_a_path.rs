//! The crate is named by its path.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", crate = "approvals_core")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
