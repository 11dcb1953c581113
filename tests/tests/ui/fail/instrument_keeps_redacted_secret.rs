//! A span would write the redacted value into every log.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", redact(token))]
#[tracing::instrument]
async fn below(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[tracing::instrument(skip(table))]
#[requires_approval(scope = "db.export", redact(token))]
async fn above(table: String, token: String) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
