//! Where one request stands: a fold over its events, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Attempt, Created, Denied, Event, Reviewed};
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::Code;
use crate::id::{PersonId, RequestId};
use crate::policy::Requirement;
use crate::request::{IdempotencyKey, Outcome, PolicyRef, Progress, Status};
use crate::review::Vote;
use crate::sealed::ActionRecord;

/// One request, as its records tell it.
#[derive(Debug, Clone)]
pub struct RequestState {
    created: Arc<Created>,
    created_at: Timestamp,
    reviews: Vec<Reviewed>,
    phase: Phase,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Asked, and waiting for people (or for the record that a rule decided).
    Pending,
    /// May be used until then.
    Approved {
        /// Until when.
        until: Timestamp,
        /// Whether a rule did it, with no person.
        automatic: bool,
    },
    /// Said no.
    Denied {
        /// By whom; none for a rule.
        by: Option<PersonId>,
        /// Binds the reason given.
        reason: Option<Commitment>,
        /// Which kind of no.
        code: Code,
    },
    /// Out of time, before a decision or before use.
    Expired,
    /// Withdrawn.
    Cancelled,
    /// Used up; the body may be running.
    Running(Attempt),
    /// Used up, and refused at the last check: the body did not run.
    Burned,
    /// The body ended.
    Finished(Outcome),
}

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
                phase: Phase::Pending,
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
        use Phase::{Approved, Pending, Running};
        let next = match (&self.phase, event) {
            (_, Event::ReviewRefused(_) | Event::Notice(_)) => return Ok(()),
            (_, Event::PermitRefused(refused)) if !refused.burned => return Ok(()),
            (
                Pending
                | Approved {
                    automatic: false, ..
                },
                Event::Reviewed(review),
            ) => {
                self.reviews.push((**review).clone());
                return Ok(());
            }
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
            (Pending | Approved { .. }, Event::Denied(Denied { by, reason, code })) => {
                Phase::Denied {
                    by: by.clone(),
                    reason: reason.clone(),
                    code: *code,
                }
            }
            (Pending | Approved { .. }, Event::Expired) => Phase::Expired,
            (Pending | Approved { .. }, Event::Cancelled) => Phase::Cancelled,
            (Approved { .. }, Event::Consumed(consumed))
                if consumed.digest == self.created.digest =>
            {
                Running(consumed.by)
            }
            (Running(_), Event::PermitRefused(_)) => Phase::Burned,
            (Running(_), Event::Finished(finished)) => Phase::Finished(finished.outcome),
            // A person settles what was unknown, or the body ended after it was given up.
            (Phase::Finished(Outcome::Unknown), Event::Finished(finished))
                if finished.outcome != Outcome::Unknown =>
            {
                Phase::Finished(finished.outcome)
            }
            (phase, event) => {
                return Err(ImpossibleEvent {
                    event: event.kind(),
                    phase: format!("{phase:?}"),
                });
            }
        };
        self.phase = next;
        Ok(())
    }

    /// The request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.created.action.request_id
    }

    /// What was asked.
    #[must_use]
    pub fn action(&self) -> &ActionRecord {
        &self.created.action
    }

    /// What binds it.
    #[must_use]
    pub fn digest(&self) -> ActionDigest {
        self.created.digest
    }

    /// The policy it was asked under.
    #[must_use]
    pub fn policy(&self) -> &PolicyRef {
        &self.created.policy
    }

    /// What it takes; none when no person is needed, or none can help.
    #[must_use]
    pub fn requirement(&self) -> Option<&Requirement> {
        self.created.requirement.as_ref()
    }

    /// Names the call for the requester.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.created.key
    }

    /// When it was asked.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Until when people may decide.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.created.action.expires_at
    }

    /// How long an approval may wait to be used.
    #[must_use]
    pub fn use_within(&self) -> Duration {
        Duration::from_secs(self.created.use_within_s)
    }

    /// The reviews that count, in order.
    #[must_use]
    pub fn reviews(&self) -> &[Reviewed] {
        &self.reviews
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Where it stands, in a word.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Pending => Status::Pending,
            Phase::Approved { .. } | Phase::Running(_) | Phase::Finished(_) => Status::Approved,
            Phase::Denied { .. } => Status::Denied,
            Phase::Expired => Status::Expired,
            Phase::Cancelled => Status::Cancelled,
            Phase::Burned => Status::Failed,
        }
    }

    /// Whether a requester can still attach to it: undecided, or approved and unused.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Pending | Phase::Approved { .. })
    }

    /// Everybody who is part of the asking, and so may not approve.
    #[must_use]
    pub fn requesters(&self) -> BTreeSet<PersonId> {
        let action = &self.created.action;
        // The agent itself, too, should somebody have given it an account.
        let agent = action.agent.as_str().parse().ok();
        let people = action.sponsor.iter().chain(&action.owner).cloned();
        people.chain(agent).collect()
    }

    /// Whether the person has cast this vote already, or somebody else has with the same account:
    /// an account that changes hands must not make two people out of one.
    #[must_use]
    pub fn has_voted(&self, person: &PersonId, identity: &str, vote: Vote) -> bool {
        let same = |review: &Reviewed| review.person == *person || review.identity == identity;
        self.reviews
            .iter()
            .any(|review| review.vote == vote && same(review))
    }

    /// Who has approved so far, group by group.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.requirement()
            .map(|requirement| super::progress(requirement, &self.reviews))
            .unwrap_or_default()
    }
}
