//! Nothing but the guard can reach the body.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export")]
async fn export(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "db.export")]
fn export_now(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

async fn bypass() {
    let _ = export::body(String::new()).await;
    let _ = export::__approvals_run(String::new());
    let _ = __approvals_run(|| ());
    let _ = export_now::inner(String::new());
}

fn main() {}
