//! An action without a scope selects no policy.

use approvals_core::Action;

#[derive(Action)]
struct DropTable {
    table: String,
}

#[derive(Action)]
#[action(scope = "db.*")]
struct DropAny;

fn main() {}
