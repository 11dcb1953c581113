//! A refusal needs a way out.

use approvals_core::requires_approval;

#[requires_approval(scope = "db.export")]
async fn export(table: String) {}

fn main() {}
