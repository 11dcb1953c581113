//! A future that is handed out would run after the guard has ended.

use approvals_core::{ApprovalError, requires_approval};

use std::future::Future;

#[requires_approval(scope = "db.export")]
async fn export(table: String) -> Result<impl Future<Output = u64>, ApprovalError> {
    Ok(async move { table.len() as u64 })
}

fn main() {}
