//! Foreign code cannot handle a refusal.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
extern "C" fn export() -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
