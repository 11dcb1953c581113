//! An argument that is not understood is never ignored.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", resaon = "weekly export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
