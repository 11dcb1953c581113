//! One approval, one run.

use approvals_core::{Action, ApprovalError, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

async fn twice(approved: Approved<DropTable>) -> Result<(), ApprovalError> {
    approved
        .run(|_| async { Ok::<(), ApprovalError>(()) })
        .await?;
    approved
        .run(|_| async { Ok::<(), ApprovalError>(()) })
        .await
}

fn main() {}
