//! A redacted value is bound by the digest, and so must have a canonical form.

use approvals_core::{ApprovalError, requires_approval};

struct Token;

#[requires_approval(scope = "db.export", redact(token))]
async fn export(token: Token) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
