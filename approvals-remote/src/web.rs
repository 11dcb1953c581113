//! One call over HTTP: to the one server, without redirects, with an end to every wait and body.

use std::sync::Arc;
use std::time::Duration;

use approvals_core::{ApprovalError, Code, Untrusted};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;

use crate::address::Address;
use crate::token::Token;

/// How many bytes of an answer are read.
const MOST: usize = 4 << 20;

/// How many characters of a message from elsewhere are passed on.
const MESSAGE: usize = 400;

/// How long one call may take beside waiting for people.
const PATIENCE: Duration = Duration::from_secs(15);

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Names this one call, so that it can be made again.
    pub(crate) key: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
    /// How long the server may wait for people before it answers.
    pub(crate) wait: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            key: None,
            body: None,
            wait: Duration::ZERO,
        }
    }
}

/// Why a call brought no answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) error: ApprovalError,
    /// Whether the same call may bring one later, and after how long at the earliest.
    pub(crate) again: Option<Duration>,
}

impl Trouble {
    pub(crate) fn for_good(code: Code, message: impl Into<String>) -> Self {
        let error = ApprovalError::new(code, message);
        Self { error, again: None }
    }

    fn passing(message: impl Into<String>, again: Duration) -> Self {
        let error = ApprovalError::new(Code::StoreUnavailable, message);
        Self {
            error,
            again: Some(again),
        }
    }
}

/// The way to the one server.
pub(crate) struct Web {
    client: Client,
    address: Address,
    bearer: HeaderValue,
}

impl Web {
    /// A client whose trust is the machine's and which follows no redirect: a token must not travel
    /// to another host.
    pub(crate) fn new(address: Address, token: &Token) -> Result<Self, ApprovalError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |error: &dyn std::fmt::Display| {
            crate::misuse(format!("TLS cannot be set up ({error})"))
        };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = match address.is_local() {
            true => Client::builder().no_proxy(),
            false => Client::builder().https_only(true),
        };
        let client = builder
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE / 3)
            .build()
            .map_err(|error| unusable(&error.without_url()))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
        let mut bearer = bearer.map_err(|error| unusable(&error))?;
        bearer.set_sensitive(true);
        Ok(Self {
            client,
            address,
            bearer,
        })
    }

    /// Makes a call once. An answer is the body of a success; everything else is trouble.
    pub(crate) async fn send(&self, call: &Call) -> Result<Vec<u8>, Trouble> {
        let url = format!("{}{}", self.address.as_str(), call.path);
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .timeout(call.wait.saturating_add(PATIENCE))
            .header(AUTHORIZATION, self.bearer.clone())
            .header(ACCEPT, "application/json");
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let answer = request.send().await.map_err(|error| self.lost(&error))?;
        let (status, again) = (answer.status(), retry_after(&answer));
        let kind = answer.headers().get(CONTENT_TYPE).cloned();
        let body = self.body(answer).await?;
        match status {
            StatusCode::OK | StatusCode::CREATED => match kind {
                Some(kind) if kind == "application/json" => Ok(body),
                _ => Err(unreadable("its answer is not JSON")),
            },
            status => Err(refused(status, again, &body)),
        }
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.lost(&error))? {
            if bytes.len() + chunk.len() > MOST {
                return Err(unreadable("its answer is longer than 4 MiB"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn lost(&self, error: &reqwest::Error) -> Trouble {
        let what = match error {
            error if error.is_timeout() => "it took too long",
            error if error.is_connect() => "there is no connection",
            _ => "the connection was lost",
        };
        let message = format!(
            "the server at `{}` did not answer ({what}); check that it runs there",
            self.address
        );
        Trouble::passing(message, Duration::ZERO)
    }
}

/// An answer that cannot be understood will not be understood a second time.
pub(crate) fn unreadable(what: &str) -> Trouble {
    let message = format!(
        "the server's answer cannot be relied on: {what}; check what answers at its address"
    );
    Trouble::for_good(Code::StoreUnavailable, message)
}

/// The refusal that an answer stands for. What is not plainly from a server of ours lets nothing run.
fn refused(status: StatusCode, again: Option<Duration>, body: &[u8]) -> Trouble {
    if status.is_redirection() {
        return unreadable("it redirects, which is not followed");
    }
    if status.is_success() || status.is_informational() {
        return unreadable("it has another status than it should");
    }
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let code = problem
        .as_ref()
        .and_then(|problem| Code::parse(&problem.code));
    let passing = matches!(status.as_u16(), 502..=504);
    let (Some(problem), Some(code)) = (problem, code) else {
        return match passing {
            true => Trouble::passing(
                "what stands in front of the server says that it is not there; check that it runs",
                again.unwrap_or_default(),
            ),
            false => unreadable(&format!(
                "its refusal ({status}) has no code that is known here"
            )),
        };
    };
    let detail: String = problem.detail.chars().take(MESSAGE).collect();
    let mut error = ApprovalError::new(code, Untrusted::new(&detail).to_string());
    if let Some(Ok(request)) = problem.request.map(|request| request.parse()) {
        error = error.with_request(request);
    }
    // A limit says when to come back; a policy's own limit does not, and is an answer.
    let again = match passing {
        true => Some(again.unwrap_or_default()),
        false => again.filter(|_| status == StatusCode::TOO_MANY_REQUESTS),
    };
    Trouble { error, again }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?))
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    request: Option<String>,
}
