//! An alias that hides a plain value cannot say no.

use approvals_core::requires_approval;

type Count = u64;

#[requires_approval(scope = "db.count")]
async fn count(table: String) -> Count {
    7
}

fn main() {}
