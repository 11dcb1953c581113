//! Of two values only one could hold.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", scope = "db.drop")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
