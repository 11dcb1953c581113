//! Each argument has one form.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", reason("weekly export"), redact = token, skip)]
async fn export(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
