//! What follows from the wish to use an approval.

use super::overdue;
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::Code;
use crate::id::EngineName;
use crate::lifecycle::command::{Consumption, Step};
use crate::lifecycle::event::{Attempt, Consumed, Event, PermitRefused, Reviewed};
use crate::lifecycle::state::{Phase, RequestState};
use crate::lifecycle::tally::distinct_enough;
use crate::policy::Evaluation;
use crate::review::Vote;

pub(super) fn consume(state: &RequestState, wish: &Consumption, now: Timestamp) -> Step {
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
    if let Some(absent) = unheard(state, wish) {
        let message = format!(
            "the policy engine `{absent}` judged this request, and this process does not have it; ask again where it is"
        );
        return no(Code::PolicyChanged, &message);
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
        Some(Evaluation::Deny(forbidden)) => {
            let message = format!("what was approved may not run any more: {forbidden}");
            return no(Code::PolicyChanged, &message);
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

/// An engine that judged the request and does not judge its use.
fn unheard<'s>(state: &'s RequestState, wish: &Consumption) -> Option<&'s EngineName> {
    let mut asked = state.policy().engines.iter().map(|judged| &judged.name);
    asked.find(|name| !wish.engines.contains(name))
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

pub(super) fn burn(state: &RequestState, by: Attempt, got: ActionDigest) -> Step {
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
