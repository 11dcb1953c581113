//! A refusal needs a way out.

use approvals_core::requires_approval;

#[requires_approval(scope = "db.export")]
fn count(table: String) -> u64 {
    7
}

#[requires_approval(scope = "db.export")]
async fn find(table: String) -> Option<String> {
    None
}

fn main() {}
