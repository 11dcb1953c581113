//! A field is not captured; a part has a name.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(scope = "db.export", environment = "{query.env}")]
async fn export(query: Query) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
