//! A placeholder names a parameter or a part.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason = "export of {tabel}")]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
