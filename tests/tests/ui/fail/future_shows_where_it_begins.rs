//! A future that comes from elsewhere may have begun.

use approvals_core::{ApprovalError, requires_approval};

use std::future::Future;
use std::pin::Pin;

#[requires_approval(scope = "db.export")]
fn export(table: String) -> Pin<Box<dyn Future<Output = Result<(), ApprovalError>>>> {
    start(table)
}

fn start(_table: String) -> Pin<Box<dyn Future<Output = Result<(), ApprovalError>>>> {
    Box::pin(async { Ok(()) })
}

fn main() {}
