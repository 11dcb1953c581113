//! The one function that says what follows from a command.

mod ask;
mod consume;
mod erase;
mod post;
mod review;

use super::command::{Command, Step};
use super::event::{Attempt, Escalated, Event, Finished};
use super::state::{Phase, RequestState};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::id::RequestId;
use crate::request::Outcome;
use ask::ask;
use consume::{burn, consume};
pub(crate) use consume::{given_enough, usable};
pub use erase::erasable;
use erase::erase;
pub(crate) use erase::under_authority;
pub(crate) use post::post_counts;
use post::post_review;
pub(crate) use review::count;
use review::review;

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
        (Some(state), Command::PostReview(facts)) => post_review(state, facts, now),
        (Some(state), Command::Due(_)) => Step::accept(due(state, now).into_iter().collect()),
        (Some(state), Command::Cancel(_)) => cancel(state, now),
        (Some(state), Command::Consume(wish)) => consume(state, wish, now),
        (Some(state), Command::Burn { by, why, got, .. }) => burn(state, *by, *why, *got),
        (Some(state), Command::Finish { by, finished, .. }) => finish(state, *by, finished),
        (Some(_), Command::Notice { results, .. }) => {
            Step::accept(results.iter().cloned().map(Event::Notice).collect())
        }
        (Some(state), Command::Erase(wish)) => erase(state, wish),
    }
}

/// What time has brought about and is not on record yet: the end, or more people who may decide.
fn due(state: &RequestState, now: Timestamp) -> Option<Event> {
    overdue(state, now).or_else(|| {
        let level = state.level_at(now);
        let escalates = state.escalates_at().is_some_and(|at| at <= now);
        escalates.then_some(Event::Escalated(Escalated { level }))
    })
}

/// The end of a request that is out of time, if it is.
fn overdue(state: &RequestState, now: Timestamp) -> Option<Event> {
    (now >= state.deadline()?).then_some(Event::Expired)
}

fn cancel(state: &RequestState, now: Timestamp) -> Step {
    match (state.is_live(), overdue(state, now)) {
        (true, Some(expired)) => Step::accept(vec![expired]),
        (true, None) => Step::accept(vec![Event::Cancelled]),
        (false, _) => Step::accept(Vec::new()),
    }
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

/// Why the glass must not be broken again now.
fn glass_waits(open: RequestId) -> String {
    format!(
        "the last time this agent broke the glass waits for its review ({open}); have somebody who had no part in it run `approvals review {open}`"
    )
}
