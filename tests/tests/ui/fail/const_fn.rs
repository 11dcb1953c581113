//! A constant is computed before any gate exists.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
const fn export() -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
