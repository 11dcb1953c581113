//! A field is bound or it is not.

use approvals_core::Action;

#[derive(Action)]
#[action(scope = "db.drop")]
struct DropTable {
    #[action(redact, skip)]
    token: String,
}

fn main() {}
