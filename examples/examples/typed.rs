//! The typed form: an action as a value that can be reached only through its approval.
//!
//! Run it with `cargo run --example typed`. `drop_table` cannot be called without an
//! `Approved<DropTable>`, and nobody can make one but the gate.

use approvals_core::testing::TestGate;
use approvals_core::{Action, Agent, ApprovalError, Approved, approve};

#[derive(Action)]
#[action(scope = "db.drop", reason = "drop {table}", resource = "table {table}")]
struct DropTable {
    table: String,
}

async fn drop_table(command: Approved<DropTable>) -> Result<String, ApprovalError> {
    command
        .run(|DropTable { table }| async move { Ok(format!("{table} dropped")) })
        .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ApprovalError> {
    println!("{}", app().await?);
    Ok(())
}

async fn app() -> Result<String, ApprovalError> {
    let gate = TestGate::approving();
    let agent = Agent::new("ops-bot").on_behalf_of("u_alice");
    let work = async {
        drop_table(
            approve(DropTable {
                table: "old_sessions".into(),
            })
            .await?,
        )
        .await
    };
    gate.enter(agent, work).await
}
