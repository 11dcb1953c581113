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
    // And the action that the library itself brings along.
    assert_eq!(scopes, ["approvals.erase", "db.drop", "db.export"]);
}
