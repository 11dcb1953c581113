//! What a policy answers: allow, deny, or what it takes.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quorum::Quorum;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::id::RuleId;
use crate::principal::Assurance;

/// A policy's answer to a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth answer would have to be handled everywhere"
)]
pub enum Evaluation {
    /// A rule lets it through by itself, within a ceiling.
    Allow(Allowance),
    /// A rule forbids it; no approval can lift that.
    Deny(Forbidden),
    /// People must approve.
    Require(Requirement),
}

impl Evaluation {
    /// The rules behind it; empty when it is the policy's default.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        match self {
            Self::Require(requirement) => requirement.rules(),
            Self::Allow(allowance) => &allowance.rules,
            Self::Deny(forbidden) => &forbidden.rules,
        }
    }

    /// How long people may take to decide, and how long an approval may wait to be used.
    #[must_use]
    pub fn times(&self) -> (Duration, Duration) {
        let of =
            |requirement: &Requirement| (requirement.decide_within(), requirement.use_within());
        match self {
            Self::Require(requirement) => of(requirement),
            Self::Allow(allowance) => of(&allowance.otherwise),
            Self::Deny(_) => (NO_REQUIREMENT, NO_REQUIREMENT),
        }
    }
}

/// Both times of what no person can decide.
const NO_REQUIREMENT: Duration = Duration::from_secs(900);

/// What lets an action through by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// The rules that say so.
    pub rules: Vec<RuleId>,
    /// How often and how much at most; every one of them must have room.
    pub ceilings: Vec<Ceiling>,
    /// What it takes once a ceiling is reached.
    pub otherwise: Requirement,
}

impl Allowance {
    /// An allowance by these rules; past a ceiling, `otherwise` is required.
    #[must_use]
    pub fn new(rules: Vec<RuleId>, ceilings: Vec<Ceiling>, otherwise: Requirement) -> Self {
        Self {
            rules,
            ceilings,
            otherwise,
        }
    }
}

/// How often, or how much, a rule may let through in a sliding window; counted in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ceiling {
    /// How much at most.
    pub limit: NonZeroU64,
    /// In how long a time.
    pub window: Duration,
    /// What is counted together, such as `ro` or `ro/agent:backup-bot`.
    pub counter: String,
    /// How much this one call takes: one, where calls are counted.
    pub amount: u64,
}

impl Ceiling {
    /// At most `limit` in `window`, counted under `counter`, of which a call takes one.
    #[must_use]
    pub fn new(limit: NonZeroU64, window: Duration, counter: String) -> Self {
        Self {
            limit,
            window,
            counter,
            amount: 1,
        }
    }

    /// The same ceiling, of which this call takes so much.
    #[must_use]
    pub fn taking(mut self, amount: u64) -> Self {
        self.amount = amount;
        self
    }

    /// Whether this call has room when so much was let through in the window.
    #[must_use]
    pub fn has_room(&self, counted: u64) -> bool {
        counted.saturating_add(self.amount) <= self.limit.get()
    }
}

/// A no that no approval can lift.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forbidden {
    /// The rules that say so.
    pub rules: Vec<RuleId>,
    /// What kept engines from judging, a sentence each; a no by itself.
    pub problems: Vec<String>,
    /// When it ends by itself: set when every rule behind it is bound to a calendar.
    pub frozen: Option<Freeze>,
}

/// A no that ends with a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Freeze {
    /// When the calendars let go, as far as that is in sight.
    pub until: Option<Timestamp>,
}

impl Forbidden {
    /// Forbidden by these rules, at any time.
    #[must_use]
    pub fn by(rules: Vec<RuleId>) -> Self {
        Self {
            rules,
            problems: Vec::new(),
            frozen: None,
        }
    }

    /// Forbidden by these rules, each of them bound to a calendar, until it lets go.
    #[must_use]
    pub fn frozen(rules: Vec<RuleId>, until: Option<Timestamp>) -> Self {
        Self {
            frozen: Some(Freeze { until }),
            ..Self::by(rules)
        }
    }

    /// Forbidden because of this, which is no rule of the policy.
    #[must_use]
    pub fn because(problem: impl Into<String>) -> Self {
        Self {
            problems: vec![problem.into()],
            ..Self::by(Vec::new())
        }
    }

    /// Forbidden because the glass is to be broken and nobody says why.
    pub(super) fn without_reason() -> Self {
        Self::because("who breaks the glass must say why; give a reason to `break_glass(..)`")
    }

    /// `Frozen` for what a calendar forbids for a time, `PolicyDenied` for any other no.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.frozen {
            Some(_) => Code::Frozen,
            None => Code::PolicyDenied,
        }
    }

    /// What the rules behind it say, in a sentence.
    fn by_rules(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(|rule| format!("`{rule}`")).collect();
        let rules = rules.join(", ");
        match self.frozen {
            None => format!("policy rule {rules} forbids this; no approval can lift it"),
            Some(Freeze { until: Some(until) }) => {
                format!("policy rule {rules} freezes this until {until}; ask again then")
            }
            Some(Freeze { until: None }) => {
                format!("policy rule {rules} freezes this; ask again when its calendar lets go")
            }
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = !self.rules.is_empty() || self.problems.is_empty();
        let by_rules = said.then(|| self.by_rules());
        let sentences: Vec<&str> = by_rules
            .iter()
            .chain(&self.problems)
            .map(String::as_str)
            .collect();
        f.write_str(&sentences.join("; "))
    }
}

/// What it takes: quorums that must all be met by distinct people, and two of the three clocks.
///
/// A requirement of nobody cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Parts", into = "Parts")]
pub struct Requirement(Parts);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    quorums: Vec<Quorum>,
    decide_within_s: u64,
    use_within_s: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<RuleId>,
}

/// A requirement that names no group would let everything through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a requirement must name at least one group and one person of it")]
pub struct ZeroApprovals;

impl Requirement {
    /// All of these quorums, decided within one time and used within another.
    ///
    /// Both times are whole seconds; a fraction is dropped, and less than a second becomes one.
    ///
    /// # Errors
    /// [`ZeroApprovals`] when there is no quorum.
    pub fn new(
        quorums: Vec<Quorum>,
        decide_within: Duration,
        use_within: Duration,
        rules: Vec<RuleId>,
    ) -> Result<Self, ZeroApprovals> {
        Parts {
            quorums,
            decide_within_s: decide_within.as_secs().max(1),
            use_within_s: use_within.as_secs().max(1),
            rules,
        }
        .try_into()
    }

    /// The quorums, sorted by group; never empty.
    #[must_use]
    pub fn quorums(&self) -> &[Quorum] {
        &self.0.quorums
    }

    /// How long people may take to decide.
    #[must_use]
    pub fn decide_within(&self) -> Duration {
        Duration::from_secs(self.0.decide_within_s)
    }

    /// How long an approval may wait to be used.
    #[must_use]
    pub fn use_within(&self) -> Duration {
        Duration::from_secs(self.0.use_within_s)
    }

    /// The rules behind it; empty when it is the policy's default.
    #[must_use]
    pub fn rules(&self) -> &[RuleId] {
        &self.0.rules
    }

    /// The times after the ask at which more people may fill a seat, in order: level 1, 2, and so on.
    #[must_use]
    pub fn escalations(&self) -> Vec<Duration> {
        let others = self.0.quorums.iter().flat_map(Quorum::others);
        let times: BTreeSet<Duration> = others.map(|(_, after)| after).collect();
        times.into_iter().collect()
    }

    /// The same people and times, with an assurance that is at least this.
    pub(super) fn at_least(&self, assurance: Assurance) -> Self {
        let mut parts = self.0.clone();
        for quorum in &mut parts.quorums {
            quorum.assurance = quorum.assurance.max(assurance);
        }
        Self(parts)
    }

    /// The same people and times, demanded by these rules.
    pub(super) fn by_rules(&self, rules: Vec<RuleId>) -> Self {
        let mut parts = self.0.clone();
        parts.rules = rules;
        Self(parts)
    }

    /// The same requirement, raised to so many distinct people when it asks for fewer.
    pub(super) fn of_at_least(&self, people: u8) -> Self {
        let mut parts = self.0.clone();
        let have = parts
            .quorums
            .iter()
            .fold(0_u8, |sum, quorum| sum.saturating_add(quorum.need.get()));
        if let Some(quorum) = parts.quorums.first_mut() {
            let short = people.saturating_sub(have);
            quorum.need = quorum.need.saturating_add(short);
        }
        Self(parts)
    }

    /// The same people, with the shorter of each time.
    pub(super) fn no_longer_than(&self, other: &Self) -> Self {
        let mut parts = self.0.clone();
        parts.decide_within_s = parts.decide_within_s.min(other.0.decide_within_s);
        parts.use_within_s = parts.use_within_s.min(other.0.use_within_s);
        Self(parts)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, quorum) in self.quorums().iter().enumerate() {
            let and = if place > 0 { " and " } else { "" };
            write!(f, "{and}{}", quorum.in_words())?;
        }
        Ok(())
    }
}

impl TryFrom<Parts> for Requirement {
    type Error = ZeroApprovals;
    fn try_from(mut parts: Parts) -> Result<Self, ZeroApprovals> {
        parts.quorums.sort();
        // One entry per group, the strictest: two entries would ask for the sum of people.
        parts.quorums.dedup_by(|later, kept| {
            let same = later.group == kept.group;
            if same {
                *kept = kept.and(later);
            }
            same
        });
        if parts.quorums.is_empty() {
            Err(ZeroApprovals)
        } else {
            Ok(Self(parts))
        }
    }
}

impl From<Requirement> for Parts {
    fn from(requirement: Requirement) -> Self {
        requirement.0
    }
}
