//! Which of two answers is the stricter one.

use super::quorum::Quorum;
use super::requirement::{Allowance, Ceiling, Evaluation, Requirement};

/// How one answer stands to another, for whoever compares policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "two answers cannot stand to each other in a fifth way"
)]
pub enum Strictness {
    /// Both ask the same.
    Same,
    /// It asks everything that the other asks, and more.
    Stricter,
    /// The other asks everything that it asks, and more.
    Weaker,
    /// Each asks something that the other does not.
    Other,
}

impl Strictness {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Stricter => "stricter",
            Self::Weaker => "weaker",
            Self::Other => "other",
        }
    }
}

impl Evaluation {
    /// How this answer stands to another one.
    #[must_use]
    pub fn compared_to(&self, other: &Self) -> Strictness {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Strictness::Same,
            (true, false) => Strictness::Stricter,
            (false, true) => Strictness::Weaker,
            (false, false) => Strictness::Other,
        }
    }

    /// Whether whatever this answer lets run, the other one would let run too: the rules that say
    /// so do not count.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Deny(_), _) => true,
            (_, Self::Deny(_)) => false,
            (Self::Allow(_), Self::Require(_)) => false,
            (Self::Require(mine), Self::Require(theirs)) => mine.covers(theirs),
            // Past a ceiling, the other one asks people after all.
            (Self::Require(mine), Self::Allow(theirs)) => {
                theirs.ceilings.is_empty() || mine.covers(&theirs.otherwise)
            }
            (Self::Allow(mine), Self::Allow(theirs)) => mine.covers(theirs),
        }
    }
}

impl Requirement {
    /// Whether everything that the other requirement asks is asked by this one, too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let has = |theirs: &Quorum| self.quorums().iter().any(|mine| mine.covers(theirs));
        other.quorums().iter().all(has)
            && self.decide_within() <= other.decide_within()
            && self.use_within() <= other.use_within()
    }
}

impl Allowance {
    fn covers(&self, other: &Self) -> bool {
        let has = |theirs: &Ceiling| {
            self.ceilings.iter().any(|mine| {
                mine.counter == theirs.counter
                    && mine.limit <= theirs.limit
                    && mine.window >= theirs.window
                    && mine.amount >= theirs.amount
            })
        };
        let past = other.ceilings.is_empty() || self.otherwise.covers(&other.otherwise);
        past && other.ceilings.iter().all(has)
    }
}
