//! The one function that says what follows from a command.

use super::command::{Ask, Command, Consumption, ReviewFacts, Step};
use super::event::{
    Approved, Attempt, Consumed, Denied, Event, Finished, PermitRefused, ReviewRefused, Reviewed,
};
use super::state::{Phase, RequestState};
use super::tally::distinct_enough;
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::Code;
use crate::policy::{Evaluation, Requirement};
use crate::principal::Standing;
use crate::request::Outcome;
use crate::review::Vote;

/// What follows from a command, given where the request stands and what time it is.
///
/// Pure: the same inputs give the same answer, in the gate and in an auditor's replay.
#[must_use]
pub fn decide(state: Option<&RequestState>, command: &Command, now: Timestamp) -> Step {
    match (state, command) {
        (None, Command::Ask(asked)) => ask(asked, now),
        (Some(_), Command::Ask(_)) => {
            Step::refuse(Vec::new(), Code::Replay, "this request exists already")
        }
        (None, _) => Step::refuse(
            Vec::new(),
            Code::NotFound,
            "there is no such request; list them with `approvals list`",
        ),
        (Some(state), Command::Review(facts)) => review(state, facts, now),
        (Some(state), Command::Expire(_)) => {
            Step::accept(overdue(state, now).into_iter().collect())
        }
        (Some(state), Command::Cancel(_)) => cancel(state, now),
        (Some(state), Command::Consume(wish)) => consume(state, wish, now),
        (Some(state), Command::Burn { by, got, .. }) => burn(state, *by, *got),
        (Some(state), Command::Finish { by, finished, .. }) => finish(state, *by, finished),
        (Some(_), Command::Notice { result, .. }) => {
            Step::accept(vec![Event::Notice(result.clone())])
        }
    }
}

fn ask(ask: &Ask, now: Timestamp) -> Step {
    let mut created = ask.created.clone();
    created.requirement = match &ask.evaluation {
        Evaluation::Allow(allowance) if ask.over.is_some() => Some(allowance.otherwise.clone()),
        Evaluation::Require(requirement) => Some(requirement.clone()),
        Evaluation::Allow(_) | Evaluation::Deny(_) => None,
    };
    let until = now.after(std::time::Duration::from_secs(created.use_within_s));
    let open = created.requirement.is_some();
    let first = Event::Created(Box::new(created));
    match &ask.evaluation {
        _ if open => Step::accept(vec![first]),
        Evaluation::Deny(forbidden) => {
            let rules: Vec<_> = forbidden
                .rules
                .iter()
                .map(|rule| format!("`{rule}`"))
                .collect();
            let message = format!(
                "policy rule {} forbids this; no approval can lift it",
                rules.join(", ")
            );
            Step::refuse(
                vec![
                    first,
                    Event::Denied(Denied {
                        by: None,
                        reason: None,
                    }),
                ],
                Code::PolicyDenied,
                message,
            )
        }
        _ => Step::accept(vec![
            first,
            Event::AutoApproved(Approved {
                by: Vec::new(),
                until,
            }),
        ]),
    }
}

/// The end of a request that is out of time, if it is.
fn overdue(state: &RequestState, now: Timestamp) -> Option<Event> {
    let deadline = match state.phase() {
        Phase::Pending => state.expires_at(),
        Phase::Approved { until, .. } => *until,
        _ => return None,
    };
    (now >= deadline).then_some(Event::Expired)
}

fn review(state: &RequestState, facts: &ReviewFacts, now: Timestamp) -> Step {
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

fn cancel(state: &RequestState, now: Timestamp) -> Step {
    match (state.is_live(), overdue(state, now)) {
        (true, Some(expired)) => Step::accept(vec![expired]),
        (true, None) => Step::accept(vec![Event::Cancelled]),
        (false, _) => Step::accept(Vec::new()),
    }
}

fn consume(state: &RequestState, wish: &Consumption, now: Timestamp) -> Step {
    let mut events: Vec<Event> = overdue(state, now).into_iter().collect();
    let verdict = if events.is_empty() {
        usable(state, wish)
    } else {
        Err((
            Code::Expired,
            "the approval was not used in time; ask again".to_owned(),
        ))
    };
    match verdict {
        Ok(()) => Step::accept(vec![Event::Consumed(Consumed {
            digest: state.digest(),
            by: wish.by,
        })]),
        Err((code, message)) => {
            let got = (wish.digest != state.digest()).then_some(wish.digest);
            events.push(Event::PermitRefused(PermitRefused {
                code,
                got,
                burned: false,
            }));
            // An approval that can no longer be used must not be attached to again: asking again
            // asks people again.
            if matches!(code, Code::NotEligible | Code::PolicyChanged) {
                events.push(Event::Cancelled);
            }
            Step::refuse(events, code, message)
        }
    }
}

fn usable(state: &RequestState, wish: &Consumption) -> Result<(), (Code, String)> {
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    let automatic = match state.phase() {
        Phase::Approved { automatic, .. } => *automatic,
        Phase::Pending => return no(Code::Pending, "nobody has approved this yet"),
        Phase::Denied { .. } => return no(Code::Denied, "the request was denied"),
        Phase::Expired => return no(Code::Expired, "the request expired; ask again"),
        Phase::Cancelled => return no(Code::Cancelled, "the request was withdrawn"),
        Phase::Running(_) | Phase::Burned | Phase::Finished(_) => {
            return no(
                Code::AlreadyConsumed,
                "this approval has been used; one approval, one run",
            );
        }
    };
    if wish.digest != state.digest() {
        return no(
            Code::ActionMismatch,
            "what is about to run is not what was approved",
        );
    }
    let votes = current_votes(state, wish);
    if let (false, Some(requirement)) = (automatic, state.requirement())
        && distinct_enough(requirement, &votes).is_none()
    {
        return no(
            Code::NotEligible,
            "somebody who approved this may no longer do so; ask again",
        );
    }
    let stricter = match &wish.changed {
        None | Some(Evaluation::Allow(_)) => return Ok(()),
        Some(Evaluation::Deny(_)) => {
            return no(Code::PolicyChanged, "the policy of now forbids this");
        }
        Some(Evaluation::Require(requirement)) => requirement,
    };
    if distinct_enough(stricter, &votes).is_none() {
        return no(
            Code::PolicyChanged,
            "the policy of now asks for more than was given; ask again",
        );
    }
    Ok(())
}

/// The approvals of people who may still give them, with the groups they are in now.
fn current_votes(state: &RequestState, wish: &Consumption) -> Vec<Reviewed> {
    let asking = state.requesters();
    let still = |review: &Reviewed| {
        let standing = wish
            .standings
            .get(&review.person)
            .filter(|standing| standing.active)?;
        let counts = review.vote == Vote::Approve && !asking.contains(&review.person);
        counts.then(|| Reviewed {
            groups: standing.groups.clone(),
            ..review.clone()
        })
    };
    state.reviews().iter().filter_map(still).collect()
}

fn burn(state: &RequestState, by: Attempt, got: ActionDigest) -> Step {
    if *state.phase() != Phase::Running(by) {
        return Step::refuse(
            Vec::new(),
            Code::Misuse,
            "only a started run can be stopped at its last check",
        );
    }
    let event = Event::PermitRefused(PermitRefused {
        code: Code::ActionMismatch,
        got: Some(got),
        burned: true,
    });
    Step::accept(vec![event])
}

fn finish(state: &RequestState, by: Option<Attempt>, finished: &Finished) -> Step {
    match state.phase() {
        // Nobody ends the run of somebody else.
        Phase::Running(running) if by.is_some_and(|by| by != *running) => Step::accept(Vec::new()),
        Phase::Running(_) => Step::accept(vec![Event::Finished(finished.clone())]),
        // The run was given up as unknown while its process was slow; now it says how it ended.
        Phase::Finished(Outcome::Unknown) if finished.outcome != Outcome::Unknown => {
            Step::accept(vec![Event::Finished(finished.clone())])
        }
        _ => Step::accept(Vec::new()),
    }
}
