//! What can happen to a request; each event becomes one record.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::Code;
use crate::id::{BootId, GroupName, PersonId, RecordId, RequestId};
use crate::policy::Requirement;
use crate::principal::Assurance;
use crate::request::{ContentKey, IdempotencyKey, Outcome, PolicyRef};
use crate::review::{Evidence, Vote};
use crate::sealed::FixedRecord;

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// `request.created`
    Created(Box<Created>),
    /// `request.auto_approved`
    AutoApproved(Approved),
    /// `review.recorded`
    Reviewed(Box<Reviewed>),
    /// `review.voided`
    Voided(Voided),
    /// `review.refused`
    ReviewRefused(Box<ReviewRefused>),
    /// `request.approved`
    Approved(Approved),
    /// `request.denied`
    Denied(Denied),
    /// `request.escalated`
    Escalated(Escalated),
    /// `request.expired`
    Expired,
    /// `request.cancelled`
    Cancelled,
    /// `permit.consumed`
    Consumed(Consumed),
    /// `permit.refused`
    PermitRefused(PermitRefused),
    /// `breakglass.used`: behind the record of the use, in the same step
    BreakGlassUsed,
    /// `breakglass.reviewed`
    PostReviewed(Box<PostReviewed>),
    /// `outcome.succeeded`, `outcome.failed`, `outcome.unknown`
    Finished(Finished),
    /// `notice.sent`, `notice.failed`
    Notice(NoticeResult),
    /// `disclosure.erased`
    Erased(Box<Erased>),
}

impl Event {
    /// Whether a person denied something.
    pub(crate) fn is_a_persons_no(&self) -> bool {
        matches!(self, Self::Denied(denied) if denied.by.is_some())
    }

    /// The kind of its record.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created(_) => "request.created",
            Self::AutoApproved(_) => "request.auto_approved",
            Self::Reviewed(_) => "review.recorded",
            Self::Voided(_) => "review.voided",
            Self::ReviewRefused(_) => "review.refused",
            Self::Approved(_) => "request.approved",
            Self::Denied(_) => "request.denied",
            Self::Escalated(_) => "request.escalated",
            Self::Expired => "request.expired",
            Self::Cancelled => "request.cancelled",
            Self::Consumed(_) => "permit.consumed",
            Self::PermitRefused(_) => "permit.refused",
            Self::BreakGlassUsed => "breakglass.used",
            Self::PostReviewed(_) => "breakglass.reviewed",
            Self::Finished(finished) => match finished.outcome {
                Outcome::Succeeded => "outcome.succeeded",
                Outcome::Failed => "outcome.failed",
                Outcome::Unknown => "outcome.unknown",
            },
            Self::Notice(notice) if notice.error.is_some() => "notice.failed",
            Self::Notice(_) => "notice.sent",
            Self::Erased(_) => "disclosure.erased",
        }
    }
}

/// Somebody asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Created {
    /// The action, every value bound.
    pub action: FixedRecord,
    /// What binds it.
    pub digest: ActionDigest,
    /// The policy asked.
    pub policy: PolicyRef,
    /// What it takes; none when a rule allowed or forbade it outright.
    pub requirement: Option<Requirement>,
    /// The time for which the policy was asked; the deadline counts from here.
    pub asked_at: Timestamp,
    /// How long the approval may wait to be used, in seconds.
    pub use_within_s: u64,
    /// Names the call for the requester.
    pub key: Option<IdempotencyKey>,
    /// Names what is asked, whoever asks and in whatever words.
    pub content: ContentKey,
}

/// Enough people, or a rule, said yes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Approved {
    /// The people whose approvals met the quorum; empty for a rule.
    pub by: Vec<PersonId>,
    /// Until when it may be used.
    pub until: Timestamp,
}

/// A verified person voted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reviewed {
    /// Who.
    pub person: PersonId,
    /// The account that was proven.
    pub identity: String,
    /// Yes or no.
    pub vote: Vote,
    /// What the person was shown.
    pub digest: ActionDigest,
    /// How well the identity was proven.
    pub assurance: Assurance,
    /// The groups the person was in at that time.
    pub groups: BTreeSet<GroupName>,
    /// The proof.
    pub evidence: Evidence,
    /// Binds the reason the person gave.
    pub reason: Option<Commitment>,
}

/// An approval was given, and does not count any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voided {
    /// Whose.
    pub person: PersonId,
    /// Why: `NotEligible` for somebody who left, the code of the refusal for rules that changed.
    pub code: Code,
}

impl Voided {
    /// The approval of a person, and why it does not count any more.
    #[must_use]
    pub fn new(person: PersonId, code: Code) -> Self {
        Self { person, code }
    }
}

/// A vote that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReviewRefused {
    /// Why.
    pub code: Code,
    /// The account that was proven.
    pub identity: String,
    /// The person behind it, when known.
    pub person: Option<PersonId>,
    /// What was voted; none when it was a review after the use.
    pub vote: Option<Vote>,
}

/// A verified person has looked at how the glass was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostReviewed {
    /// Who.
    pub person: PersonId,
    /// The account that was proven.
    pub identity: String,
    /// What the person was shown.
    pub digest: ActionDigest,
    /// How well the identity was proven.
    pub assurance: Assurance,
    /// The groups the person was in at that time.
    pub groups: BTreeSet<GroupName>,
    /// The proof.
    pub evidence: Evidence,
    /// Binds what the person found.
    pub reason: Commitment,
}

/// A person or a rule said no.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied {
    /// The person; none for a rule.
    pub by: Option<PersonId>,
    /// Binds the reason the person gave.
    pub reason: Option<Commitment>,
    /// Which kind of no: `Denied` when a person said it.
    pub code: Code,
    /// Until when, when it only repeats what people said before.
    pub until: Option<Timestamp>,
}

/// Nobody had decided for a while: from here on people of more groups may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Escalated {
    /// How many of the requirement's [`escalations`](Requirement::escalations) have come.
    pub level: u32,
}

/// The right to run was used up; from here on the body may run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumed {
    /// What may run.
    pub digest: ActionDigest,
    /// Who uses it: the writer of the record, and the id of the record.
    pub by: Attempt,
}

/// One try to use an approval up: the process, and the id of the record if it succeeds.
///
/// Whoever reports on a run names the try, so that nobody ends the run of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by gates of other crates, too"
)]
pub struct Attempt {
    /// The process.
    pub boot: BootId,
    /// The record.
    pub record: RecordId,
}

/// A right was presented and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermitRefused {
    /// Why.
    pub code: Code,
    /// The digest that was presented, when it differed.
    pub got: Option<ActionDigest>,
    /// Whether the right is gone for good.
    pub burned: bool,
}

/// The body ended, or is believed to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// More about it: `panicked`, `dropped`, `process_gone`.
    pub code: Option<String>,
    /// How long the body ran, in microseconds, when that is known.
    pub duration_us: Option<u64>,
}

/// What people were shown of the request is gone: its commitments stay, and nothing opens them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Everything that can no longer be opened.
    pub commitments: Vec<Commitment>,
    /// Why, as it is bound in the authority.
    pub basis: Commitment,
    /// The request that approved it; it was used for this and for nothing else.
    pub authority: RequestId,
    /// What binds everything that the authority was approved for.
    pub digest: ActionDigest,
    /// Opens the parameter of the authority that names this request.
    pub opened: String,
}

impl Erased {
    /// An erasure under an approved action, of which `opened` opens the parameter `request`.
    #[must_use]
    pub fn new(
        commitments: Vec<Commitment>,
        basis: Commitment,
        authority: (RequestId, ActionDigest),
        opened: String,
    ) -> Self {
        let (authority, digest) = authority;
        Self {
            commitments,
            basis,
            authority,
            digest,
            opened,
        }
    }
}

/// A channel took a copy of the request, or failed to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoticeResult {
    /// The channel.
    pub channel: String,
    /// Where the copy went, as the channel names it; none when it failed.
    pub place: Option<String>,
    /// What failed; none when it was sent.
    pub error: Option<String>,
}

impl NoticeResult {
    /// A copy that went to a place.
    #[must_use]
    pub fn sent(channel: impl Into<String>, place: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            place: Some(cut(place)),
            error: None,
        }
    }

    /// A copy that did not go out.
    #[must_use]
    pub fn failed(channel: impl Into<String>, error: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            place: None,
            error: Some(cut(error)),
        }
    }
}

/// A channel's own words, cut to what a record can hold.
fn cut(text: impl Into<String>) -> String {
    text.into().chars().take(500).collect()
}
