//! Saying again, from a record, what a policy said of an action then.

use super::condition::{Holds, Undisclosed};
use super::model::{Effect, Policy, Rule};
use super::requirement::{Evaluation, Forbidden};
use crate::clock::Timestamp;
use crate::id::RuleId;
use crate::proposal::Proposal;

/// What a policy can have said.
#[derive(Debug)]
pub(crate) struct Recalled {
    /// Every answer that fits the rules on record; one, unless something is not disclosed.
    pub(crate) answers: Vec<Evaluation>,
    /// Whether a rule looks at a value that is not disclosed, so that the record was believed
    /// about this rule.
    pub(crate) rests: bool,
}

impl Policy {
    /// What this policy said of a proposal at that time, when `recorded` are the rules that
    /// decided as far as the record says.
    ///
    /// A rule whose conditions can be looked at is looked at. Of a rule with a condition on a
    /// value that is not disclosed, and no other condition that fails, the record is believed, and
    /// nothing else is.
    pub(crate) fn recall(
        &self,
        proposal: &Proposal,
        at: Timestamp,
        undisclosed: &Undisclosed,
        recorded: &[RuleId],
    ) -> Recalled {
        let mut situation = self.situation(proposal, at);
        situation.undisclosed = undisclosed;
        let rules = self.rules_for(&proposal.action.scope);
        let rests = rules.iter().any(|rule| {
            rule.holds(&situation) == Holds::Undisclosed || rule.counts_undisclosed(&situation)
        });
        let answer = |believed: Holds| {
            self.judge(&situation, |rule| match rule.holds(&situation) {
                Holds::Undisclosed => believe(rule, recorded, believed),
                known => known,
            })
        };
        let mut answers = vec![answer(Holds::Yes)];
        if rests {
            // The value may have been of another kind than the condition compares with: then the
            // rule was added to the default instead of replacing it.
            let other = answer(Holds::Unknown);
            if !answers.contains(&other) {
                answers.push(other);
            }
        }
        if undisclosed.break_glass {
            // The words may have been none.
            answers.push(Evaluation::Deny(Forbidden::without_reason()));
        }
        Recalled { answers, rests }
    }
}

fn believe(rule: &Rule, recorded: &[RuleId], believed: Holds) -> Holds {
    match (&rule.effect, recorded.contains(&rule.id)) {
        (_, false) => Holds::No,
        // Only a rule that surely matches is named for letting something through.
        (Effect::Auto(_), true) => Holds::Yes,
        (_, true) => believed,
    }
}
