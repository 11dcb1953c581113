//! A receiver is never covered as a whole.

use approvals_core::{ApprovalError, requires_approval};

struct Runbook;

impl Runbook {
    #[requires_approval(scope = "db.export", redact(self))]
    async fn export(&self) -> Result<(), ApprovalError> {
        Ok(())
    }
}

fn main() {}
