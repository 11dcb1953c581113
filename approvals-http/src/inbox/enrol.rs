//! Making a passkey: the page shows the entry that an operator adds to `people.toml`.
//!
//! The entry counts for nobody until then. A session that could add keys could mint itself a
//! stronger proof than its own login was.

use approvals_core::webauthn;
use approvals_core::{ApprovalError, Code, id};
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{Html, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decide::{bytes, json_or_refusal};
use super::refused::draw;
use super::view::Frame;
use super::{Desk, Refused};
use crate::login::SignedIn;

#[derive(Template)]
#[template(path = "passkey.html")]
struct Page {
    frame: Frame,
    challenge: String,
    site: String,
    have: usize,
}

pub(super) async fn show(
    State(desk): State<Desk>,
    SignedIn { session, secret }: SignedIn,
) -> Result<Html<String>, Refused> {
    let challenge = id::random::<32>().map_err(ApprovalError::from)?;
    desk.inbox
        .unsigned
        .enrol(secret, challenge, desk.site().now());
    let name = desk.people().name(&session.person);
    draw(&Page {
        frame: Frame::of("/inbox/passkey", &session, name),
        challenge: URL_SAFE_NO_PAD.encode(challenge),
        site: desk.rp_id()?.to_string(),
        have: desk.people().passkeys(&session.person).len(),
    })
}

/// What a browser sends when it has made a passkey.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    csrf: String,
    client_data: String,
    authenticator_data: String,
}

pub(super) async fn entry(
    State(desk): State<Desk>,
    signed_in: Result<SignedIn, Refused>,
    form: Result<Form<Made>, FormRejection>,
) -> Response {
    let made = || read(&desk, signed_in?, form);
    json_or_refusal(made())
}

fn read(
    desk: &Desk,
    SignedIn { session, secret }: SignedIn,
    form: Result<Form<Made>, FormRejection>,
) -> Result<Value, Refused> {
    let Form(made) = form.map_err(|_| Refused::form())?;
    session.check(&made.csrf)?;
    let challenge = desk.inbox.unsigned.enrolled(&secret, desk.site().now());
    let challenge = challenge.ok_or_else(|| {
        Refused::new(
            Code::Expired,
            "too late; open the page again and make the passkey there",
        )
    })?;
    let (client_data, seen) = (bytes(&made.client_data)?, bytes(&made.authenticator_data)?);
    let passkey = webauthn::enrolled(&client_data, &seen, &challenge, &desk.rp_id()?)?;
    Ok(json!({ "entry": passkey.entry() }))
}
