//! Answers in a line, for people who compare them.

use super::quorum::Quorum;
use super::requirement::Evaluation;
use crate::error::Code;

impl Evaluation {
    /// The answer in a line, as cases write it: `auto`, `deny`, `frozen`, or `require` with whom.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Allow(_) => "auto".to_owned(),
            Self::Deny(forbidden) if forbidden.code() == Code::Frozen => "frozen".to_owned(),
            Self::Deny(_) => "deny".to_owned(),
            Self::Require(requirement) => {
                let quorums = requirement.quorums().iter().map(Quorum::to_string);
                format!("require {}", quorums.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
