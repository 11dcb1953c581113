//! The crate can be found under another path.

mod vendor {
    pub(crate) use approvals_core as gate;
}

use vendor::gate::{Action, ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", crate = crate::vendor::gate)]
async fn export(table: String) -> Result<(), ApprovalError> {
    drop(table);
    Ok(())
}

#[derive(Action)]
#[action(scope = "db.drop", crate = vendor::gate)]
struct DropTable {
    table: String,
}

fn main() {
    let _ = export(String::new());
    let _ = DropTable {
        table: String::new(),
    }
    .table;
    let scopes: Vec<&str> = approvals_core::inventory()
        .iter()
        .map(|guarded| guarded.scope)
        .collect();
    // And the actions that the library itself brings along.
    let own = ["approvals.erase", "approvals.policy.change"];
    assert_eq!(scopes, [own[0], own[1], "db.drop", "db.export"]);
}
