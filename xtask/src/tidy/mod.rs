//! `cargo xtask tidy`: the rules of the house that no compiler checks. A test calls it too.

mod evidence;
mod order;
mod size;
mod text;

use std::fmt;
use std::path::Path;

use crate::command::{Failure, Outcome};
use crate::workspace::Workspace;

/// One place that breaks a rule, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Every finding in the workspace, sorted by place; none is the only good answer.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let rules = [order::check, size::check, evidence::check, text::check];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(workspace)).collect();
    findings.sort();
    findings
}

/// Checks the workspace at `root` and prints what it finds.
///
/// # Errors
/// A file could not be read, or at least one rule is broken.
pub fn run(root: &Path) -> Result<Outcome, Failure> {
    let workspace = Workspace::load(root)?;
    let findings = check(&workspace);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!(
            "tidy: {} files, nothing to put in order",
            workspace.files().count()
        );
        return Ok(Outcome::Passed);
    }
    Err(Failure::new(format!("{} places are not tidy", findings.len())).repeat("cargo xtask tidy"))
}

#[cfg(test)]
mod fixture {
    use super::Finding;
    use crate::workspace::{File, Workspace};

    /// Runs one rule over files given as path and text, and compares `path:line` and a part of each message.
    pub(super) fn check(
        rule: fn(&Workspace) -> Vec<Finding>,
        files: &[(&str, &str)],
        expected: &[(&str, &str)],
    ) {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        let mut findings = rule(&Workspace::new(files.iter().map(file).collect()));
        findings.sort();
        let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{files:?}\n{found:#?}");
        for (finding, (place, part)) in found.iter().zip(expected) {
            assert!(
                finding.starts_with(&format!("{place}: ")) && finding.contains(part),
                "{finding} is not {place}: {part}"
            );
        }
    }
}
