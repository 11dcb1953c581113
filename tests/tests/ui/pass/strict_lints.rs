//! Guards under the strictest lints that a crate may set.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused,
    unreachable_code,
    rust_2018_idioms,
    clippy::all
)]
#![deny(
    unused_qualifications,
    single_use_lifetimes,
    unit_bindings,
    let_underscore_drop
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use approvals_core::{Action, ApprovalError, Approved, requires_approval};

/// A handle that nobody is shown.
#[derive(Debug)]
pub struct Pool;

/// Guarded, with documentation.
///
/// # Errors
/// When it is refused.
#[requires_approval(
    scope = "db.export",
    reason = "export of {table}",
    redact(token),
    skip(_pool)
)]
pub async fn export(
    _pool: &Pool,
    table: String,
    token: String,
    _extra: u8,
) -> Result<u64, ApprovalError> {
    if token.is_empty() {
        return Ok(0);
    }
    Ok(table.len() as u64)
}

/// Not written yet.
///
/// # Errors
/// When it is refused.
#[requires_approval(scope = "db.later")]
pub async fn later(table: &str) -> Result<u64, ApprovalError> {
    unimplemented!("{table}")
}

/// Never returns a value.
///
/// # Errors
/// When it is refused.
#[requires_approval(scope = "db.never")]
pub fn never(table: &str) -> Result<std::convert::Infallible, ApprovalError> {
    #![allow(clippy::panic)]
    panic!("{table}")
}

/// A runbook.
#[derive(Debug)]
pub struct Runbook {
    /// Its name.
    pub name: String,
}

impl Runbook {
    /// Shared.
    ///
    /// # Errors
    /// When it is refused.
    #[requires_approval(scope = "runbook.shared", args(name = &self.name))]
    pub async fn shared(self: Arc<Self>) -> Result<(), ApprovalError> {
        Ok(())
    }

    /// Boxed.
    #[requires_approval(scope = "runbook.boxed")]
    pub fn boxed(&self) -> Pin<Box<dyn Future<Output = Result<&str, ApprovalError>> + Send + '_>> {
        Box::pin(async move { Ok(self.name.as_str()) })
    }
}

/// Drops a table.
#[derive(Action, Debug)]
#[action(scope = "db.drop", reason = "drop {table}", environment = "prod")]
pub struct DropTable<'a, T>
where
    T: Clone,
{
    /// Which.
    pub table: &'a str,
    /// More.
    pub more: T,
    /// Secret.
    #[action(redact)]
    pub token: String,
    /// Handle.
    #[action(skip)]
    pub pool: Pool,
}

/// Has no fields.
#[derive(Action, Debug)]
#[action(scope = "db.vacuum")]
pub struct Vacuum;

/// Runs what was approved.
///
/// # Errors
/// When it is refused.
pub async fn drop_table<T>(command: Approved<DropTable<'_, T>>) -> Result<usize, ApprovalError>
where
    T: Clone + serde::Serialize,
{
    command
        .run(|DropTable { table, .. }| async move { Ok(table.len()) })
        .await
}

fn main() {}
