//! Only a gate can answer.

use approvals_core::{ApprovalError, requires_approval};

struct Open;

#[requires_approval(scope = "db.export", gate = gate, skip(gate))]
async fn export(gate: &Open) -> Result<(), ApprovalError> {
    let _ = gate;
    Ok(())
}

fn main() {}
