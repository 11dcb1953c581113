//! The function's own error must be able to say no.

use approvals_core::requires_approval;

struct RunbookError;

#[requires_approval(scope = "db.export")]
async fn export(table: String) -> Result<(), RunbookError> {
    Ok(())
}

#[requires_approval(scope = "db.export")]
fn export_now(table: String) -> Result<(), RunbookError> {
    Ok(())
}

fn main() {}
