//! Deciding: one form, with the session's own proof, or with a passkey's signature.

use approvals_core::digest::{ActionDigest, PolicyDigest};
use approvals_core::review::{Statement, commit_reason};
use approvals_core::sealed::Disclosure;
use approvals_core::webauthn::{self, Assertion};
use approvals_core::{ApprovalError, Code, RequestId, Review, Vote, id};
use axum::Json;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::request;
use super::pending::{Asked, LASTS};
use super::{Desk, Refused};
use crate::login::SignedIn;

/// A decision as a page sends it: who decides is never in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    csrf: String,
    digest: ActionDigest,
    policy: PolicyDigest,
    vote: Vote,
    #[serde(default)]
    reason: String,
}

impl Decision {
    /// What the person says why. A denial says why: whoever asked has to know what to change.
    fn reason(&self) -> Result<Option<Disclosure>, Refused> {
        let reason = self.reason.trim();
        match (self.vote, reason.is_empty()) {
            (Vote::Deny, true) => Err(Refused::new(
                Code::NonCanonical,
                "a denial needs a reason; say in a few words what is wrong",
            )),
            (_, true) => Ok(None),
            (_, false) => Ok(Some(commit_reason(reason)?)),
        }
    }
}

/// Decides with what the login proved.
pub(super) async fn decide(
    State(desk): State<Desk>,
    SignedIn { session, .. }: SignedIn,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<Decision>, FormRejection>,
) -> Result<Redirect, Refused> {
    let id = request(id)?;
    let Form(said) = form.map_err(|_| Refused::form())?;
    session.check(&said.csrf)?;
    let reason = said.reason()?;
    let approver = session.approver()?;
    let review = Review::new(approver, id, said.digest, said.policy, said.vote);
    let review = review.with_reason(reason).claiming(session.person);
    desk.site().gate().review(review).await?;
    Ok(Redirect::to(&format!("/inbox/r/{id}")))
}

/// What a passkey has to sign for this decision.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    signed_in: Result<SignedIn, Refused>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<Decision>, FormRejection>,
) -> Response {
    let asked = async { ask(&desk, signed_in?, request(id)?, form) };
    json_or_refusal(asked.await)
}

fn ask(
    desk: &Desk,
    SignedIn { session, secret }: SignedIn,
    id: RequestId,
    form: Result<Form<Decision>, FormRejection>,
) -> Result<Value, Refused> {
    let Form(said) = form.map_err(|_| Refused::form())?;
    session.check(&said.csrf)?;
    let (reason, now, site) = (said.reason()?, desk.site().now(), desk.rp_id()?);
    let passkeys = desk.people().passkeys(&session.person).iter();
    let credentials: Vec<String> = passkeys
        .filter(|passkey| *passkey.rp_id() == site)
        .map(|passkey| URL_SAFE_NO_PAD.encode(passkey.credential()))
        .collect();
    if credentials.is_empty() {
        let message = "you have no passkey here; enrol one, and ask your operator to add it";
        return Err(Refused::new(Code::NotEligible, message));
    }
    let nonce = id::random::<16>().map_err(ApprovalError::from)?;
    let statement = Statement::new(
        (id, said.digest, said.policy, said.vote),
        session.person,
        reason.as_ref(),
        URL_SAFE_NO_PAD.encode(nonce),
        now.after(LASTS),
    );
    let challenge = webauthn::challenge(&statement.bytes()?);
    let asked = Asked {
        statement,
        reason,
        session: secret,
    };
    let ticket = desk.inbox.unsigned.keep(asked, now)?;
    Ok(json!({
        "ticket": ticket.reveal(),
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "site": site.as_str(),
        "credentials": credentials,
    }))
}

/// What a browser sends when a passkey has signed; each part in base64url.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    csrf: String,
    ticket: String,
    credential: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

/// Decides with a passkey's signature.
pub(super) async fn signed(
    State(desk): State<Desk>,
    signed_in: Result<SignedIn, Refused>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<Signed>, FormRejection>,
) -> Response {
    let counted = async { count(&desk, signed_in?, request(id)?, form).await };
    json_or_refusal(counted.await)
}

async fn count(
    desk: &Desk,
    SignedIn { session, secret }: SignedIn,
    id: RequestId,
    form: Result<Form<Signed>, FormRejection>,
) -> Result<Value, Refused> {
    let Form(sent) = form.map_err(|_| Refused::form())?;
    session.check(&sent.csrf)?;
    let now = desk.site().now();
    let asked = desk.inbox.unsigned.take(&sent.ticket, &secret, now)?;
    if asked.statement.request != id {
        return Err(Refused::new(
            Code::ActionMismatch,
            "this signature is for another request",
        ));
    }
    let (site, credential) = (desk.rp_id()?, bytes(&sent.credential)?);
    let mut passkeys = desk.people().passkeys(&session.person).iter();
    let passkey = passkeys
        .find(|passkey| *passkey.rp_id() == site && passkey.credential() == credential.as_slice());
    let passkey = passkey.ok_or_else(|| {
        Refused::new(
            Code::NotEligible,
            "this passkey is not one of yours; take another one",
        )
    })?;
    let assertion = Assertion {
        client_data: bytes(&sent.client_data)?,
        authenticator_data: bytes(&sent.authenticator_data)?,
        signature: bytes(&sent.signature)?,
    };
    let statement = asked.statement.bytes()?;
    let review = webauthn::review(&statement, &assertion, passkey, asked.reason, now)?;
    let tally = desk.site().gate().review(review).await?;
    Ok(json!({ "status": tally.status }))
}

pub(super) fn bytes(base64url: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD
        .decode(base64url)
        .map_err(|_| Refused::form())
}

pub(super) fn json_or_refusal(answer: Result<Value, Refused>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(refused) => refused.into_json(),
    }
}
