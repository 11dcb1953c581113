//! A policy that has been loaded.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::budget::{Budget, Takes};
use super::calendar::Calendars;
use super::condition::{Condition, Holds, Path, Situation, Undisclosed};
use super::engine::WantedEngine;
use super::memory::Memory;
use super::name::PolicyName;
use super::rate::Rate;
use super::requirement::Requirement;
use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::id::RuleId;
use crate::proposal::Proposal;
use crate::scope::{Scope, ScopePattern};

/// What every action takes; immutable, and cheap to clone and share.
///
/// It can only be made by [`Policy::parse`](crate::policy::Policy::parse), which refuses whatever
/// it does not fully understand, so that a policy that exists can be evaluated without errors.
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

struct Inner {
    text: String,
    digest: PolicyDigest,
    version: u64,
    default: Requirement,
    change: Option<Requirement>,
    calendars: Calendars,
    rules: Vec<Rule>,
    /// The places of the rules by their exact scope or, for a wildcard, by what stands before the
    /// star: that ends with a dot or is empty, so it never equals a scope.
    index: HashMap<String, Vec<usize>>,
    engines: Vec<WantedEngine>,
    memory: Memory,
    unchecked: Vec<String>,
}

/// What was read from a policy text.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) version: u64,
    pub(super) default: Requirement,
    pub(super) change: Option<Requirement>,
    pub(super) calendars: Calendars,
    pub(super) rules: Vec<Rule>,
    pub(super) engines: Vec<WantedEngine>,
    pub(super) memory: Memory,
    pub(super) unchecked: Vec<String>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) scope: ScopePattern,
    pub(super) when: Vec<Condition>,
    pub(super) effect: Effect,
}

/// What a rule does when it matches.
#[derive(Debug)]
pub(super) enum Effect {
    Deny,
    Require(Requirement),
    Auto(Limits),
}

impl Effect {
    pub(super) fn budget(&self) -> Option<&Budget> {
        match self {
            Self::Auto(limits) => limits.budget.as_ref(),
            _ => None,
        }
    }
}

/// How often and how much an `auto` rule lets through at most.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) rate: Option<Rate>,
    pub(super) budget: Option<Budget>,
}

/// One rule of a policy in words, for people who review it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleSummary {
    /// The rule.
    pub id: RuleId,
    /// The scopes it is for.
    pub scope: ScopePattern,
    /// `require`, `deny` or `auto`.
    pub effect: &'static str,
    /// What it takes and when, in a sentence.
    pub description: String,
}

impl Policy {
    pub(super) fn new(text: &str, parts: Parts) -> Self {
        let mut index: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, rule) in parts.rules.iter().enumerate() {
            let pattern = rule.scope.as_str();
            let key = pattern.strip_suffix('*').unwrap_or(pattern);
            index.entry(key.to_owned()).or_default().push(place);
        }
        Self(Arc::new(Inner {
            text: text.to_owned(),
            digest: PolicyDigest::of(text.as_bytes()),
            version: parts.version,
            default: parts.default,
            change: parts.change,
            calendars: parts.calendars,
            rules: parts.rules,
            index,
            engines: parts.engines,
            memory: parts.memory,
            unchecked: parts.unchecked,
        }))
    }

    /// Names exactly this policy text, byte for byte.
    #[must_use]
    pub fn digest(&self) -> PolicyDigest {
        self.0.digest
    }

    /// The version the policy gives itself; a policy in force is only replaced by a higher one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Its version and its digest together.
    #[must_use]
    pub fn name(&self) -> PolicyName {
        PolicyName::new(self.version(), self.digest())
    }

    /// The text it was loaded from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What it takes when no rule matches: always a human.
    #[must_use]
    pub fn default_requirement(&self) -> &Requirement {
        &self.0.default
    }

    /// Who must approve that another policy takes its place; none when whoever writes the file may
    /// replace it.
    #[must_use]
    pub fn change(&self) -> Option<&Requirement> {
        self.0.change.as_ref()
    }

    /// Every rule in words, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = RuleSummary> {
        self.0.rules.iter().map(Rule::summary)
    }

    /// How many rules it has.
    pub(super) fn count(&self) -> usize {
        self.0.rules.len()
    }

    /// For how long a person's no is remembered.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.0.memory
    }

    /// The engines that must judge beside it, by exactly these texts: without one of them nothing
    /// may run.
    #[must_use]
    pub fn engines(&self) -> &[WantedEngine] {
        &self.0.engines
    }

    /// The conditions whose types could not be checked, one sentence each: no guarded function
    /// that was given to [`Policy::parse`] has a scope that the rule is for.
    #[must_use]
    pub fn unchecked(&self) -> Vec<String> {
        self.0.unchecked.clone()
    }

    /// What the rules look into when this is asked at that time.
    pub(super) fn situation<'a>(&'a self, proposal: &'a Proposal, at: Timestamp) -> Situation<'a> {
        Situation {
            proposal,
            at,
            calendars: &self.0.calendars,
            undisclosed: Undisclosed::NOTHING,
        }
    }

    /// The rules that are for this scope, in the order of the file; the others are not looked at.
    pub(super) fn rules_for(&self, scope: &Scope) -> Vec<&Rule> {
        let scope = scope.as_str();
        let prefixes = scope
            .match_indices('.')
            .filter_map(|(dot, _)| scope.get(..=dot));
        let mut places: Vec<usize> = prefixes
            .chain(["", scope])
            .filter_map(|key| self.0.index.get(key))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        let rule = |place| self.0.rules.get(place);
        places.into_iter().filter_map(rule).collect()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Policy(version {}, {} rules, {})",
            self.0.version,
            self.0.rules.len(),
            self.0.digest
        )
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.rate, &self.budget) {
            (None, None) => f.write_str("without a ceiling"),
            (Some(rate), None) => write!(f, "at most {rate}"),
            (None, Some(budget)) => write!(f, "at most {budget}"),
            (Some(rate), Some(budget)) => write!(f, "at most {rate} and {budget}"),
        }
    }
}

impl Rule {
    pub(super) fn holds(&self, situation: &Situation<'_>) -> Holds {
        Holds::all(self.when.iter().map(|condition| condition.holds(situation)))
    }

    /// Whether it sums up a value that is not disclosed.
    pub(super) fn counts_undisclosed(&self, situation: &Situation<'_>) -> bool {
        let Effect::Auto(limits) = &self.effect else {
            return false;
        };
        let takes = limits.budget.as_ref().map(|budget| budget.takes(situation));
        takes == Some(Takes::Undisclosed)
    }

    /// Whether it looks at whether the glass is broken.
    pub(super) fn knows_glass(&self) -> bool {
        self.when
            .iter()
            .any(|condition| condition.path == Path::BreakGlass)
    }

    /// Its condition on a calendar, when it has one.
    pub(super) fn calendar(&self) -> Option<&Condition> {
        self.when
            .iter()
            .find(|condition| condition.path == Path::Calendar)
    }

    pub(super) fn summary(&self) -> RuleSummary {
        let (effect, mut description) = match &self.effect {
            Effect::Deny => ("deny", "never, whoever approves".to_owned()),
            Effect::Auto(limits) => ("auto", format!("by itself, {limits}")),
            Effect::Require(requirement) => ("require", requirement.to_string()),
        };
        let conditions: Vec<String> = self.when.iter().map(Condition::to_string).collect();
        if !conditions.is_empty() {
            description.push_str(" when ");
            description.push_str(&conditions.join(" and "));
        }
        RuleSummary {
            id: self.id.clone(),
            scope: self.scope.clone(),
            effect,
            description,
        }
    }
}
