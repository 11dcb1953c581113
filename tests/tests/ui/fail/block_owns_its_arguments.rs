//! A block that borrows could see other values than those approved.

use approvals_core::{ApprovalError, requires_approval};

use std::future::Future;

#[requires_approval(scope = "db.export")]
fn export() -> impl Future<Output = Result<(), ApprovalError>> {
    async { Ok(()) }
}

fn main() {}
