//! The loader: reads a policy text whole or not at all.

mod auto;
mod budget;
mod calendar;
mod change;
mod engine;
mod escalate;
mod memory;
mod requirement;
mod rule;
mod typing;
mod when;

use std::collections::BTreeSet;
use std::fmt;

pub(super) use self::calendar::{MOMENT, moment};
use self::rule::Loader;
use super::document::{self, Finding, Findings, Section};
use super::model::{Parts, Policy};
use crate::action::GuardedFn;
use crate::error::{ApprovalError, Code};
use crate::id::GroupName;

impl Policy {
    /// Reads a policy text.
    ///
    /// `groups` are the groups that the directory knows; `guarded` are the guarded functions of
    /// this program (see [`inventory`](crate::action::inventory)), from which conditions get their
    /// types. A condition of a rule that is for none of them is accepted unchecked, because the
    /// policy may serve other programs too: see [`Policy::unchecked`].
    ///
    /// # Errors
    /// [`PolicyError`], with everything that is wrong at once: broken TOML, an unknown key, group,
    /// parameter or operator, a missing default, a condition that compares with the wrong kind of
    /// value, an `auto` rule that lets through more than it names, or a text beyond a size limit.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::policy::Policy;
    ///
    /// let groups = ["oncall".parse()?].into();
    /// let text = r#"
    ///     version = 1
    ///     default = { require = [{ group = "oncall" }] }
    /// "#;
    /// assert!(Policy::parse(text, &groups, &[]).is_ok());
    ///
    /// let wrong = text.replace("oncall", "oncal");
    /// let error = Policy::parse(&wrong, &groups, &[]).unwrap_err();
    /// assert_eq!(error.to_string(), "line 3: `oncal` is not a group of the directory; it knows `oncall`");
    /// # Ok::<(), approvals_core::id::InvalidId>(())
    /// ```
    pub fn parse(
        text: &str,
        groups: &BTreeSet<GroupName>,
        guarded: &[&'static GuardedFn],
    ) -> Result<Self, PolicyError> {
        let mut findings = Findings::of(text);
        let parts = read(text, Some(groups), guarded, &mut findings);
        let parts = findings.finish(parts).map_err(PolicyError)?;
        Ok(Self::new(text, parts))
    }

    /// Reads a policy text that was in force, to say again what it said then: the groups and
    /// guarded functions of that time are not there to be compared with, and change no answer.
    ///
    /// # Errors
    /// [`PolicyError`] when the text could not have been loaded with any groups and functions.
    pub fn on_record(text: &str) -> Result<Self, PolicyError> {
        let mut findings = Findings::of(text);
        let parts = read(text, None, &[], &mut findings);
        let parts = findings.finish(parts).map_err(PolicyError)?;
        Ok(Self::new(text, parts))
    }
}

/// Everything that keeps a policy from being loaded; always `PolicyInvalid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError(Vec<Finding>);

impl PolicyError {
    pub(super) fn of(findings: Vec<Finding>) -> Self {
        Self(findings)
    }

    /// What is wrong, in the order of the file; never empty.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::PolicyInvalid
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, finding) in self.0.iter().enumerate() {
            let newline = if place > 0 { "\n" } else { "" };
            write!(f, "{newline}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyError {}

impl From<PolicyError> for ApprovalError {
    fn from(error: PolicyError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn read(
    text: &str,
    groups: Option<&BTreeSet<GroupName>>,
    guarded: &[&'static GuardedFn],
    findings: &mut Findings,
) -> Option<Parts> {
    let document = document::parse(text, MAX_BYTES, findings)?;
    let file = Section::new(document.get_ref(), 0, KEYS, findings);
    let version = version(file, findings);
    let calendars = calendar::read(file, findings);
    // A calendar that cannot be read is a finding of its own, not one of each rule that names it.
    let names = calendar::names(file);
    let mut loader = Loader::new(groups, guarded, names, findings);
    let default = loader.default(file);
    let change = loader.change(file);
    let engines = loader.engines(file);
    let memory = loader.memory(file);
    let (rules, unchecked) = loader.rules(file)?;
    change::replaceable(file, &rules, findings);
    Some(Parts {
        version: version?,
        default: default?,
        change: change?,
        engines: engines?,
        memory: memory?,
        calendars: calendars?,
        rules,
        unchecked,
    })
}

fn version(file: Section<'_, '_>, findings: &mut Findings) -> Option<u64> {
    let example = "`version = 1`, and raise it with every change";
    let item = file.need("version", example, findings)?;
    let number = item.integer(1, i128::from(i64::MAX), findings)?;
    u64::try_from(number).ok()
}

const KEYS: &[&str] = &[
    "version", "default", "change", "calendar", "engine", "memory", "rule",
];
const MAX_BYTES: usize = 1 << 20;
