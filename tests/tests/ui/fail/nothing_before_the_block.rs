//! What stands before the async block would run without an approval.

use approvals_core::{ApprovalError, requires_approval};

use std::future::Future;

#[requires_approval(scope = "db.export")]
fn export(table: String) -> impl Future<Output = Result<(), ApprovalError>> {
    println!("exporting {table}");
    async move { Ok(()) }
}

fn main() {}
