//! A declaration runs nothing that a guard could hold back.

use approvals_core::{ApprovalError, requires_approval};

trait Runbook {
    #[requires_approval(scope = "db.export")]
    async fn export(&self) -> Result<(), ApprovalError>;
}

fn main() {}
