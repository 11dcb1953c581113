//! Only a gate makes an approval.

use approvals_core::{Action, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

fn forge(action: DropTable) -> Approved<DropTable> {
    Approved { action }
}

fn also_forge(action: DropTable) -> Approved<DropTable> {
    Approved::new(action)
}

fn default() -> Approved<DropTable> {
    Approved::default()
}

fn from(action: DropTable) -> Approved<DropTable> {
    action.into()
}

fn main() {}
