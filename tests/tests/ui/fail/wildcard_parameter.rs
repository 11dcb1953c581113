//! A parameter without a name cannot be accounted for.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
async fn export(_: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
