//! What a person is told when the answer is no: a page with the stable code.

use approvals_core::{ApprovalError, Code};
use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::problem::Problem;

/// A refusal that a person reads.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Why, with the code and its status.
    Because(Box<Because>),
    /// Nobody is signed in: the login page.
    SignedOut,
}

#[derive(Debug)]
pub(crate) struct Because {
    code: &'static str,
    status: StatusCode,
    message: String,
    retry_after: Option<String>,
}

impl Refused {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.http_status());
        Self::Because(Box::new(Because {
            code: code.as_str(),
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: message.into(),
            retry_after: None,
        }))
    }

    pub(crate) fn signed_out() -> Self {
        Self::SignedOut
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
            Self::SignedOut => (
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
        let response = problem.clone().into_response();
        let retry = response.headers().get(header::RETRY_AFTER);
        let retry = retry.and_then(|after| after.to_str().ok());
        Self::Because(Box::new(Because {
            code: Code::RateLimited.as_str(),
            status: response.status(),
            message: "you ask faster than is allowed here; come back in a moment".to_owned(),
            retry_after: retry.map(str::to_owned),
        }))
    }
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Page<'a> {
    code: &'a str,
    message: &'a str,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let because = match self {
            Self::SignedOut => return Redirect::to("/login").into_response(),
            Self::Because(because) => because,
        };
        let page = Page {
            code: because.code,
            message: &because.message,
        };
        let page = page.render().unwrap_or_else(|_| because.code.to_owned());
        let mut response = (because.status, Html(page)).into_response();
        if let Some(after) = because.retry_after.and_then(|after| after.parse().ok()) {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// Draws a page.
pub(super) fn draw(page: &impl Template) -> Result<Html<String>, Refused> {
    page.render().map(Html).map_err(|error| {
        let message = format!("the page could not be drawn ({error}); nothing was decided");
        Refused::new(Code::Unrenderable, message)
    })
}
