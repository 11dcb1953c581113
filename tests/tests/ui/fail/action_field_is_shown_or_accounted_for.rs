//! A field that cannot be shown needs an account.

use approvals_core::Action;

struct Pool;

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    table: String,
    pool: Pool,
}

fn main() {}
