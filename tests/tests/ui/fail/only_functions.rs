//! A guard stands before a body.

use approvals_core::requires_approval;

#[requires_approval(scope = "db.export")]
struct Export;

#[requires_approval(scope = "db.export")]
mod exports {
    pub(crate) fn run() {}
}

fn main() {}
