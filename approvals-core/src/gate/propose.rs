//! From a call to a proposal: who asks, and whether it can be shown and bound.

use super::{Call, Inner};
use crate::action::Action;
use crate::error::{ApprovalError, Code};
use crate::proposal::Proposal;

/// How many characters an agent may use for its words.
const MAX_WORDS: usize = 4_000;

/// How many characters the author's words may have with the arguments in them.
const MAX_AROUND: usize = 200_000;

pub(super) async fn propose(inner: &Inner, call: Call) -> Result<Proposal, ApprovalError> {
    check_words(&call)?;
    let mut proposal = call.into_proposal()?;
    for person in proposal.requester.people() {
        let standing = inner.standing(&person).await?;
        if standing.is_none() {
            // Somebody the directory does not know could approve under another name.
            return Err(ApprovalError::new(
                Code::IdentityUnresolved,
                format!(
                    "`{person}` stands behind this agent and is not in the directory; add the person to people.toml"
                ),
            ));
        }
    }
    inner.place(&mut proposal.action);
    if inner.options.full_binding && !proposal.action.not_covered.is_empty() {
        let names = proposal.action.not_covered.join("`, `");
        return Err(ApprovalError::new(
            Code::NotBound,
            format!(
                "`{names}` would not be covered by the approval; bind it with `args(..)` or turn full binding off"
            ),
        ));
    }
    Ok(proposal)
}

/// Words have limits: what nobody would read to its end must not be approved.
fn check_words(call: &Call) -> Result<(), ApprovalError> {
    let (agent, action) = (&call.agent, &call.action);
    let words = [
        ("rationale", &agent.rationale, MAX_WORDS),
        ("reason to break the glass", &agent.break_glass, MAX_WORDS),
        ("tenant", &agent.tenant, MAX_WORDS),
        ("environment", &action.environment, MAX_WORDS),
        // The author's words stand around arguments, which have a limit of their own.
        ("reason", &call.reason, MAX_AROUND),
        ("resource", &action.resource, MAX_AROUND),
    ];
    for (name, text, most) in words {
        if text
            .as_ref()
            .is_some_and(|text| text.chars().count() > most)
        {
            let message = format!("the {name} is longer than {most} characters; shorten it");
            return Err(ApprovalError::new(Code::NonCanonical, message));
        }
    }
    Ok(())
}

impl Inner {
    /// Says where an action is, when it is asked and again when it runs.
    pub(super) fn place(&self, action: &mut Action) {
        if action.environment.is_none() {
            action.environment.clone_from(&self.options.environment);
        }
    }
}
