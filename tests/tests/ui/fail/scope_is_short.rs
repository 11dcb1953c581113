//! A scope fits on one line of every card.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(
    scope = "db.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
)]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
