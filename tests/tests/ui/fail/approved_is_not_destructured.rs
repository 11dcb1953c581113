//! A pattern is no way to the action either.

use approvals_core::{Action, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

fn destructure(Approved { action, .. }: Approved<DropTable>) -> DropTable {
    action
}

fn main() {}
