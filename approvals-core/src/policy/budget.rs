//! How much an `auto` rule may let through: a whole number of the arguments, summed up.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use super::condition::{Condition, Path, Situation, Test};
use super::rate::{Per, Unit};
use super::requirement::Ceiling;
use super::scalar::{Literal, Scalar};
use crate::id::RuleId;

/// So much of one argument in a sliding window, summed per agent, per person behind it, or of all
/// together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    /// Always a parameter, or a member of one.
    pub(super) arg: Path,
    pub(super) max: NonZeroU64,
    pub(super) per: Unit,
    pub(super) by: Per,
    /// Where it stands in the policy.
    pub(super) at: usize,
}

/// What one call takes of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Amount(u64),
    /// The argument is missing, negative or no whole number: no budget can hold it.
    Nothing,
    /// There was a value, and whoever judges again has not got it.
    Undisclosed,
}

impl Budget {
    pub(super) fn takes(&self, situation: &Situation<'_>) -> Takes {
        if situation.undisclosed.hides(&self.arg) {
            return Takes::Undisclosed;
        }
        match self.arg.look(situation.proposal) {
            Some(Scalar::Integer(number)) => {
                u64::try_from(number).map_or(Takes::Nothing, Takes::Amount)
            }
            _ => Takes::Nothing,
        }
    }

    /// The ceiling that holds for one requester under one rule, for a call that takes so much.
    pub(super) fn ceiling(&self, rule: &RuleId, situation: &Situation<'_>, amount: u64) -> Ceiling {
        // No id of a rule has a space: no counter of another rule is spelled so.
        let name = format!("{rule} budget");
        let counter = self.by.counter(&name, &situation.proposal.requester);
        let window = Duration::from_secs(self.per.seconds());
        Ceiling::new(self.max, window, counter).taking(amount)
    }

    /// A condition on the same argument, by which the loader checks its type.
    pub(super) fn typed(&self) -> Condition {
        Condition {
            path: self.arg.clone(),
            tests: vec![Test::Ge(Literal::Integer(0))],
            at: self.at,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} in all per {}/{}",
            self.max, self.arg, self.per, self.by
        )
    }
}
