//! What the gate wants to do, with the facts it has gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::denials::Denials;
use super::event::{Attempt, Created, Event, Finished, NoticeResult};
use super::state::RequestState;
use crate::clock::Timestamp;
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::{BootId, EngineName, PersonId, RequestId};
use crate::policy::{Ceiling, Evaluation, Memory, Policy};
use crate::principal::Standing;
use crate::proposal::Proposal;
use crate::review::{PostReview, Review};

/// One thing to do to one request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Command {
    /// Make the request.
    Ask(Box<Ask>),
    /// Count a vote.
    Review(Box<ReviewFacts>),
    /// Take in a review of how the glass was broken.
    PostReview(Box<PostReviewFacts>),
    /// Do what time has brought about: end what is out of time, let more people decide what has
    /// waited; nothing when there is nothing.
    Due(RequestId),
    /// Withdraw it.
    Cancel(RequestId),
    /// Use the approval up.
    Consume(Box<Consumption>),
    /// A check failed after the approval was used up; the body did not run.
    Burn {
        /// The request.
        request: RequestId,
        /// The try that used it up.
        by: Attempt,
        /// Which check: `ActionMismatch` for the last look, `AuditUnavailable` when no witnesses vouch for the use.
        why: Code,
        /// What was about to run, when it was not what was approved.
        got: Option<ActionDigest>,
    },
    /// The body ended.
    Finish {
        /// The request.
        request: RequestId,
        /// The try whose run it was; none for whoever gives up a run whose process is gone.
        by: Option<Attempt>,
        /// How.
        finished: Finished,
    },
    /// A channel reported on its copies.
    Notice {
        /// The request.
        request: RequestId,
        /// What it said, of each.
        results: Vec<NoticeResult>,
    },
    /// Destroy what opens the commitments of a settled request.
    Erase(Box<EraseFacts>),
}

impl Command {
    /// The request it is about.
    #[must_use]
    pub fn request(&self) -> RequestId {
        match self {
            Self::Ask(ask) => ask.created.action.request_id,
            Self::Review(facts) => facts.review.request,
            Self::PostReview(facts) => facts.review.request,
            Self::Consume(consumption) => consumption.request,
            Self::Erase(erasure) => erasure.request,
            Self::Due(request)
            | Self::Cancel(request)
            | Self::Burn { request, .. }
            | Self::Finish { request, .. }
            | Self::Notice { request, .. } => *request,
        }
    }
}

/// A new request, sealed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ask {
    /// What is asked.
    pub created: Created,
    /// What the policy said.
    pub evaluation: Evaluation,
    /// The first ceiling that has no room; set by counting, in the same transaction.
    pub over: Option<Ceiling>,
    /// The broken glass of the same agent that waits for its review; looked up in the same
    /// transaction, when this request breaks it again.
    pub unreviewed: Option<RequestId>,
    /// For how long the policy remembers a no.
    pub memory: Memory,
    /// What it remembers; looked up in the same transaction.
    pub denials: Denials,
}

impl Ask {
    /// A new request, what the policy said of it, and for how long it remembers a no.
    #[must_use]
    pub fn new(created: Created, evaluation: Evaluation, memory: Memory) -> Self {
        Self {
            created,
            evaluation,
            over: None,
            unreviewed: None,
            memory,
            denials: Denials::default(),
        }
    }

    /// Looks up the denials that are remembered; see [`Denials`].
    ///
    /// # Errors
    /// The first error of `raised`.
    pub(crate) fn recall<E>(
        &mut self,
        now: Timestamp,
        raised: impl FnMut(&str, Timestamp) -> Result<Vec<(Timestamp, u64)>, E>,
    ) -> Result<(), E> {
        self.denials = Denials::recall(&self.created, &self.memory, now, raised)?;
        Ok(())
    }

    /// Whether an earlier denial keeps people from being asked.
    pub(crate) fn is_remembered(&self) -> bool {
        self.denials != Denials::default()
    }

    /// Finds the first ceiling that has no room, by counting what was let through before.
    ///
    /// # Errors
    /// The first error of `count`.
    pub(crate) fn weigh<E>(
        &mut self,
        mut count: impl FnMut(&Ceiling) -> Result<u64, E>,
    ) -> Result<(), E> {
        let mut over = None;
        for ceiling in self.ceilings() {
            if !ceiling.has_room(count(ceiling)?) {
                over = Some(ceiling.clone());
                break;
            }
        }
        self.over = over;
        Ok(())
    }

    /// What a call that a rule lets through counts against; nothing when people are asked.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &Ceiling> {
        let counts = self.over.is_none();
        self.ceilings().iter().filter(move |_| counts)
    }

    fn ceilings(&self) -> &[Ceiling] {
        match &self.evaluation {
            Evaluation::Allow(allowance) => &allowance.ceilings,
            _ => &[],
        }
    }
}

/// A vote, and what the directory said about who cast it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReviewFacts {
    /// The vote.
    pub review: Review,
    /// The person behind the account; none when the account is linked to nobody.
    pub person: Option<PersonId>,
    /// The person's standing; none when the directory does not know the person.
    pub standing: Option<Standing>,
    /// The standing, now, of those who have approved already and were looked up; none inside for
    /// somebody whom the directory does not know any more.
    pub standings: BTreeMap<PersonId, Option<Standing>>,
}

impl ReviewFacts {
    /// A vote by an account linked to this person, of this standing.
    #[must_use]
    pub fn new(review: Review, person: Option<PersonId>, standing: Option<Standing>) -> Self {
        Self {
            review,
            person,
            standing,
            standings: BTreeMap::new(),
        }
    }
}

/// A review after the use, and what the directory said about whose it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostReviewFacts {
    /// The review.
    pub review: PostReview,
    /// The person behind the account; none when the account is linked to nobody.
    pub person: Option<PersonId>,
    /// The person's standing; none when the directory does not know the person.
    pub standing: Option<Standing>,
}

impl PostReviewFacts {
    /// A review by an account linked to this person, of this standing.
    #[must_use]
    pub fn new(review: PostReview, person: Option<PersonId>, standing: Option<Standing>) -> Self {
        Self {
            review,
            person,
            standing,
        }
    }
}

/// The wish to use an approval, and the facts as they are now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Consumption {
    /// The request.
    pub request: RequestId,
    /// What is about to run.
    pub digest: ActionDigest,
    /// The policy that the asking process holds now; asked again for the time of the use.
    pub policy: Policy,
    /// What it is asked about.
    pub proposal: Arc<Proposal>,
    /// The engines that judged it now, beside that policy.
    pub engines: BTreeSet<EngineName>,
    /// Who uses it.
    pub by: Attempt,
    /// The standing, now, of everybody who approved.
    pub standings: BTreeMap<PersonId, Standing>,
    /// What the policy and these engines said a moment ago; none when only the policy is asked.
    pub judged: Option<Evaluation>,
    /// The broken glass of the same agent that waits for its review, as for [`Ask`].
    pub unreviewed: Option<RequestId>,
}

impl Consumption {
    /// The wish to use the approval of a request for an action with this digest.
    #[must_use]
    pub fn new(
        request: RequestId,
        digest: ActionDigest,
        by: Attempt,
        policy: Policy,
        proposal: Arc<Proposal>,
    ) -> Self {
        Self {
            request,
            digest,
            policy,
            proposal,
            engines: BTreeSet::new(),
            by,
            standings: BTreeMap::new(),
            judged: None,
            unreviewed: None,
        }
    }
}

/// The wish to erase a request, and the run of the action that was approved for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EraseFacts {
    /// The request whose values are to go.
    pub request: RequestId,
    /// The request that approves it, as it stands now; none when there is no such request.
    pub authority: Option<Arc<RequestState>>,
    /// The process that carries it out.
    pub boot: BootId,
    /// Opens the parameter of the authority that names the request.
    pub opened: String,
}

impl EraseFacts {
    /// The wish of a process to erase a request under an authority.
    #[must_use]
    pub fn new(
        request: RequestId,
        authority: Option<Arc<RequestState>>,
        boot: BootId,
        opened: String,
    ) -> Self {
        Self {
            request,
            authority,
            boot,
            opened,
        }
    }
}

/// What follows from a command: events to record, and perhaps a refusal for the caller.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Step {
    /// To be recorded, in order; the refusal's own record is among them.
    pub events: Vec<Event>,
    /// What the caller is told, when it is no.
    pub refusal: Option<Refusal>,
}

impl Step {
    pub(super) fn accept(events: Vec<Event>) -> Self {
        Self {
            events,
            refusal: None,
        }
    }

    pub(super) fn refuse(events: Vec<Event>, code: Code, message: impl Into<String>) -> Self {
        Self {
            events,
            refusal: Some(Refusal {
                code,
                message: message.into(),
            }),
        }
    }
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What it means and how to mend it.
    pub message: String,
}

impl Refusal {
    /// The refusal as the caller sees it.
    #[must_use]
    pub fn into_error(self, request: RequestId) -> ApprovalError {
        ApprovalError::new(self.code, self.message).with_request(request)
    }
}
