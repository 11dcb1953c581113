//! `approvals policy`: what a policy says, and what another one would say.

mod check;
mod explain;
mod judges;
mod past;
mod propose;
mod shadow;
mod test;
mod what_if;

use crate::answer::{Answer, Printer};
use crate::args::{Cli, Policy};
use crate::failure::Failure;

use super::wait;

/// Runs what was typed.
pub(crate) fn run(cli: &Cli, printer: &Printer, policy: &Policy) -> Result<Answer, Failure> {
    match policy {
        Policy::Check(check) => check::run(cli, check),
        Policy::Propose(propose) => wait(propose::run(cli, printer, propose)),
        Policy::Test(test) => wait(test::run(cli, test)),
        Policy::Explain(explain) => wait(explain::run(cli, explain)),
        Policy::WhatIf(what_if) => wait(what_if::run(cli, what_if)),
        Policy::Shadow(shadow) => wait(shadow::run(cli, printer, shadow)),
    }
}
