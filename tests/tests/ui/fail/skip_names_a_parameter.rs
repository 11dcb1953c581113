//! A misspelled name would leave a parameter without account.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", skip(tabel))]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
