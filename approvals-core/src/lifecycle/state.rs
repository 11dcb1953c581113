//! Where one request stands: a fold over its events, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Attempt, Created, Reviewed};
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::Code;
use crate::id::{PersonId, RequestId};
use crate::policy::Requirement;
use crate::request::{IdempotencyKey, Outcome, PolicyRef, Progress, Status};
use crate::review::Vote;
use crate::sealed::FixedRecord;

/// One request, as its records tell it.
#[derive(Debug, Clone)]
pub struct RequestState {
    pub(super) created: Arc<Created>,
    pub(super) created_at: Timestamp,
    pub(super) reviews: Vec<Reviewed>,
    /// Approvals that do not count any more.
    pub(super) voided: Vec<Reviewed>,
    pub(super) level: u32,
    pub(super) glass: Glass,
    /// Binds what the review of the broken glass found.
    pub(super) found: Option<Commitment>,
    pub(super) phase: Phase,
    pub(super) erased: Option<RequestId>,
    /// Where channels have copies, as (channel, place), each once.
    pub(super) copies: Vec<(String, String)>,
}

/// What became of the glass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Glass {
    /// Nothing has run that broke it.
    Whole,
    /// It was broken, and nobody has reviewed that yet.
    Open,
    /// It was broken, and this person has reviewed it.
    Reviewed(PersonId),
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

impl RequestState {
    /// The request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.created.action.request_id
    }

    /// What was asked.
    #[must_use]
    pub fn action(&self) -> &FixedRecord {
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

    /// What was recorded when it was made.
    #[must_use]
    pub fn created(&self) -> &Created {
        &self.created
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

    /// The approvals that were given and do not count any more, in the order in which they ended.
    #[must_use]
    pub fn voided(&self) -> &[Reviewed] {
        &self.voided
    }

    /// Whether its use broke the glass, and who has reviewed that.
    #[must_use]
    pub fn glass(&self) -> &Glass {
        &self.glass
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Under which authority what people were shown of it was erased, if it was.
    #[must_use]
    pub fn erased(&self) -> Option<RequestId> {
        self.erased
    }

    /// Where this channel has copies of it, as the channel itself named the places: a callback of
    /// any other place is none of ours.
    pub fn copies<'a>(&'a self, channel: &'a str) -> impl Iterator<Item = &'a str> {
        let copies = self.copies.iter();
        copies.filter_map(move |(by, place)| (by == channel).then_some(place.as_str()))
    }

    /// Every commitment that a disclosure opens, unless it was erased: the values and words that
    /// people were shown, and the reasons they gave. Redacted values were never stored.
    #[must_use]
    pub fn disclosed(&self) -> Vec<Commitment> {
        let reasons = self.reviews.iter().chain(&self.voided);
        let reasons = reasons.filter_map(|review| review.reason.as_ref());
        let words = reasons.chain(&self.found);
        self.action().disclosed().chain(words).cloned().collect()
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

    /// Whether nothing more can become of it but the word of how it ended: nobody has to decide
    /// or to review anything.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let over = !self.is_live() && !matches!(self.phase, Phase::Running(_));
        over && self.glass != Glass::Open
    }

    pub(super) fn can_lose(&self, commitments: &[Commitment]) -> bool {
        self.is_settled() && self.erased.is_none() && *commitments == self.disclosed()
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

    /// The time for which the policy was asked; every wait counts from here.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.created.asked_at
    }

    /// How long people have had, as far as that lets more of them decide: the wait of the level on
    /// record, and not what a clock says.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited_at(self.level).unwrap_or_default()
    }

    /// The level that a request of this age has, which may not be on record yet.
    #[must_use]
    pub fn level_at(&self, now: Timestamp) -> u32 {
        let waited = now.since(self.asked_at());
        let escalations = self.escalations();
        let come = escalations.iter().take_while(|after| **after <= waited);
        u32::try_from(come.count()).unwrap_or(u32::MAX)
    }

    /// When more people may decide next; none when nobody else ever may.
    #[must_use]
    pub fn escalates_at(&self) -> Option<Timestamp> {
        let next = self.waited_at(self.level + 1)?;
        (self.phase == Phase::Pending).then(|| self.asked_at().after(next))
    }

    /// When its present state runs out, while it can.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Pending => Some(self.expires_at()),
            Phase::Approved { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// When time next changes it: its end, or an escalation before that.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let end = self.deadline()?;
        Some(self.escalates_at().map_or(end, |at| at.min(end)))
    }

    fn escalations(&self) -> Vec<Duration> {
        self.requirement()
            .map(Requirement::escalations)
            .unwrap_or_default()
    }

    /// How long people have had at a level; none when there is no such level.
    pub(super) fn waited_at(&self, level: u32) -> Option<Duration> {
        let Some(place) = level.checked_sub(1) else {
            return Some(Duration::ZERO);
        };
        let place = usize::try_from(place).ok()?;
        self.escalations().get(place).copied()
    }

    /// Who has approved so far, group by group.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.requirement()
            .map(|requirement| super::progress(requirement, self, &self.reviews))
            .unwrap_or_default()
    }
}
