//! The fold: where a request stands after one more event, or that the event cannot follow.

use std::sync::Arc;

use super::event::{Denied, Event, NoticeResult, Reviewed};
use super::state::{Glass, Phase, RequestState};
use crate::clock::Timestamp;
use crate::request::Outcome;
use crate::review::Vote;

/// An event that cannot follow from the state: the log is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` cannot follow `{phase}`")]
pub struct ImpossibleEvent {
    event: &'static str,
    phase: String,
}

impl RequestState {
    /// The state after the first event.
    ///
    /// # Errors
    /// [`ImpossibleEvent`] when the event is not the making of a request.
    pub fn begin(event: &Event, at: Timestamp) -> Result<Self, ImpossibleEvent> {
        match event {
            Event::Created(created) => Ok(Self {
                created: Arc::new((**created).clone()),
                created_at: at,
                reviews: Vec::new(),
                voided: Vec::new(),
                level: 0,
                glass: Glass::Whole,
                found: None,
                phase: Phase::Pending,
                erased: None,
                copies: Vec::new(),
            }),
            _ => Err(ImpossibleEvent {
                event: event.kind(),
                phase: "nothing".to_owned(),
            }),
        }
    }

    /// The state after one more event.
    ///
    /// # Errors
    /// [`ImpossibleEvent`] when the event cannot follow; the state is unchanged then.
    pub fn apply(&mut self, event: &Event) -> Result<(), ImpossibleEvent> {
        if self.note(event) {
            return Ok(());
        }
        self.phase = self.next(event).ok_or_else(|| ImpossibleEvent {
            event: event.kind(),
            phase: format!("{:?}", self.phase),
        })?;
        Ok(())
    }

    /// Whether its use breaks a glass that is whole so far.
    fn breaks(&self) -> bool {
        self.action().break_glass.is_some() && self.glass == Glass::Whole
    }

    /// Takes in what can happen without an end of the present phase; whether it was that.
    fn note(&mut self, event: &Event) -> bool {
        use Phase::{Approved, Pending};
        match (&self.phase, event) {
            (_, Event::ReviewRefused(_)) => {}
            (_, Event::Notice(notice)) => self.copied(notice),
            (_, Event::PermitRefused(refused)) if !refused.burned => {}
            (
                Pending
                | Approved {
                    automatic: false, ..
                },
                Event::Reviewed(review),
            ) => {
                // Mostly there is one, or few: room for more is not kept.
                self.reviews.reserve_exact(1);
                self.reviews.push((**review).clone());
            }
            (
                Pending
                | Approved {
                    automatic: false, ..
                },
                Event::Voided(voided),
            ) => {
                let of = |review: &Reviewed| {
                    review.vote == Vote::Approve && review.person == voided.person
                };
                let Some(place) = self.reviews.iter().position(of) else {
                    return false;
                };
                self.voided.push(self.reviews.remove(place));
            }
            (Pending, Event::Escalated(escalated))
                if escalated.level > self.level && self.waited_at(escalated.level).is_some() =>
            {
                self.level = escalated.level;
            }
            (Phase::Running(_), Event::BreakGlassUsed) if self.breaks() => self.glass = Glass::Open,
            (_, Event::PostReviewed(review)) if self.glass == Glass::Open => {
                self.glass = Glass::Reviewed(review.person.clone());
                self.found = Some(review.reason.clone());
            }
            (_, Event::Erased(erased)) if self.can_lose(&erased.commitments) => {
                self.erased = Some(erased.authority);
            }
            _ => return false,
        }
        true
    }

    fn copied(&mut self, notice: &NoticeResult) {
        let Some(place) = &notice.place else {
            return;
        };
        if self.copies(&notice.channel).all(|known| known != place) {
            self.copies.push((notice.channel.clone(), place.clone()));
        }
    }

    /// The phase that an event leads to; none when it cannot follow.
    fn next(&self, event: &Event) -> Option<Phase> {
        use Phase::{Approved, Pending, Running};
        Some(match (&self.phase, event) {
            (Pending, Event::AutoApproved(approved)) if self.created.requirement.is_none() => {
                Approved {
                    until: approved.until,
                    automatic: true,
                }
            }
            (Pending, Event::Approved(approved)) if self.created.requirement.is_some() => {
                Approved {
                    until: approved.until,
                    automatic: false,
                }
            }
            (
                Pending | Approved { .. },
                Event::Denied(Denied {
                    by, reason, code, ..
                }),
            ) => Phase::Denied {
                by: by.clone(),
                reason: reason.clone(),
                code: *code,
            },
            (Pending | Approved { .. }, Event::Expired) => Phase::Expired,
            (Pending | Approved { .. }, Event::Cancelled) => Phase::Cancelled,
            (Approved { .. }, Event::Consumed(consumed))
                if consumed.digest == self.created.digest =>
            {
                Running(consumed.by)
            }
            // That the glass is broken is said before anything else is.
            (Running(_), _) if self.breaks() => return None,
            (Running(_), Event::PermitRefused(_)) => Phase::Burned,
            (Running(_), Event::Finished(finished)) => Phase::Finished(finished.outcome),
            // A person settles what was unknown, or the body ended after it was given up.
            (Phase::Finished(Outcome::Unknown), Event::Finished(finished))
                if finished.outcome != Outcome::Unknown =>
            {
                Phase::Finished(finished.outcome)
            }
            _ => return None,
        })
    }
}
