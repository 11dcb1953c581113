//! Reviewing how the glass was broken: with a passkey, because it takes the person's own key.

use approvals_core::digest::ActionDigest;
use approvals_core::review::{PostStatement, commit_reason};
use approvals_core::{Code, RequestId};
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Form, Path, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::decide::{json_or_refusal, nonce, to_sign};
use super::pages::request;
use super::pending::{LASTS, Said};
use super::{Desk, Refused};
use crate::login::SignedIn;

/// What somebody found, as a page sends it: who reviews is never in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    csrf: String,
    digest: ActionDigest,
    reason: String,
}

/// What a passkey has to sign for this review.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    signed_in: Result<SignedIn, Refused>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<Found>, FormRejection>,
) -> Response {
    let asked = async { ask(&desk, signed_in?, request(id)?, form) };
    json_or_refusal(asked.await)
}

fn ask(
    desk: &Desk,
    SignedIn { session, secret }: SignedIn,
    id: RequestId,
    form: Result<Form<Found>, FormRejection>,
) -> Result<Value, Refused> {
    let Form(found) = form.map_err(|_| Refused::form())?;
    session.check(&found.csrf)?;
    if found.reason.trim().is_empty() {
        let message = "a review says what you found; write it in a few words";
        return Err(Refused::new(Code::NonCanonical, message));
    }
    let reason = commit_reason(found.reason.trim())?;
    let statement = PostStatement::new(
        (id, found.digest),
        session.person.clone(),
        &reason,
        nonce()?,
        desk.site().now().after(LASTS),
    );
    to_sign(
        desk,
        &session.person,
        secret,
        Said::Review(statement, reason),
    )
}
