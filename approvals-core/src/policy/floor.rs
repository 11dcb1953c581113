//! What no policy can go below: the library's own actions.

use super::model::Policy;
use super::requirement::{Evaluation, Forbidden};
use crate::scope::Scope;

/// The library's own action that erases what people were shown of one request.
pub const ERASE: &str = "approvals.erase";

/// How many distinct people an erasure takes, whatever a policy says ([NIST AU-9(5)], dual
/// authorization).
///
/// [NIST AU-9(5)]: https://csrc.nist.gov/projects/cprt/catalog#/cprt/framework/version/SP_800_53_5_1_1/home?element=AU-09-05
pub const ERASE_NEEDS: u8 = 2;

/// The library's own action that replaces the policy in force.
pub const POLICY_CHANGE: &str = "approvals.policy.change";

impl Policy {
    /// The same answer, raised to what the library itself demands for this scope; never lowered.
    pub(super) fn raised(&self, answer: Evaluation, scope: &Scope) -> Evaluation {
        match scope.as_str() {
            ERASE => of_two_people(answer),
            POLICY_CHANGE => self.by_its_keepers(answer),
            _ => answer,
        }
    }

    /// Whoever must approve a replacement of this policy is always asked. Rules can ask more people
    /// or forbid it for a time; neither a rule nor the default can let it through.
    fn by_its_keepers(&self, answer: Evaluation) -> Evaluation {
        let Some(keepers) = self.change() else {
            return Evaluation::Deny(Forbidden::because(
                "the policy in force names nobody who must approve its replacement; put the new file in its place, and add `change` to it to be asked from then on",
            ));
        };
        match answer {
            Evaluation::Deny(forbidden) => Evaluation::Deny(forbidden),
            Evaluation::Require(more) if !more.rules().is_empty() => {
                Evaluation::Require(keepers.merge(&more))
            }
            Evaluation::Require(_) | Evaluation::Allow(_) => Evaluation::Require(keepers.clone()),
        }
    }
}

/// What a rule lets through by itself is forbidden then: nobody would have looked.
fn of_two_people(answer: Evaluation) -> Evaluation {
    match answer {
        Evaluation::Allow(allowance) => {
            let mut forbidden = Forbidden::by(allowance.rules);
            forbidden.problems.push(format!(
                "`{ERASE}` takes {ERASE_NEEDS} people and never runs by itself; make the rule require people"
            ));
            Evaluation::Deny(forbidden)
        }
        Evaluation::Require(requirement) => {
            Evaluation::Require(requirement.of_at_least(ERASE_NEEDS))
        }
        Evaluation::Deny(forbidden) => Evaluation::Deny(forbidden),
    }
}
