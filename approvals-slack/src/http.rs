//! Interactivity over HTTP: one route that believes nothing but Slack's signature over the raw body.

use std::sync::Arc;

use approvals_core::gate::Refusal;
use approvals_core::secret::Secret;
use approvals_core::{Code, Gate};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use percent_encoding::percent_decode;
use serde_json::Value;

use crate::interact::Seen;
use crate::names;
use crate::queue::Inbox;
use crate::sign::Signed;

/// What the route needs.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) gate: Gate,
    pub(crate) signing: Secret,
    pub(crate) inbox: Inbox,
    pub(crate) seen: Seen,
}

pub(crate) fn routes(door: Door) -> Router {
    Router::new()
        .route(PATH, post(take))
        // Before anything is verified, nobody gets us to read more than a callback can be.
        .layer(DefaultBodyLimit::max(MOST))
        .with_state(Arc::new(door))
}

async fn take(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(signature) = verified(&door, &headers, &body) else {
        tracing::warn!(
            "a callback without a fresh signature of slack was refused; nothing was decided"
        );
        refuse(&door, Code::SignatureInvalid).await;
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(payload) = payload(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let taken = match door.seen.once(signature, || door.inbox.put(payload)) {
        Ok(Some(taken)) => taken,
        Ok(None) => {
            tracing::warn!("a callback of slack came a second time and did nothing");
            refuse(&door, Code::Replay).await;
            return StatusCode::OK.into_response();
        }
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    match taken.answer().await {
        Ok(Value::Null) => StatusCode::OK.into_response(),
        Ok(answer) => (
            [(header::CONTENT_TYPE, "application/json")],
            answer.to_string(),
        )
            .into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Puts on record what nobody has proven anything of; few of them, whoever sends many.
async fn refuse(door: &Door, code: Code) {
    let refusal = Refusal::new(names::PROVIDER, code);
    door.gate.record_refusal(refusal).await;
}

/// The signature, if it is Slack's, fresh, and over exactly this body.
fn verified<'a>(door: &Door, headers: &'a HeaderMap, body: &[u8]) -> Option<&'a str> {
    let signature = once(headers, "x-slack-signature")?;
    let signed = Signed {
        timestamp: once(headers, "x-slack-request-timestamp")?,
        signature,
        body,
    };
    signed
        .is_from(&door.signing, door.gate.now())
        .then_some(signature)
}

/// A header that stands exactly once: of two, readers would see one or the other.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The one field of the form that holds everything.
fn payload(body: &[u8]) -> Option<Vec<u8>> {
    let mut fields = body.split(|byte| *byte == b'&');
    let value = fields.next()?.strip_prefix(b"payload=")?;
    if fields.next().is_some() {
        return None;
    }
    let spaced: Vec<u8> = value
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Some(percent_decode(&spaced).collect())
}

/// Where Slack posts; the manifest names it.
pub(crate) const PATH: &str = "/slack/interactions";

const MOST: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_payload_is_read() {
        let check = |body: &str, wanted: Option<&str>| {
            let read = payload(body.as_bytes());
            assert_eq!(read.as_deref(), wanted.map(str::as_bytes), "{body}");
        };
        check("payload=%7B%22a%22%3A+1%7D", Some("{\"a\": 1}"));
        check("payload=%2B", Some("+"));
        check("payload=a&payload=b", None);
        check("token=x&payload=a", None);
        check("{}", None);
        check("", None);
    }
}
