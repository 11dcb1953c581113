//! The action is reached by running it, and not by looking inside.

use approvals_core::{Action, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

fn peek(approved: Approved<DropTable>) -> DropTable {
    approved.action
}

fn take(approved: Approved<DropTable>) -> DropTable {
    approved.into_inner()
}

fn main() {}
