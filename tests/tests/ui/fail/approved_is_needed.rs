//! A function of the typed form cannot be called with the bare action.

use approvals_core::{Action, ApprovalError, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

async fn drop_table(command: Approved<DropTable>) -> Result<(), ApprovalError> {
    command
        .run(|DropTable { table }| async move { Ok(drop(table)) })
        .await
}

async fn bypass() -> Result<(), ApprovalError> {
    drop_table(DropTable {
        table: String::new(),
    })
    .await
}

fn main() {}
