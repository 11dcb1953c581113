//! The life of a request: a pure state machine. No I/O, no clock of its own.
//!
//! [`decide()`] takes the state, a command, the facts and the time, and answers with events to
//! record, or with a refusal (which is recorded too). [`RequestState::apply`] folds events back
//! into state. The gate and the offline verifier use the same two functions.

mod authority;
mod command;
mod decide;
mod denials;
mod event;
mod fold;
mod replace;
mod state;
mod tally;
#[cfg(test)]
mod tests;

pub use command::{
    Ask, Command, Consumption, EraseFacts, PostReviewFacts, Refusal, ReviewFacts, Step,
};
pub(crate) use decide::{count, given_enough, post_counts, under_authority, usable};
pub use decide::{decide, erasable};
pub use denials::Denials;
pub(crate) use denials::counters as denial_counters;
pub use event::{
    Approved, Attempt, Consumed, Created, Denied, Erased, Escalated, Event, Finished, NoticeResult,
    PermitRefused, PostReviewed, ReviewRefused, Reviewed, Voided,
};
pub use fold::ImpossibleEvent;
pub use replace::ReplaceFacts;
pub(crate) use replace::{DIFF, NEW, OLD, replaced_under};
pub use state::{Glass, Phase, RequestState};
pub use tally::distinct_enough;
use tally::progress;
