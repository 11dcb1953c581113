//! How much of the log others have seen, and what keeps them from seeing more.

use std::time::Duration;

use serde::Serialize;

use super::AnchorMode;
use crate::clock::Timestamp;
use crate::ledger::WitnessedHead;

/// How much of the log is anchored now: what a readiness probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AnchorStatus {
    /// Whether anything waits for witnesses.
    pub mode: AnchorMode,
    /// Whether little enough is unanchored, and nobody says that the log was forked or rolled back.
    pub ready: bool,
    /// The largest head that a quorum has cosigned.
    pub anchored: Option<WitnessedHead>,
    /// So many records stand behind it, unless they only say that it was anchored.
    pub unanchored: u64,
    /// When the first of them was written.
    pub oldest: Option<Timestamp>,
    /// What is wrong, for an operator; alarms first.
    pub problems: Vec<String>,
}

/// What may be unanchored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) most: u64,
    pub(super) age: Duration,
}

impl AnchorStatus {
    pub(super) fn new(mode: AnchorMode) -> Self {
        Self {
            mode,
            ready: false,
            anchored: None,
            unanchored: 0,
            oldest: None,
            problems: vec!["the log has not been looked at yet".to_owned()],
        }
    }

    /// The same, judged by what may be unanchored at this time.
    pub(super) fn judged(mut self, limits: Limits, now: Timestamp) -> Self {
        let age = self.oldest.map(|oldest| now.since(oldest));
        if self.unanchored > limits.most {
            let (have, most) = (self.unanchored, limits.most);
            self.problems
                .push(format!("{have} records are unanchored, and {most} may be"));
            self.ready = false;
        }
        if let Some(age) = age.filter(|age| *age > limits.age) {
            let most = limits.age;
            self.problems.push(format!(
                "a record has been unanchored for {age:.0?}, and {most:?} are allowed"
            ));
            self.ready = false;
        }
        self
    }
}
