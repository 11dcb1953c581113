//! Whether the evidence of a vote shows what the record says of it.

use crate::clock::Timestamp;
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{PostReviewed, RequestState, Reviewed};
use crate::principal::Assurance;
use crate::review::{Evidence, Statement};
use crate::{sshsig, webauthn};

/// What a vote rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rests {
    /// A signature of the person's own key, verified again.
    Signature,
    /// The word of the channel that recorded it.
    Channel,
}

/// Verifies what can be verified, and says what the rest rests on.
pub(super) fn check(
    state: &RequestState,
    vote: &Reviewed,
    at: Timestamp,
) -> Result<Rests, (Rule, String)> {
    let signed = match vote.evidence.method.as_str() {
        sshsig::METHOD => sshsig::check(&vote.evidence),
        webauthn::METHOD => webauthn::check(&vote.evidence),
        _ => return Ok(Rests::Channel),
    };
    let (said, identity) = signed.map_err(|error| (Rule::Signature, error.to_string()))?;
    if identity.to_string() != vote.identity {
        let message = format!(
            "the key that signed is `{identity}`, and the vote is recorded for another account"
        );
        return Err((Rule::Identity, message));
    }
    same(&said, state, vote).map_err(|what| {
        let message = format!("what was signed is about another {what} than the record");
        (Rule::Statement, message)
    })?;
    if at >= said.expires_at {
        let message = format!(
            "the decision was signed for the time until {}, and counted after it",
            said.expires_at
        );
        return Err((Rule::Late, message));
    }
    Ok(Rests::Signature)
}

/// Verifies what a review after the use rests on: it takes a signature, or the word of a channel
/// whose word is taken.
pub(super) fn check_post(
    state: &RequestState,
    review: &PostReviewed,
    at: Timestamp,
    channels_trusted: bool,
) -> Result<(), (Rule, String)> {
    let signed = match review.evidence.method.as_str() {
        sshsig::METHOD => sshsig::check_post(&review.evidence),
        webauthn::METHOD => webauthn::check_post(&review.evidence),
        _ if channels_trusted => return Ok(()),
        method => {
            let method = crate::canonical::clip(method);
            let message = format!(
                "a broken glass is reviewed with a signature, and evidence by `{method}` is none"
            );
            return Err((Rule::Assurance, message));
        }
    };
    let (said, identity) = signed.map_err(|error| (Rule::Signature, error.to_string()))?;
    if identity.to_string() != review.identity {
        let message = format!(
            "the key that signed is `{identity}`, and the review is recorded for another account"
        );
        return Err((Rule::Identity, message));
    }
    let parts = [
        ("request", said.request == state.id()),
        ("action", said.action == review.digest),
        ("person", said.person == review.person),
        ("reason", said.reason == review.reason),
    ];
    if let Some((what, _)) = parts.iter().find(|(_, same)| !same) {
        let message = format!("what was signed is about another {what} than the record");
        return Err((Rule::Statement, message));
    }
    if at >= said.expires_at {
        let message = format!(
            "the review was signed for the time until {}, and counted after it",
            said.expires_at
        );
        return Err((Rule::Late, message));
    }
    Ok(())
}

/// Whether a statement says exactly what the record says; if not, what differs.
fn same(said: &Statement, state: &RequestState, vote: &Reviewed) -> Result<(), &'static str> {
    let parts = [
        ("request", said.request == state.id()),
        ("action", said.action == vote.digest),
        ("policy", said.policy == state.policy().digest),
        ("vote", said.vote == vote.vote),
        ("person", said.person == vote.person),
        ("reason", said.reason == vote.reason),
    ];
    match parts.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(what),
        None => Ok(()),
    }
}

/// How well evidence that cannot be verified again can prove an identity at most.
pub(super) fn at_most(evidence: &Evidence) -> Assurance {
    match evidence.method.as_str() {
        // A login is fresh when the record was made, and nothing of it can be shown later.
        "oidc" => Assurance::A2,
        _ => Assurance::A1,
    }
}
