//! Counting a review: the one choke point of every channel.

use super::Gate;
use crate::commit::Work;
use crate::error::{ApprovalError, Code};
use crate::lifecycle::{Command, ReviewFacts};
use crate::request::{Progress, Status};
use crate::review::{MAX_REASON, REASON, Review};
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
        check_reason(&review)?;
        let found = inner.people.resolve(review.approver.identity());
        let named = |error: ApprovalError| error.with_request(request);
        let person = inner.directory(found).await.map_err(named)?;
        let standing = match &person {
            Some(person) => inner.standing(person).await.map_err(named)?,
            None => None,
        };
        let disclosures = review.reason.iter().cloned().collect();
        let vote = review.vote;
        let command = Command::Review(Box::new(ReviewFacts::new(review, person.clone(), standing)));
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
}

/// A reason has the same limit wherever it was committed to.
fn check_reason(review: &Review) -> Result<(), ApprovalError> {
    let Some(disclosure) = &review.reason else {
        return Ok(());
    };
    let opened = disclosure.open();
    let text = opened.as_ref().and_then(|(_, name, value)| {
        let own = name == REASON && Disclosure::from_text(disclosure.text.clone()) == *disclosure;
        value.as_text().filter(|_| own)
    });
    match text {
        Some(text) if text.chars().count() <= MAX_REASON => Ok(()),
        _ => Err(ApprovalError::new(
            Code::NonCanonical,
            format!("the reason is not a text of at most {MAX_REASON} characters"),
        )
        .with_request(review.request)),
    }
}
