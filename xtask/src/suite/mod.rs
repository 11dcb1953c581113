//! `cargo xtask test`: every check of the project in a fixed order, stopping at the first that fails.

mod deny;
mod msrv;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{Failure, Invocation, Outcome};
use crate::{setup, tidy};

/// Where the checks run, and how far they go.
#[derive(Debug, Clone)]
pub struct House {
    root: PathBuf,
    full: bool,
}

impl House {
    /// The workspace at `root`. `full` also installs the tools that take minutes; so does the variable `CI`.
    #[must_use]
    pub fn new(root: PathBuf, full: bool) -> Self {
        Self {
            root,
            full: full || std::env::var_os("CI").is_some(),
        }
    }

    /// Whether tools that take minutes to install are wanted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The root of the workspace.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A run of `program` at the root of the workspace.
    #[must_use]
    pub fn invoke(&self, program: &'static str) -> Invocation {
        Invocation::new(&self.root, program)
    }

    fn cargo(&self, line: &str) -> Invocation {
        self.invoke("cargo").words(line)
    }
}

/// Runs every step and prints a summary with the time each took.
///
/// # Errors
/// A step failed; the steps after it did not run. The failure names the step and the command that repeats it.
pub fn run(house: &House) -> Result<Outcome, Failure> {
    let mut rows = Vec::new();
    let mut result = Ok(Outcome::Passed);
    for (at, step) in STEPS.iter().enumerate() {
        println!(
            "\n=== {at}/{} {}: {}",
            STEPS.len() - 1,
            step.name,
            step.what
        );
        let start = Instant::now();
        let ended = (step.work)(house);
        rows.push((step.name, start.elapsed(), word(&ended)));
        match ended {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::Skipped(why)) => println!("skipped: {why}"),
            Err(failure) => {
                result = Err(Failure::new(format!(
                    "\nthe step `{}` failed: {failure}",
                    step.name
                )));
                break;
            }
        }
    }
    summary(&rows);
    result
}

struct Step {
    name: &'static str,
    what: &'static str,
    work: fn(&House) -> Result<Outcome, Failure>,
}

const STEPS: &[Step] = &[
    Step {
        name: "setup",
        what: "what a fresh machine lacks",
        work: setup::run,
    },
    Step {
        name: "fmt",
        what: "the format is rustfmt's",
        work: fmt,
    },
    Step {
        name: "clippy",
        what: "no lint, in any target",
        work: clippy,
    },
    Step {
        name: "tidy",
        what: "module order, sizes, evidence, text",
        work: tidy,
    },
    Step {
        name: "test",
        what: "every test and doctest",
        work: test,
    },
    Step {
        name: "doc",
        what: "the documentation builds without a warning",
        work: doc,
    },
    Step {
        name: "features",
        what: "every combination of features compiles",
        work: features,
    },
    Step {
        name: "msrv",
        what: "the oldest compiler we promise",
        work: msrv::run,
    },
    Step {
        name: "deny",
        what: "dependencies: bans, licences, sources",
        work: deny::run,
    },
];

fn fmt(house: &House) -> Result<Outcome, Failure> {
    all(&[house.cargo("fmt --all --check")])
}

fn clippy(house: &House) -> Result<Outcome, Failure> {
    all(&[house.cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings")])
}

fn tidy(house: &House) -> Result<Outcome, Failure> {
    tidy::run(&house.root)
}

fn test(house: &House) -> Result<Outcome, Failure> {
    all(&[house.cargo("test --workspace --all-features --locked")])
}

fn doc(house: &House) -> Result<Outcome, Failure> {
    let doc = house.cargo("doc --workspace --no-deps --document-private-items --locked");
    all(&[doc.variable("RUSTDOCFLAGS", "-Dwarnings")])
}

fn features(house: &House) -> Result<Outcome, Failure> {
    all(&[
        house.cargo("check -p approvals-core --no-default-features --locked"),
        house.cargo("check -p approvals-store --no-default-features --locked"),
        house.cargo("check -p approvals-store --no-default-features --features sqlite --locked"),
        house.cargo("check -p approvals-store --no-default-features --features postgres --locked"),
        house.cargo("check -p approvals-cedar --locked"),
        house.cargo("check -p approvals-cli --locked"),
        house.cargo("check -p approvals-cli --no-default-features --locked"),
        house.cargo("check -p approvals-cli --features cedar --locked"),
        house.cargo("check -p approvals-cli --features teams --locked"),
        house.cargo("check -p approvals-http -p approvals-slack -p approvals-teams -p approvals-anchor -p approvals-remote --locked"),
    ])
}

fn all(invocations: &[Invocation]) -> Result<Outcome, Failure> {
    for invocation in invocations {
        println!("{invocation}");
        invocation.run()?;
    }
    Ok(Outcome::Passed)
}

fn word(ended: &Result<Outcome, Failure>) -> &'static str {
    match ended {
        Ok(Outcome::Passed) => "passed",
        Ok(Outcome::Skipped(_)) => "skipped",
        Err(_) => "failed",
    }
}

fn summary(rows: &[(&str, Duration, &str)]) {
    println!("\n=== summary");
    for (name, time, word) in rows {
        println!("  {word:<8} {:>8}  {name}", seconds(*time));
    }
    let total = rows.iter().map(|(_, time, _)| *time).sum();
    println!("  {:<8} {:>8}", "total", seconds(total));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
