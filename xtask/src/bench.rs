//! `cargo xtask bench`: the measurements, always in release mode.

use std::ffi::OsString;
use std::path::Path;

use crate::command::{Failure, Invocation, Outcome};

/// Hands everything over to the benchmark `bench` of the crate `approvals-tests`.
///
/// # Errors
/// The program does not build, or a measurement misses its target.
pub fn run<'a>(
    root: &Path,
    arguments: impl Iterator<Item = &'a OsString>,
) -> Result<Outcome, Failure> {
    let bench = "bench --locked --package approvals-tests --bench bench --";
    Invocation::new(root, "cargo")
        .words(bench)
        .args(arguments)
        .run()?;
    Ok(Outcome::Passed)
}
