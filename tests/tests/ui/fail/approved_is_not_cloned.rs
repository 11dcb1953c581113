//! One approval, one run.

use approvals_core::{Action, Approved};

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
}

fn twice(approved: &Approved<DropTable>) -> Approved<DropTable> {
    approved.clone()
}

fn main() {}
