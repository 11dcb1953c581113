//! An argument that is not understood is never ignored.

use approvals_core::Action;

#[derive(Action)]
#[action(scope = "db.drop", gate = gate, redact(table))]
struct DropTable {
    #[action(hide)]
    table: String,
}

fn main() {}
