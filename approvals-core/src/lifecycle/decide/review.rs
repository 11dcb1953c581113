//! What follows from one person's vote.

use super::consume::still_counts;
use super::{due, overdue};
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::Code;
use crate::lifecycle::command::{ReviewFacts, Step};
use crate::lifecycle::event::{Approved, Denied, Event, ReviewRefused, Reviewed, Voided};
use crate::lifecycle::state::{Phase, RequestState};
use crate::lifecycle::tally::distinct_enough;
use crate::policy::{Quorum, Requirement};
use crate::principal::Standing;
use crate::review::Vote;

pub(super) fn review(state: &RequestState, facts: &ReviewFacts, now: Timestamp) -> Step {
    let mut events: Vec<Event> = due(state, now).into_iter().collect();
    // Who may decide by now is recorded before the vote that it lets count.
    let mut state = state.clone();
    if let Some(event @ Event::Escalated(_)) = events.first()
        && let Err(error) = state.apply(event)
    {
        return Step::refuse(Vec::new(), Code::AuditTampered, error.to_string());
    }
    let counted = proven(&state, facts, now).and_then(|vote| {
        // Who may no longer approve is recorded before the votes are counted.
        let stale = stale(&state, facts);
        for event in &stale {
            let applied = state.apply(event);
            applied.map_err(|error| (Code::AuditTampered, error.to_string()))?;
        }
        let counted = count(&state, &vote, now)?;
        Ok(stale.into_iter().chain(counted).collect::<Vec<_>>())
    });
    match counted {
        Ok(counted) => {
            events.extend(counted);
            Step::accept(events)
        }
        Err((code, message)) => {
            events.push(Event::ReviewRefused(Box::new(refused(facts, code))));
            Step::refuse(events, code, message)
        }
    }
}

/// The approvals of people who were looked up and may no longer give them. The vote of somebody
/// who has just been let in again counts beside them, and so comes after.
fn stale(state: &RequestState, facts: &ReviewFacts) -> Vec<Event> {
    if facts.review.vote == Vote::Deny || *state.phase() != Phase::Pending {
        return Vec::new();
    }
    let void = |review: &&Reviewed| {
        let standing = facts.standings.get(&review.person);
        review.vote == Vote::Approve
            && standing.is_some_and(|standing| !still_counts(state, review, standing.as_ref()))
    };
    let void = state.reviews().iter().filter(void);
    void.map(|review| Event::Voided(Voided::new(review.person.clone(), Code::NotEligible)))
        .collect()
}

/// What follows from a vote, or why it does not count.
///
/// Looks at nothing but the vote as it stands in the record: the gate records what this lets
/// through, and the verifier asks it again.
pub(crate) fn count(
    state: &RequestState,
    vote: &Reviewed,
    now: Timestamp,
) -> Result<Vec<Event>, (Code, String)> {
    in_time(state, now)?;
    still_open(state, vote.vote)?;
    same_action(state, vote.digest)?;
    eligible(state, vote)?;
    let mut events = vec![Event::Reviewed(Box::new(vote.clone()))];
    if vote.vote == Vote::Deny {
        events.push(Event::Denied(Denied {
            by: Some(vote.person.clone()),
            reason: vote.reason.clone(),
            code: Code::Denied,
            until: None,
        }));
    } else if let Some(requirement) = state.requirement() {
        let mut votes = state.reviews().to_vec();
        votes.push(vote.clone());
        if let Some(by) = distinct_enough(requirement, state.waited(), &votes) {
            events.push(Event::Approved(Approved {
                by,
                until: now.after(state.use_within()),
            }));
        }
    }
    Ok(events)
}

/// The vote as it would stand in the record, when it is somebody's who may act at all.
fn proven(
    state: &RequestState,
    facts: &ReviewFacts,
    now: Timestamp,
) -> Result<Reviewed, (Code, String)> {
    let review = &facts.review;
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    in_time(state, now)?;
    if review.valid_until.is_some_and(|until| now >= until) {
        return no(Code::Expired, "the signed decision is too old; sign again");
    }
    still_open(state, review.vote)?;
    same_action(state, review.digest)?;
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
    let standing = facts.standing.as_ref();
    match standing.filter(|standing| standing.active && standing.person == *person) {
        Some(standing) => Ok(recorded(facts, standing)),
        None => no(
            Code::NotEligible,
            "this person is disabled or unknown to the directory",
        ),
    }
}

fn in_time(state: &RequestState, now: Timestamp) -> Result<(), (Code, String)> {
    match overdue(state, now) {
        None => Ok(()),
        Some(_) => Err((
            Code::Expired,
            "too late: the request expired, and nothing ran".to_owned(),
        )),
    }
}

fn same_action(state: &RequestState, digest: ActionDigest) -> Result<(), (Code, String)> {
    if digest == state.digest() {
        return Ok(());
    }
    let message =
        "the decision is about another action than the one on record; open the request again";
    Err((Code::ActionMismatch, message.to_owned()))
}

/// Whether this person's vote counts for this request.
fn eligible(state: &RequestState, vote: &Reviewed) -> Result<(), (Code, String)> {
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    let asks = state.requesters().contains(&vote.person);
    match vote.vote {
        Vote::Approve if asks => {
            return no(
                Code::SelfApproval,
                "whoever is behind a request cannot approve it; ask somebody else",
            );
        }
        // Somebody who stands behind the request may always stop it.
        Vote::Deny if asks => return Ok(()),
        _ => {}
    }
    if state.has_voted(&vote.person, &vote.identity, vote.vote) {
        return no(
            Code::DuplicateVote,
            "this person or this account has voted already; people count, not accounts",
        );
    }
    in_quorum(state, vote)
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

fn in_quorum(state: &RequestState, vote: &Reviewed) -> Result<(), (Code, String)> {
    let quorums = state
        .requirement()
        .map(Requirement::quorums)
        .unwrap_or_default();
    let mut mine = quorums
        .iter()
        .filter(|quorum| quorum.is_open_to(&vote.groups, state.waited()))
        .peekable();
    if mine.peek().is_none() {
        return Err((Code::NotEligible, who_may(state, quorums, vote)));
    }
    let have = vote.assurance;
    // A denial needs no strong proof: it can only make things safer.
    if vote.vote == Vote::Deny || mine.any(|quorum| have >= quorum.assurance) {
        return Ok(());
    }
    Err((
        Code::AssuranceTooLow,
        format!("this needs a stronger proof of identity than {have}; decide with your own key"),
    ))
}

/// Who may decide instead of this person, or from when on this person may.
fn who_may(state: &RequestState, quorums: &[Quorum], vote: &Reviewed) -> String {
    let opens = quorums
        .iter()
        .filter_map(|quorum| quorum.opens_to(&vote.groups));
    if let Some(after) = opens.min() {
        let from = state.asked_at().after(after);
        return format!("this person may decide this from {from} on, if nobody has until then");
    }
    let groups: Vec<_> = quorums
        .iter()
        .map(|quorum| format!("`{}`", quorum.group))
        .collect();
    format!("only members of {} may decide this", groups.join(", "))
}

fn refused(facts: &ReviewFacts, code: Code) -> ReviewRefused {
    let review = &facts.review;
    ReviewRefused {
        code,
        identity: review.approver.identity().to_string(),
        person: facts.person.clone(),
        vote: Some(review.vote),
    }
}

fn recorded(facts: &ReviewFacts, standing: &Standing) -> Reviewed {
    let review = &facts.review;
    Reviewed {
        person: standing.person.clone(),
        identity: review.approver.identity().to_string(),
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
