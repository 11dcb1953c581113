//! A span would write the whole argument, redacted part and all.

use approvals_core::{ApprovalError, requires_approval};

#[derive(Debug)]
struct Login {
    user: String,
    password: String,
}

#[requires_approval(scope = "db.login", args(user = &login.user, password = &login.password), redact(password))]
#[tracing::instrument]
async fn login(login: Login) -> Result<(), ApprovalError> {
    Ok(())
}

fn main() {}
