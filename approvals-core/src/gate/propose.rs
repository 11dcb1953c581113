//! From a call to a proposal: who asks, and whether it can be shown and bound.

use super::{Call, Inner};
use crate::action::Action;
use crate::error::{ApprovalError, Code};
use crate::principal::Agent;
use crate::proposal::Proposal;

/// How many characters an agent may use for its words.
const MAX_WORDS: usize = 4_000;

/// How many characters the author's words may have with the arguments in them.
const MAX_AROUND: usize = 200_000;

pub(super) async fn propose(inner: &Inner, call: Call) -> Result<Proposal, ApprovalError> {
    let requester = call.agent.requester()?;
    for person in requester.people() {
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
    let mut action = call.action;
    check_words(&call.agent, &call.reason, &action)?;
    inner.place(&mut action, &call.agent.tenant);
    if inner.options.full_binding && !action.not_covered.is_empty() {
        let names = action.not_covered.join("`, `");
        return Err(ApprovalError::new(
            Code::NotBound,
            format!(
                "`{names}` would not be covered by the approval; bind it with `args(..)` or turn full binding off"
            ),
        ));
    }
    let mut proposal = Proposal::new(requester, action);
    proposal.reason = call.reason;
    proposal.rationale = call.agent.rationale;
    proposal.break_glass = call.agent.break_glass;
    Ok(proposal)
}

/// Words have limits: what nobody would read to its end must not be approved.
fn check_words(
    agent: &Agent,
    reason: &Option<String>,
    action: &Action,
) -> Result<(), ApprovalError> {
    let words = [
        ("rationale", &agent.rationale, MAX_WORDS),
        ("reason to break the glass", &agent.break_glass, MAX_WORDS),
        ("tenant", &agent.tenant, MAX_WORDS),
        ("environment", &action.environment, MAX_WORDS),
        // The author's words stand around arguments, which have a limit of their own.
        ("reason", reason, MAX_AROUND),
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
    /// Says where and for whom an action is, when it is asked and again when it runs.
    pub(super) fn place(&self, action: &mut Action, tenant: &Option<String>) {
        if action.environment.is_none() {
            action.environment.clone_from(&self.options.environment);
        }
        action.tenant.clone_from(tenant);
    }
}
