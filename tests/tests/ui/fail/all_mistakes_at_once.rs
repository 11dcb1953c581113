//! Every mistake is reported in one run, each on its token.

use approvals_core::{ApprovalError, requires_approval};

#[requires_approval(
    scope = "DB.export",
    reason = "{}",
    redact(tokn),
    skip(_pool),
    priority = 7
)]
const fn export(token: String, _: u8) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
