//! The guard does not hide the compiler's own errors.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
async fn export(table: String) -> Result<(), ApprovalError> {
    let rows: u64 = table;
    Ok(rows)
}

fn main() {}
