//! Two guards would ask twice for one action.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
#[requires_approval(scope = "db.drop")]
async fn export(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
