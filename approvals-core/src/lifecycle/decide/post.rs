//! What follows from a person's look at how the glass was broken.

use crate::clock::Timestamp;
use crate::error::Code;
use crate::lifecycle::command::{PostReviewFacts, Step};
use crate::lifecycle::event::{Event, PostReviewed, ReviewRefused};
use crate::lifecycle::state::{Glass, RequestState};
use crate::principal::Assurance;
use crate::review::Vote;

type Refused = (Code, String);

pub(super) fn post_review(state: &RequestState, facts: &PostReviewFacts, now: Timestamp) -> Step {
    let counted = proven(facts, now).and_then(|review| {
        post_counts(state, &review)?;
        Ok(review)
    });
    match counted {
        Ok(review) => Step::accept(vec![Event::PostReviewed(Box::new(review))]),
        Err((code, message)) => {
            let refused = ReviewRefused {
                code,
                identity: facts.review.approver.identity().to_string(),
                person: facts.person.clone(),
                vote: None,
            };
            Step::refuse(vec![Event::ReviewRefused(Box::new(refused))], code, message)
        }
    }
}

/// Whether a review after the use closes what is open, and if not, why.
///
/// Looks at nothing but the review as it stands in the record: the gate records what this lets
/// through, and the verifier asks it again.
pub(crate) fn post_counts(state: &RequestState, review: &PostReviewed) -> Result<(), Refused> {
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    match state.glass() {
        Glass::Open => {}
        Glass::Reviewed(person) => {
            let message = format!("{person} has reviewed this already");
            return Err((Code::DuplicateVote, message));
        }
        Glass::Whole => {
            return no(
                Code::NotFound,
                "no glass was broken here; list what waits with `approvals list --break-glass`",
            );
        }
    }
    if review.digest != state.digest() {
        return no(
            Code::ActionMismatch,
            "the review is about another action than the one on record; open the request again",
        );
    }
    if state.requesters().contains(&review.person) {
        return no(
            Code::SelfApproval,
            "whoever is behind a request cannot review its use; ask somebody else",
        );
    }
    let approved = state.reviews().iter().any(|vote| {
        let same = vote.person == review.person || vote.identity == review.identity;
        vote.vote == Vote::Approve && same
    });
    if approved {
        return no(
            Code::NotEligible,
            "whoever approved a request cannot review its use; ask somebody else",
        );
    }
    if review.assurance < Assurance::A3 {
        return no(
            Code::AssuranceTooLow,
            "a broken glass is reviewed with a signature of one's own key; use `approvals review`",
        );
    }
    Ok(())
}

/// The review as it would stand in the record, when it is somebody's who may act at all.
fn proven(facts: &PostReviewFacts, now: Timestamp) -> Result<PostReviewed, Refused> {
    let no = |code: Code, message: &str| Err((code, message.to_owned()));
    let review = &facts.review;
    if review.valid_until.is_some_and(|until| now >= until) {
        return no(Code::Expired, "the signed review is too old; sign again");
    }
    let Some(person) = &facts.person else {
        return no(
            Code::IdentityUnresolved,
            "this account is linked to no person; add it to the person's identities in people.toml",
        );
    };
    if review.says.as_ref().is_some_and(|says| says != person) {
        return no(
            Code::SignatureInvalid,
            "the review claims to be somebody else's",
        );
    }
    let standing = facts.standing.as_ref();
    let Some(standing) = standing.filter(|standing| standing.active && standing.person == *person)
    else {
        return no(
            Code::NotEligible,
            "this person is disabled or unknown to the directory",
        );
    };
    Ok(PostReviewed {
        person: person.clone(),
        identity: review.approver.identity().to_string(),
        digest: review.digest,
        assurance: review.approver.assurance(),
        groups: standing.groups.clone(),
        evidence: review.approver.evidence().clone(),
        reason: review.reason.commitment.clone(),
    })
}
