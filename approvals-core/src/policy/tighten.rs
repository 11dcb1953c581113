//! The strictest of what the policy and the engines say.

use super::engine::{EngineError, Opinion};
use super::requirement::{Evaluation, Forbidden, Requirement};
use crate::id::{EngineName, RuleId};

impl Evaluation {
    /// This answer and an engine's, the strictest of both: deny, then require (everything that
    /// both ask), and only then allow. An engine that could not tell denies.
    ///
    /// Never weaker than this answer alone: what an engine asks is added to what the policy asks
    /// past the ceilings of its `auto` rules.
    #[must_use]
    pub fn tightened(self, engine: &EngineName, said: Result<Opinion, EngineError>) -> Self {
        match (self, said) {
            (Self::Deny(mut have), Ok(Opinion::Deny(rules))) => {
                have.rules.extend(named(engine, &rules));
                // An engine's no does not end with the policy's calendar.
                have.frozen = None;
                Self::Deny(have)
            }
            (answer, Ok(Opinion::Deny(rules))) => {
                drop(answer);
                Self::Deny(Forbidden::by(named(engine, &rules)))
            }
            (Self::Deny(mut have), Err(error)) => {
                have.problems.push(problem(engine, &error));
                have.frozen = None;
                Self::Deny(have)
            }
            (answer, Err(error)) => {
                drop(answer);
                Self::Deny(Forbidden::because(problem(engine, &error)))
            }
            (answer, Ok(Opinion::NoObjection)) => answer,
            (Self::Deny(have), Ok(Opinion::Require(_))) => Self::Deny(have),
            (Self::Require(have), Ok(Opinion::Require(more))) => {
                Self::Require(have.merge(&renamed(engine, &more)))
            }
            (Self::Allow(allowance), Ok(Opinion::Require(more))) => {
                let more = renamed(engine, &more);
                Self::Require(if allowance.ceilings.is_empty() {
                    more.no_longer_than(&allowance.otherwise)
                } else {
                    // Past a ceiling the policy asks these people; whether it is reached is only
                    // known when the request is recorded.
                    more.merge(&allowance.otherwise)
                })
            }
        }
    }
}

fn renamed(engine: &EngineName, requirement: &Requirement) -> Requirement {
    requirement.by_rules(named(engine, requirement.rules()))
}

/// An engine's rules under the engine's name, so that they are not taken for the policy's.
fn named(engine: &EngineName, rules: &[RuleId]) -> Vec<RuleId> {
    let whole = |rule: &RuleId| format!("{engine}/{rule}").parse::<RuleId>().ok();
    // A name that gets too long loses its end: the record of the engine has it whole.
    let own = || engine.as_str().parse::<RuleId>().ok();
    match rules {
        [] => own().into_iter().collect(),
        rules => rules
            .iter()
            .filter_map(|rule| whole(rule).or_else(own))
            .collect(),
    }
}

fn problem(engine: &EngineName, error: &EngineError) -> String {
    format!("the policy engine `{engine}` could not judge this ({error})")
}
