//! Deciding: one form, with the session's own proof, or with a passkey's signature.

use approvals_core::digest::{ActionDigest, PolicyDigest};
use approvals_core::review::{Statement, commit_reason};
use approvals_core::sealed::Disclosure;
use approvals_core::webauthn::{self, Assertion};
use approvals_core::{ApprovalError, Code, PersonId, RequestId, Review, Timestamp, Vote, id};
use axum::Json;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pages::request;
use super::pending::{Asked, LASTS, Said};
use super::{Desk, Refused};
use crate::auth::TokenHash;
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
    let stale = session.is_stale();
    let review = review.with_reason(reason).claiming(session.person);
    let counted = desk.site().gate().review(review).await;
    counted.map_err(|error| match error.code() {
        Code::AssuranceTooLow if stale => Refused::from(error).again(id),
        _ => Refused::from(error),
    })?;
    Ok(Redirect::to(&format!("/inbox/r/{id}")))
}

/// What a page sends to have it signed with a passkey.
pub(super) trait ToSign: DeserializeOwned {
    /// The token of the session's own pages.
    fn csrf(&self) -> &str;

    /// What this person signs, under this word and until then.
    fn said(
        self,
        id: RequestId,
        person: PersonId,
        nonce: String,
        until: Timestamp,
    ) -> Result<Said, Refused>;
}

impl ToSign for Decision {
    fn csrf(&self) -> &str {
        &self.csrf
    }

    fn said(
        self,
        id: RequestId,
        person: PersonId,
        nonce: String,
        until: Timestamp,
    ) -> Result<Said, Refused> {
        let reason = self.reason()?;
        let decided = (id, self.digest, self.policy, self.vote);
        let statement = Statement::new(decided, person, reason.as_ref(), nonce, until);
        Ok(Said::Decision(statement, reason))
    }
}

/// What a passkey has to sign for what a page sends.
pub(super) async fn challenge<T: ToSign>(
    State(desk): State<Desk>,
    signed_in: Result<SignedIn, Refused>,
    id: Result<Path<String>, PathRejection>,
    form: Result<Form<T>, FormRejection>,
) -> Response {
    let asked = async { ask(&desk, signed_in?, request(id)?, form) };
    json_or_refusal(asked.await)
}

fn ask<T: ToSign>(
    desk: &Desk,
    SignedIn { session, secret }: SignedIn,
    id: RequestId,
    form: Result<Form<T>, FormRejection>,
) -> Result<Value, Refused> {
    let Form(form) = form.map_err(|_| Refused::form())?;
    session.check(form.csrf())?;
    let until = desk.site().now().after(LASTS);
    let said = form.said(id, session.person.clone(), nonce()?, until)?;
    to_sign(desk, &session.person, secret, said)
}

/// A word that makes a statement different from every other one.
fn nonce() -> Result<String, ApprovalError> {
    let nonce = id::random::<16>().map_err(ApprovalError::from)?;
    Ok(URL_SAFE_NO_PAD.encode(nonce))
}

/// Keeps what is to be signed, and says what a browser needs for that.
fn to_sign(
    desk: &Desk,
    person: &PersonId,
    session: TokenHash,
    said: Said,
) -> Result<Value, Refused> {
    let site = desk.rp_id()?;
    let passkeys = desk.people().passkeys(person).iter();
    let credentials: Vec<String> = passkeys
        .filter(|passkey| *passkey.rp_id() == site)
        .map(|passkey| URL_SAFE_NO_PAD.encode(passkey.credential()))
        .collect();
    if credentials.is_empty() {
        let message = "you have no passkey here; enrol one, and ask your operator to add it";
        return Err(Refused::new(Code::NotEligible, message));
    }
    let challenge = webauthn::challenge(&said.bytes()?);
    let asked = Asked { said, session };
    let ticket = desk.inbox.unsigned.keep(asked, desk.site().now())?;
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

/// Decides, or reviews what was used, with a passkey's signature.
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
    if asked.said.request() != id {
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
    let (bytes, gate) = (asked.said.bytes()?, desk.site().gate());
    let status = match asked.said {
        Said::Decision(_, reason) => {
            let review = webauthn::review(&bytes, &assertion, passkey, reason, now)?;
            gate.review(review).await?.status
        }
        Said::Review(_, reason) => {
            let review = webauthn::post_review(&bytes, &assertion, passkey, reason, now)?;
            gate.post_review(review).await?;
            gate.card(id).await?.status
        }
    };
    Ok(json!({ "status": status }))
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
