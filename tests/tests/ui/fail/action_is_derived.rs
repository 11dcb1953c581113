//! Only what derives `Action` can be asked for.

use approvals_core::{ApprovalError, approve};

struct DropTable;

async fn ask() -> Result<(), ApprovalError> {
    approve(DropTable).await?;
    Ok(())
}

fn main() {}
