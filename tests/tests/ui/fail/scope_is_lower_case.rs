//! Two spellings of one scope would select different policies.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "Db.Export")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
