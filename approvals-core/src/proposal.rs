//! Proposals: all that a policy sees.

use crate::action::Action;
use crate::principal::Requester;

/// One ask before anybody looked at it: who, what, and the two whys.
///
/// `reason` is the author's, written in the guard around the arguments; `rationale` is the
/// agent's own claim. A policy may look at neither: words decide nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Proposal {
    /// Who asks.
    pub requester: Requester,
    /// What is asked.
    pub action: Action,
    /// The author's words around the arguments.
    pub reason: Option<String>,
    /// The agent's own words, unverified.
    pub rationale: Option<String>,
    /// Why the agent breaks the glass, in its own words, unverified; none when it does not. A
    /// policy sees that it does, and never its words.
    pub break_glass: Option<String>,
}

impl Proposal {
    /// A proposal without words.
    #[must_use]
    pub fn new(requester: Requester, action: Action) -> Self {
        Self {
            requester,
            action,
            reason: None,
            rationale: None,
            break_glass: None,
        }
    }
}
