//! Counting a review: the one choke point of every channel.

use std::collections::BTreeMap;

use super::{Gate, Inner};
use crate::commit::Work;
use crate::error::{ApprovalError, Code};
use crate::id::{PersonId, RequestId};
use crate::lifecycle::{Command, PostReviewFacts, ReviewFacts};
use crate::principal::Standing;
use crate::request::{Progress, Status};
use crate::review::{MAX_REASON, PostReview, REASON, Review, VerifiedApprover, Vote};
use crate::sealed::Disclosure;

/// Where a request stands after a review was counted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tally {
    /// Where it stands now.
    pub status: Status,
    /// Who has approved so far.
    pub progress: Vec<Progress>,
    /// The number of the record that holds the vote. [`Gate::receipt_of`] proves it: what somebody
    /// who decided keeps, so that their decision cannot be lost or changed unseen.
    pub record: u64,
}

impl Gate {
    /// Counts one verified person's decision.
    ///
    /// Every channel ends here, so that every channel refuses the same things for the same
    /// reasons. Refused reviews are recorded.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `Denied`, `Cancelled`, `AlreadyConsumed`, `ActionMismatch`,
    /// `PolicyChanged`, `IdentityUnresolved`, `NotEligible`, `SelfApproval`, `DuplicateVote`,
    /// `AssuranceTooLow`, `SignatureInvalid`; `StoreUnavailable` or `AuditUnavailable` when it
    /// could not be recorded, and so does not count.
    pub async fn review(&self, review: Review) -> Result<Tally, ApprovalError> {
        let inner = &self.0;
        let request = review.request();
        check_reason(review.reason.as_ref(), request)?;
        let (person, standing) = inner.who_is(&review.approver, request).await?;
        let disclosures = review.reason.iter().cloned().collect();
        let vote = review.vote;
        let mut facts = ReviewFacts::new(review, person.clone(), standing);
        if vote == Vote::Approve {
            facts.standings = inner.standings_of(request).await?;
        }
        let command = Command::Review(Box::new(facts));
        let ticket = inner.journal.submit(Work::Command {
            command,
            disclosures,
            attach_closed: false,
        });
        let answer = inner.patient(ticket).await?;
        if let Some(refusal) = answer.refusal {
            tracing::info!(approval.request = %request, code = %refusal.code, "review refused");
            return Err(refusal.into_error(request));
        }
        let state = answer.state.ok_or_else(|| {
            ApprovalError::new(Code::NotFound, "there is no such request").with_request(request)
        })?;
        tracing::info!(approval.request = %request, person = person.as_ref().map(tracing::field::display), vote = vote.as_str(), status = %state.status(), "reviewed");
        Ok(Tally {
            status: state.status(),
            progress: state.progress(),
            record: answer.vote.unwrap_or(answer.seq),
        })
    }

    /// Takes in one verified person's review of how the glass was broken, and so closes what stays
    /// open until then.
    ///
    /// The person must have had no part in it: neither behind the request nor among those who
    /// approved it, and must sign with their own key. Refused reviews are recorded.
    ///
    /// # Errors
    /// `NotFound` when no glass was broken; `DuplicateVote` when somebody has reviewed it;
    /// `ActionMismatch`, `IdentityUnresolved`, `NotEligible`, `SelfApproval`, `AssuranceTooLow`,
    /// `SignatureInvalid`, `Expired`; `NonCanonical` when the reason is empty or too long;
    /// `StoreUnavailable` or `AuditUnavailable` when it could not be recorded, and so does not
    /// count.
    pub async fn post_review(&self, review: PostReview) -> Result<(), ApprovalError> {
        let inner = &self.0;
        let request = review.request();
        check_reason(Some(&review.reason), request)?;
        let (person, standing) = inner.who_is(&review.approver, request).await?;
        let disclosures = vec![review.reason.clone()];
        let facts = PostReviewFacts::new(review, person.clone(), standing);
        let ticket = inner.journal.submit(Work::Command {
            command: Command::PostReview(Box::new(facts)),
            disclosures,
            attach_closed: false,
        });
        match inner.patient(ticket).await?.refusal {
            Some(refusal) => {
                tracing::info!(approval.request = %request, code = %refusal.code, "review of a broken glass refused");
                Err(refusal.into_error(request))
            }
            None => {
                let person = person.as_ref().map(tracing::field::display);
                tracing::info!(approval.request = %request, person, "broken glass reviewed");
                Ok(())
            }
        }
    }
}

impl Inner {
    /// The person behind an account, and what the directory says of them.
    async fn who_is(
        &self,
        approver: &VerifiedApprover,
        request: RequestId,
    ) -> Result<(Option<PersonId>, Option<Standing>), ApprovalError> {
        let named = |error: ApprovalError| error.with_request(request);
        let found = self.people.resolve(approver.identity());
        let person = self.directory(found).await.map_err(named)?;
        let standing = match &person {
            Some(person) => self.standing(person).await.map_err(named)?,
            None => None,
        };
        Ok((person, standing))
    }

    /// The standing, now, of everybody who has approved already: a vote that counts beside theirs
    /// must not complete what one of them may no longer give.
    async fn standings_of(
        &self,
        request: RequestId,
    ) -> Result<BTreeMap<PersonId, Option<Standing>>, ApprovalError> {
        let looked = self.patient(self.journal.look(request)).await?;
        let reviews = looked.map(|(state, _)| state.reviews().to_vec());
        let mut standings = BTreeMap::new();
        for review in reviews.unwrap_or_default() {
            let standing = self.standing(&review.person).await;
            let standing = standing.map_err(|error| error.with_request(request))?;
            standings.insert(review.person, standing);
        }
        Ok(standings)
    }
}

/// A reason has the same limits wherever it was committed to.
fn check_reason(reason: Option<&Disclosure>, request: RequestId) -> Result<(), ApprovalError> {
    let Some(disclosure) = reason else {
        return Ok(());
    };
    let opened = disclosure.open();
    let text = opened.as_ref().and_then(|(_, name, value)| {
        let own = name == REASON && Disclosure::from_text(disclosure.text.clone()) == *disclosure;
        value.as_text().filter(|_| own)
    });
    match text {
        Some(text) if !text.trim().is_empty() && text.chars().count() <= MAX_REASON => Ok(()),
        _ => Err(ApprovalError::new(
            Code::NonCanonical,
            format!(
                "the reason is not a text of 1 to {MAX_REASON} characters; say why in a few words"
            ),
        )
        .with_request(request)),
    }
}
