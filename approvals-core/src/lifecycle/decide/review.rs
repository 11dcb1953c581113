//! What follows from one person's vote.

use super::overdue;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::lifecycle::command::{ReviewFacts, Step};
use crate::lifecycle::event::{Approved, Denied, Event, ReviewRefused, Reviewed};
use crate::lifecycle::state::{Phase, RequestState};
use crate::lifecycle::tally::distinct_enough;
use crate::policy::Requirement;
use crate::principal::Standing;
use crate::review::Vote;

pub(super) fn review(state: &RequestState, facts: &ReviewFacts, now: Timestamp) -> Step {
    let mut events: Vec<Event> = overdue(state, now).into_iter().collect();
    let verdict = if events.is_empty() {
        eligible(state, facts)
    } else {
        Err((
            Code::Expired,
            "too late: the request expired, and nothing ran".to_owned(),
        ))
    };
    let standing = match verdict {
        Ok(standing) => standing,
        Err((code, message)) => {
            events.push(Event::ReviewRefused(Box::new(refused(facts, code))));
            return Step::refuse(events, code, message);
        }
    };
    let vote = recorded(facts, standing);
    let person = vote.person.clone();
    let reason = vote.reason.clone();
    events.push(Event::Reviewed(Box::new(vote.clone())));
    if vote.vote == Vote::Deny {
        events.push(Event::Denied(Denied {
            by: Some(person),
            reason,
        }));
    } else if let Some(requirement) = state.requirement() {
        let mut votes = state.reviews().to_vec();
        votes.push(vote);
        if let Some(by) = distinct_enough(requirement, &votes) {
            events.push(Event::Approved(Approved {
                by,
                until: now.after(state.use_within()),
            }));
        }
    }
    Step::accept(events)
}

/// The standing of somebody whose vote counts, or why it does not.
fn eligible<'f>(
    state: &RequestState,
    facts: &'f ReviewFacts,
) -> Result<&'f Standing, (Code, String)> {
    let review = &facts.review;
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    still_open(state, review.vote)?;
    if review.digest != state.digest() {
        return no(
            Code::ActionMismatch,
            "the decision is about another action than the one on record; open the request again",
        );
    }
    if review.policy != state.policy().digest {
        return no(
            Code::PolicyChanged,
            "the decision names another policy than the one on record; open the request again",
        );
    }
    let Some(person) = &facts.person else {
        return no(
            Code::IdentityUnresolved,
            "this account is linked to no person; add it to the person's identities in people.toml",
        );
    };
    if review.says.as_ref().is_some_and(|says| says != person) {
        return no(
            Code::SignatureInvalid,
            "the decision claims to be somebody else's",
        );
    }
    let Some(standing) = facts
        .standing
        .as_ref()
        .filter(|standing| standing.active && standing.person == *person)
    else {
        return no(
            Code::NotEligible,
            "this person is disabled or unknown to the directory",
        );
    };
    let asks = state.requesters().contains(person);
    match review.vote {
        Vote::Approve if asks => {
            return no(
                Code::SelfApproval,
                "whoever is behind a request cannot approve it; ask somebody else",
            );
        }
        // Somebody who stands behind the request may always stop it.
        Vote::Deny if asks => return Ok(standing),
        _ => {}
    }
    if state.has_voted(person, review.vote) {
        return no(
            Code::DuplicateVote,
            "this person has voted already; people count, not accounts",
        );
    }
    in_quorum(state.requirement(), standing, facts).map(|()| standing)
}

fn still_open(state: &RequestState, vote: Vote) -> Result<(), (Code, String)> {
    let (code, message) = match state.phase() {
        Phase::Pending => return Ok(()),
        // A denial that comes before the approval is used always wins.
        Phase::Approved {
            automatic: false, ..
        } if vote == Vote::Deny => return Ok(()),
        Phase::Approved { .. } => (
            Code::DuplicateVote,
            "already approved; nothing is left to decide",
        ),
        Phase::Denied { .. } => (Code::Denied, "already denied; nothing ran"),
        Phase::Expired => (
            Code::Expired,
            "too late: the request expired, and nothing ran",
        ),
        Phase::Cancelled => (
            Code::Cancelled,
            "the requester withdrew the request; nothing ran",
        ),
        Phase::Running(_) | Phase::Burned | Phase::Finished(_) => (
            Code::AlreadyConsumed,
            "too late: the approval has been used",
        ),
    };
    Err((code, message.to_owned()))
}

fn in_quorum(
    requirement: Option<&Requirement>,
    standing: &Standing,
    facts: &ReviewFacts,
) -> Result<(), (Code, String)> {
    let quorums = requirement.map(Requirement::quorums).unwrap_or_default();
    let mut mine = quorums
        .iter()
        .filter(|quorum| standing.groups.contains(&quorum.group))
        .peekable();
    if mine.peek().is_none() {
        let groups: Vec<_> = quorums
            .iter()
            .map(|quorum| format!("`{}`", quorum.group))
            .collect();
        return Err((
            Code::NotEligible,
            format!("only members of {} may decide this", groups.join(", ")),
        ));
    }
    let have = facts.review.approver.assurance();
    // A denial needs no strong proof: it can only make things safer.
    if facts.review.vote == Vote::Deny || mine.any(|quorum| have >= quorum.assurance) {
        return Ok(());
    }
    Err((
        Code::AssuranceTooLow,
        format!("this needs a stronger proof of identity than {have}; decide with your own key"),
    ))
}

fn refused(facts: &ReviewFacts, code: Code) -> ReviewRefused {
    let review = &facts.review;
    ReviewRefused {
        code,
        identity: review.approver.identity().to_string(),
        person: facts.person.clone(),
        vote: review.vote,
    }
}

fn recorded(facts: &ReviewFacts, standing: &Standing) -> Reviewed {
    let review = &facts.review;
    Reviewed {
        person: standing.person.clone(),
        vote: review.vote,
        digest: review.digest,
        assurance: review.approver.assurance(),
        groups: standing.groups.clone(),
        evidence: review.approver.evidence().clone(),
        reason: review
            .reason
            .as_ref()
            .map(|reason| reason.commitment.clone()),
    }
}
