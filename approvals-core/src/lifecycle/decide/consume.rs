//! What follows from the wish to use an approval.

use super::{glass_waits, overdue};
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::Code;
use crate::id::EngineName;
use crate::lifecycle::command::{Consumption, Step};
use crate::lifecycle::event::{Attempt, Consumed, Event, PermitRefused, Reviewed, Voided};
use crate::lifecycle::state::{Phase, RequestState};
use crate::lifecycle::tally::distinct_enough;
use crate::policy::{Evaluation, Requirement};
use crate::principal::Standing;
use crate::review::Vote;

pub(super) fn consume(state: &RequestState, wish: &Consumption, now: Timestamp) -> Step {
    let mut events: Vec<Event> = overdue(state, now).into_iter().collect();
    let verdict = usable(state, wish, now).and_then(|votes| allowed(state, wish, &votes, now));
    match verdict {
        Ok(()) => {
            let consumed = Event::Consumed(Consumed {
                digest: state.digest(),
                by: wish.by,
            });
            let glass = state.action().break_glass.as_ref();
            let used = glass.map(|_| Event::BreakGlassUsed);
            Step::accept(std::iter::once(consumed).chain(used).collect())
        }
        Err((code, message)) => {
            let got = (wish.digest != state.digest()).then_some(wish.digest);
            events.push(Event::PermitRefused(PermitRefused {
                code,
                got,
                burned: false,
            }));
            // An approval that can no longer be used must not be attached to again: asking again
            // asks people again.
            if matches!(
                code,
                Code::NotEligible | Code::PolicyChanged | Code::PolicyDenied | Code::Frozen
            ) {
                events.extend(voided(state, wish, code));
                events.push(Event::Cancelled);
            }
            Step::refuse(events, code, message)
        }
    }
}

/// The approvals that still count, when the request may be used as far as it knows itself.
///
/// What policy says of the time is asked apart, by [`given_enough`]: the verifier may have to
/// recall it from a record.
pub(crate) fn usable(
    state: &RequestState,
    wish: &Consumption,
    now: Timestamp,
) -> Result<Vec<Reviewed>, (Code, String)> {
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    if overdue(state, now).is_some() {
        return no(
            Code::Expired,
            "the approval was not used in time; ask again",
        );
    }
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
    if let Some(open) = wish.unreviewed {
        return Err((Code::PolicyDenied, glass_waits(open)));
    }
    let votes = current_votes(state, wish);
    if let (false, Some(requirement)) = (automatic, state.requirement())
        && distinct_enough(requirement, state.waited(), &votes).is_none()
    {
        return no(
            Code::NotEligible,
            "somebody who approved this may no longer do so; ask again",
        );
    }
    Ok(votes)
}

/// What policy says of this very moment: a freeze may have begun, and rules may have changed, since
/// people were asked. It can only tighten: what they were asked for has been given already.
fn allowed(
    state: &RequestState,
    wish: &Consumption,
    votes: &[Reviewed],
    now: Timestamp,
) -> Result<(), (Code, String)> {
    let by_policy = wish.policy.evaluate(&wish.proposal, now);
    let mut said = wish.judged.iter().chain([&by_policy]);
    said.try_for_each(|evaluation| given_enough(state, evaluation, votes))
}

/// Whether these approvals are all that this answer asks for.
pub(crate) fn given_enough(
    state: &RequestState,
    evaluation: &Evaluation,
    votes: &[Reviewed],
) -> Result<(), (Code, String)> {
    let stricter = match evaluation {
        Evaluation::Allow(_) => return Ok(()),
        Evaluation::Deny(forbidden) => {
            let code = match forbidden.code() {
                Code::Frozen => Code::Frozen,
                _ => Code::PolicyChanged,
            };
            let message = format!("what was approved may not run any more: {forbidden}");
            return Err((code, message));
        }
        Evaluation::Require(requirement) => requirement,
    };
    // Who was asked past a ceiling is asked what the ceiling's rule leaves to people.
    if distinct_enough(stricter, state.waited(), votes).is_none() {
        let message = "the policy of now asks for more than was given; ask again";
        return Err((Code::PolicyChanged, message.to_owned()));
    }
    Ok(())
}

/// The approvals that end here: those of people who may no longer give them, or all of them when
/// it is the rules that changed.
fn voided(state: &RequestState, wish: &Consumption, code: Code) -> Vec<Event> {
    let given = state.reviews().iter();
    let given = given.filter(|review| review.vote == Vote::Approve);
    let void = |review: &&Reviewed| {
        let standing = wish.standings.get(&review.person);
        code != Code::NotEligible || !still_counts(state, review, standing)
    };
    let void = given.filter(void);
    void.map(|review| Event::Voided(Voided::new(review.person.clone(), code)))
        .collect()
}

/// Whether an approval counts for everything that it counted for when it was given.
pub(super) fn still_counts(
    state: &RequestState,
    review: &Reviewed,
    standing: Option<&Standing>,
) -> bool {
    let Some(standing) = standing.filter(|standing| standing.active) else {
        return false;
    };
    let quorums = state.requirement().map(Requirement::quorums);
    let mut counted = quorums
        .unwrap_or_default()
        .iter()
        .filter(|quorum| quorum.is_open_to(&review.groups, state.waited()));
    !state.requesters().contains(&review.person)
        && counted.all(|quorum| quorum.is_open_to(&standing.groups, state.waited()))
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

pub(super) fn burn(
    state: &RequestState,
    by: Attempt,
    why: Code,
    got: Option<ActionDigest>,
) -> Step {
    if *state.phase() != Phase::Running(by) {
        return Step::refuse(
            Vec::new(),
            Code::Misuse,
            "only a started run can be stopped at its last check",
        );
    }
    let event = Event::PermitRefused(PermitRefused {
        code: why,
        got,
        burned: true,
    });
    Step::accept(vec![event])
}
