//! `cargo xtask bench`: the measurements, always optimised.

use std::ffi::OsString;
use std::path::Path;

use crate::command::{Failure, Invocation, Outcome};

/// Words that belong to the parts of the tests' own benchmark; the rest is the comparison's.
const PARTS: &[&str] = &["overhead", "pending", "durable", "verify", "http"];

/// Runs the comparison with floors and rivals, or `growth`, or a part of the tests' own benchmark.
///
/// # Errors
/// A program does not build, or a measurement cannot go on.
pub fn run<'a>(
    root: &Path,
    arguments: impl Iterator<Item = &'a OsString>,
) -> Result<Outcome, Failure> {
    let arguments: Vec<_> = arguments.collect();
    let first = arguments.first().and_then(|word| word.to_str());
    let invocation = Invocation::new(root, "cargo");
    let invocation = match first {
        Some(word) if PARTS.contains(&word) => {
            invocation.words("bench --locked --package approvals-tests --bench bench --")
        }
        Some("growth") => invocation.words(COMPARISON),
        _ => {
            // The small program of W6 is built beside the large one.
            let build = "build --locked --profile measured --package approvals-bench";
            invocation.clone().words(build).run()?;
            invocation.words(COMPARISON).words("run")
        }
    };
    invocation.args(arguments).run()?;
    Ok(Outcome::Passed)
}

const COMPARISON: &str = "run --locked --profile measured --package approvals-bench --";
