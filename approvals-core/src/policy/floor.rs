//! What no policy can go below: the library's own actions that take two people.

use super::requirement::{Evaluation, Forbidden};
use crate::scope::Scope;

/// The library's own action that erases what people were shown of one request.
pub const ERASE: &str = "approvals.erase";

/// How many distinct people an erasure takes, whatever a policy says ([NIST AU-9(5)], dual
/// authorization).
///
/// [NIST AU-9(5)]: https://csrc.nist.gov/projects/cprt/catalog#/cprt/framework/version/SP_800_53_5_1_1/home?element=AU-09-05
pub const ERASE_NEEDS: u8 = 2;

impl Evaluation {
    /// The same answer, raised to what the library itself demands for this scope; never lowered.
    ///
    /// What a rule lets through by itself is forbidden then: nobody would have looked.
    pub(super) fn at_least_for(self, scope: &Scope) -> Self {
        match self {
            answer if scope.as_str() != ERASE => answer,
            Self::Allow(allowance) => {
                let mut forbidden = Forbidden::by(allowance.rules);
                forbidden.problems.push(format!(
                    "`{ERASE}` takes {ERASE_NEEDS} people and never runs by itself; make the rule require people"
                ));
                Self::Deny(forbidden)
            }
            Self::Require(requirement) => Self::Require(requirement.of_at_least(ERASE_NEEDS)),
            Self::Deny(forbidden) => Self::Deny(forbidden),
        }
    }
}
