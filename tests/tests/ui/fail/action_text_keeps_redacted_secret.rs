//! A redacted field must not reach the card through a text.

use approvals_core::Action;

#[derive(Action)]
#[action(scope = "db.drop", reason = "with {token}", resource = "{tabel}")]
struct DropTable {
    table: String,
    #[action(redact)]
    token: String,
}

fn main() {}
