//! A text shows what has a text.

use approvals_core::{ApprovalError, requires_approval};

#[derive(serde::Serialize)]
struct Table;

#[requires_approval(scope = "db.export", reason = "export of {table}")]
async fn export(table: Table) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
