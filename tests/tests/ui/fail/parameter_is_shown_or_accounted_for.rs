//! A parameter that cannot be shown needs an account.

use approvals_core::{ApprovalError, requires_approval};

struct Pool;

#[requires_approval(scope = "db.export")]
async fn export(pool: &Pool, table: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
