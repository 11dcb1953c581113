//! What a person is told when the answer is no: a page with the stable code.

use approvals_core::{ApprovalError, Code, RequestId};
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::problem::Problem;

/// A refusal that a person reads.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Why, with the code and its status.
    Because(Box<Because>),
    /// Nobody is signed in: the login page, and back to this request from there.
    SignedOut(Option<RequestId>),
}

#[derive(Debug)]
pub(crate) struct Because {
    code: &'static str,
    status: StatusCode,
    message: String,
    retry_after: Option<u64>,
    again: Option<RequestId>,
}

impl Refused {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status());
        Self::Because(Box::new(Because {
            code: code.as_str(),
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: message.into(),
            retry_after: None,
            again: None,
        }))
    }

    pub(crate) fn signed_out(request: Option<RequestId>) -> Self {
        Self::SignedOut(request)
    }

    /// The same refusal, offering a new login that could prove enough for this request.
    pub(super) fn again(mut self, request: RequestId) -> Self {
        if let Self::Because(because) = &mut self {
            because.again = Some(request);
        }
        self
    }

    /// A form that cannot be read: a member too many, too few, or twice.
    pub(crate) fn form() -> Self {
        Self::new(
            Code::NonCanonical,
            "this form cannot be read; open the request again and decide there",
        )
    }

    /// The same refusal for a script.
    pub(crate) fn into_json(self) -> Response {
        let (status, code, message) = match self {
            Self::Because(because) => (because.status, because.code, because.message),
            Self::SignedOut(_) => (
                StatusCode::UNAUTHORIZED,
                Code::Unauthenticated.as_str(),
                "your session has ended; sign in again".to_owned(),
            ),
        };
        let body = serde_json::json!({ "code": code, "detail": message });
        (status, axum::Json(body)).into_response()
    }
}

impl From<ApprovalError> for Refused {
    fn from(error: ApprovalError) -> Self {
        Self::new(error.code(), error.message())
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let (code, message, retry_after) = problem.told();
        let mut refused = Self::new(code, message);
        if let Self::Because(because) = &mut refused {
            because.retry_after = retry_after;
        }
        refused
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Page<'a> {
    code: &'a str,
    message: &'a str,
    again: Option<String>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let because = match self {
            Self::SignedOut(None) => return Redirect::to("/login").into_response(),
            Self::SignedOut(Some(request)) => {
                return Redirect::to(&format!("/login?request={request}")).into_response();
            }
            Self::Because(because) => because,
        };
        let page = Page {
            code: because.code,
            message: &because.message,
            again: because.again.map(again),
        };
        let page = page.render().unwrap_or_else(|_| because.code.to_owned());
        let mut response = (because.status, Html(page)).into_response();
        if let Some(after) = because.retry_after {
            let after = HeaderValue::from(after);
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// Where somebody proves themselves anew, to come back to a request.
pub(super) fn again(request: RequestId) -> String {
    format!("/login/start?again=yes&request={request}")
}

/// Draws a page.
pub(super) fn draw(page: &impl Template) -> Result<Html<String>, Refused> {
    page.render().map(Html).map_err(|error| {
        let message = format!("the page could not be drawn ({error}); nothing was decided");
        Refused::new(Code::Unrenderable, message)
    })
}
