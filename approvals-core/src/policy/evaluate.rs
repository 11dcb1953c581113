//! Evaluation: pure, total, and strict about what it does not know.

use super::budget::Takes;
use super::condition::{Holds, Situation};
use super::model::{Effect, Policy, Rule};
use super::requirement::{Allowance, Ceiling, Evaluation, Forbidden, Requirement};
use crate::clock::Timestamp;
use crate::principal::Assurance;
use crate::proposal::Proposal;

impl Policy {
    /// What this proposal takes under this policy at that time.
    ///
    /// Every rule for the scope is looked at, and the strictest kind of answer wins: a hard deny,
    /// then all matching requirements merged, then what runs by itself, then the default.
    ///
    /// A value that is missing, redacted, or of another kind than the condition compares with can
    /// only tighten: it matches rules that deny or require, and never one that lets through by
    /// itself. Requirements that match for no better reason are added to the default and do not
    /// replace it, and ceilings of `auto` rules that may match are kept, so that leaving a value
    /// out never buys a weaker answer than any value would. What a budget cannot hold (nothing, less
    /// than nothing, or no whole number) goes to people.
    ///
    /// Whoever breaks the glass is denied unless a rule for the scope has a condition on
    /// `break_glass`, and asked for people who sign with their own keys in any other case.
    ///
    /// What the library itself demands for its own actions is part of the answer: a policy can
    /// only raise it.
    #[must_use]
    pub fn evaluate(&self, proposal: &Proposal, at: Timestamp) -> Evaluation {
        let situation = self.situation(proposal, at);
        self.judge(&situation, |rule| rule.holds(&situation))
    }

    /// The answer, given whether each of the rules holds.
    pub(super) fn judge(
        &self,
        situation: &Situation<'_>,
        holds: impl Fn(&Rule) -> Holds,
    ) -> Evaluation {
        let proposal = situation.proposal;
        let answer = match self.forbids_glass(proposal) {
            Some(forbidden) => Evaluation::Deny(forbidden),
            None => self.by_rules(situation, holds),
        };
        let raised = self.raised(answer, &proposal.action.scope);
        raised.hardened(proposal)
    }

    fn by_rules(&self, situation: &Situation<'_>, holds: impl Fn(&Rule) -> Holds) -> Evaluation {
        let mut matched = Matched::default();
        for rule in self.rules_for(&situation.proposal.action.scope) {
            matched.add(rule, holds(rule));
        }
        if !matched.denied.is_empty() {
            return Evaluation::Deny(matched.forbidden(situation));
        }
        let default = self.default_requirement();
        match (&matched.required, &matched.perhaps_required) {
            (Some(sure), Some(perhaps)) => Evaluation::Require(sure.merge(perhaps)),
            (Some(sure), None) => Evaluation::Require(sure.clone()),
            (None, Some(perhaps)) => Evaluation::Require(perhaps.merge(default)),
            (None, None) if matched.allowed.is_empty() => Evaluation::Require(default.clone()),
            (None, None) => match matched.ceilings(situation) {
                Some(ceilings) => {
                    let rules = ids(&matched.allowed);
                    Evaluation::Allow(Allowance::new(rules, ceilings, default.clone()))
                }
                None => Evaluation::Require(default.clone()),
            },
        }
    }
}

impl Policy {
    /// Why the glass must not be broken for this, whatever the rules say; none when it is whole.
    fn forbids_glass(&self, proposal: &Proposal) -> Option<Forbidden> {
        let reason = proposal.break_glass.as_ref()?;
        if reason.trim().is_empty() {
            return Some(Forbidden::without_reason());
        }
        let scope = &proposal.action.scope;
        let opted_in = self.rules_for(scope).iter().any(|rule| rule.knows_glass());
        (!opted_in).then(|| {
            Forbidden::because(format!(
                "no rule of the policy lets anybody break the glass for `{scope}`; ask without it, or add `break_glass = false` to the rule that may be lifted"
            ))
        })
    }
}

impl Evaluation {
    /// The answer for who breaks the glass: never without people, and never without a signature of
    /// each person's own key. The same answer for everybody else.
    #[must_use]
    pub(crate) fn hardened(self, proposal: &Proposal) -> Self {
        match self {
            answer if proposal.break_glass.is_none() => answer,
            Self::Deny(forbidden) => Self::Deny(forbidden),
            Self::Require(requirement) => Self::Require(requirement.at_least(Assurance::A3)),
            Self::Allow(allowance) => Self::Require(allowance.otherwise.at_least(Assurance::A3)),
        }
    }
}

#[derive(Default)]
struct Matched<'p> {
    denied: Vec<&'p Rule>,
    required: Option<Requirement>,
    perhaps_required: Option<Requirement>,
    allowed: Vec<&'p Rule>,
    /// Every `auto` rule that matches or may match: a ceiling can only tighten.
    limiting: Vec<&'p Rule>,
}

impl<'p> Matched<'p> {
    fn add(&mut self, rule: &'p Rule, holds: Holds) {
        // INVARIANT: what is not disclosed never gets here; it would count as unknown.
        match (&rule.effect, holds) {
            (_, Holds::No) => {}
            (Effect::Deny, _) => self.denied.push(rule),
            (Effect::Auto(_), Holds::Unknown | Holds::Undisclosed) => self.limiting.push(rule),
            (Effect::Auto(_), Holds::Yes) => {
                self.allowed.push(rule);
                self.limiting.push(rule);
            }
            (Effect::Require(more), Holds::Yes) => tighten(&mut self.required, more),
            (Effect::Require(more), Holds::Unknown | Holds::Undisclosed) => {
                tighten(&mut self.perhaps_required, more)
            }
        }
    }

    /// A no that ends with a calendar only if each rule behind it is bound to one.
    fn forbidden(&self, situation: &Situation<'_>) -> Forbidden {
        let rules = ids(&self.denied);
        let calendars: Option<Vec<_>> = self.denied.iter().map(|rule| rule.calendar()).collect();
        let Some(calendars) = calendars else {
            return Forbidden::by(rules);
        };
        let ends: Option<Vec<Timestamp>> = calendars
            .into_iter()
            .map(|condition| condition.until(situation))
            .collect();
        Forbidden::frozen(rules, ends.and_then(|ends| ends.into_iter().max()))
    }

    /// What the rules let through at most; none when one of them cannot tell how much this takes.
    fn ceilings(&self, situation: &Situation<'_>) -> Option<Vec<Ceiling>> {
        let mut ceilings = Vec::new();
        for rule in &self.limiting {
            let Effect::Auto(limits) = &rule.effect else {
                continue;
            };
            let requester = &situation.proposal.requester;
            let rate = limits.rate.map(|rate| rate.ceiling(&rule.id, requester));
            ceilings.extend(rate);
            if let Some(budget) = &limits.budget {
                let amount = match budget.takes(situation) {
                    Takes::Amount(amount) => amount,
                    // The record is believed, as it is about the rule itself.
                    Takes::Undisclosed => 0,
                    Takes::Nothing => return None,
                };
                ceilings.push(budget.ceiling(&rule.id, situation, amount));
            }
        }
        Some(ceilings)
    }
}

fn tighten(have: &mut Option<Requirement>, more: &Requirement) {
    *have = Some(match have.take() {
        Some(have) => have.merge(more),
        None => more.clone(),
    });
}

fn ids(rules: &[&Rule]) -> Vec<crate::id::RuleId> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}
