//! What is answered when the answer is no: RFC 9457, with the stable code.

use approvals_core::{ApprovalError, Code, RequestId};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A refusal as every route answers it: `application/problem+json` with the stable code.
///
/// It never holds the value of a parameter. `error` says the same in the words of the Agent
/// Approval Protocol.
#[derive(Debug, Clone)]
pub struct Problem(Box<Members>);

/// The members of the document.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
struct Members {
    /// Which kind of refusal, as a URI that never changes.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What it means and how to mend it.
    detail: String,
    /// The stable code.
    code: &'static str,
    /// The request it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// The refusal in the words of the Agent Approval Protocol.
    error: ProtocolRefusal,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// A refusal as clients of the Agent Approval Protocol read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ProtocolRefusal {
    /// The protocol's own code.
    code: String,
    /// What it means and how to mend it.
    message: String,
}

/// The code of the refusal that an answer is: for counters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(pub(crate) &'static str);

impl Problem {
    /// A refusal with a code and a message that names the fix; the code says which status it has.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let text = code.as_str();
        Self(Box::new(Members {
            kind: format!("urn:approvals:code:{text}"),
            title: text,
            status: code.http_status(),
            code: text,
            request: None,
            error: ProtocolRefusal {
                code: protocol_word(code),
                message: detail.clone(),
            },
            detail,
            retry_after: None,
        }))
    }

    /// The same refusal under another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status.as_u16();
        self
    }

    /// The same refusal, saying after how many seconds to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    /// The same refusal, naming the request.
    #[must_use]
    pub fn about(mut self, request: RequestId) -> Self {
        self.0.request = Some(request.to_string());
        self
    }

    /// What was sent cannot be understood.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::NonCanonical, detail).with_status(StatusCode::BAD_REQUEST)
    }

    /// The same refusal with another word for clients of the Agent Approval Protocol.
    pub(crate) fn in_words(mut self, word: &str) -> Self {
        word.clone_into(&mut self.0.error.code);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// What a page tells a person: the code, the message, and when to come back.
    pub(crate) fn told(self) -> (Code, String, Option<u64>) {
        let found = Code::all().find(|code| code.as_str() == self.0.code);
        let code = found.unwrap_or(Code::Misuse);
        (code, self.0.detail, self.0.retry_after)
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        self.0.code
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        Members::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Members::schemas(schemas);
    }
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        let problem = Self::new(error.code(), error.message());
        match error.request() {
            Some(request) => problem.about(request),
            None => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/problem+json");
        let (retry, refused) = (self.0.retry_after, Refused(self.0.code));
        let mut response = (status, axum::Json(self.0)).into_response();
        response.extensions_mut().insert(refused);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"approvals\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// `AlreadyConsumed` is `already_consumed`; where the protocol has its own word, that.
fn protocol_word(code: Code) -> String {
    match code {
        Code::Expired => "approval_expired".to_owned(),
        _ => snake(code.as_str()),
    }
}

fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for (at, letter) in text.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_refusal_with_a_status_and_a_word() {
        for code in Code::all() {
            let problem = Problem::new(code, "because");
            let response = problem.into_response();
            assert_eq!(response.status().as_u16(), code.http_status(), "{code}");
        }
        assert_eq!(protocol_word(Code::AlreadyConsumed), "already_consumed");
        assert_eq!(protocol_word(Code::Expired), "approval_expired");
    }
}
