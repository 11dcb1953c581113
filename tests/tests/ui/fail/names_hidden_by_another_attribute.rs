//! Under two attributes the names of a destructured parameter are out of reach.

use approvals_core::{ApprovalError, requires_approval};

struct Runbook;

#[async_trait::async_trait]
trait Export {
    async fn export(&self, pair: (u8, u8)) -> Result<(), ApprovalError>;
}

#[async_trait::async_trait]
impl Export for Runbook {
    #[tracing::instrument(skip_all)]
    #[requires_approval(scope = "db.export")]
    async fn export(&self, (from, to): (u8, u8)) -> Result<(), ApprovalError> {
        let _ = (from, to);
        Ok(())
    }
}

fn main() {}
