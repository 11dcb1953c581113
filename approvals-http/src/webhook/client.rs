//! One message over HTTP: no redirection is followed, nothing is kept of the answer but its status,
//! and whatever takes too long has failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::Timestamp;
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::network::{Network, Resolver};
use super::secret::{Secret, signatures};
use crate::config::InvalidConfig;

/// What is sent: the same under the same id, however often it is tried.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Names it; a receiver takes it once.
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) body: Bytes,
}

/// What became of one try.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The receiver has it; the answer's body, as far as it was asked for.
    Taken(StatusCode, Bytes),
    /// The receiver wants no more.
    Gone,
    /// It does not have it: to be tried again, no sooner than that.
    Failed(String, Option<Duration>),
}

/// One receiver.
pub(crate) struct Client {
    url: Uri,
    secrets: Vec<Secret>,
    timeout: Duration,
    http: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(
        url: Uri,
        network: Network,
        secrets: Vec<Secret>,
        timeout: Duration,
    ) -> Result<Self, InvalidConfig> {
        let mut connector = HttpConnector::new_with_resolver(Resolver(network));
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(timeout));
        // Whom to believe: the authorities that this machine trusts.
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            // Only what is within this machine is not encrypted: the address was read so.
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            url,
            secrets,
            timeout,
            http,
        })
    }

    /// Tries once to hand a message over; reads so many bytes of the answer at most.
    pub(crate) async fn post(&self, message: &Message, at: Timestamp, most: usize) -> Answer {
        let sent = tokio::time::timeout(self.timeout, self.send(message, at, most));
        match sent.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::Failed(why, None),
            Err(_) => Answer::Failed("it did not answer in time".to_owned(), None),
        }
    }

    async fn send(&self, message: &Message, at: Timestamp, most: usize) -> Result<Answer, String> {
        let seconds = at.since(Timestamp::from_micros(0)).as_secs();
        let signed = signatures(&self.secrets, &message.id, seconds, &message.body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, message.kind)
            .header(USER_AGENT, AGENT)
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signed)
            .body(Full::new(message.body.clone()))
            .map_err(|_| "the message makes no request".to_owned())?;
        let answer = self.http.request(request).await;
        // Nothing of the address: it may hold a token.
        let answer = answer.map_err(|error| match error.is_connect() {
            true => "it cannot be reached".to_owned(),
            false => "the connection broke off".to_owned(),
        })?;
        let status = answer.status();
        match status {
            status if status.is_success() => {
                if most == 0 {
                    return Ok(Answer::Taken(status, Bytes::new()));
                }
                let body = Limited::new(answer.into_body(), most).collect().await;
                let body = body.map_err(|_| "its answer is too long, or broke off".to_owned())?;
                Ok(Answer::Taken(status, body.to_bytes()))
            }
            StatusCode::GONE => Ok(Answer::Gone),
            _ => Ok(Answer::Failed(
                format!("it answered {}", status.as_u16()),
                retry_after(answer.headers(), at),
            )),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.url.host())
            .finish_non_exhaustive()
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let date = Timestamp::from_micros(0).after(since);
    Some(date.since(now))
}

fn unusable(error: &dyn fmt::Display) -> InvalidConfig {
    InvalidConfig::new(format!(
        "webhooks cannot be sent over TLS ({error}); install the certificates of the authorities that this machine trusts"
    ))
}

const AGENT: &str = concat!("approvals/", env!("CARGO_PKG_VERSION"));

/// How long a connection is kept that nothing is sent over.
const IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_when_to_come_back_in_either_form() {
        let now: Timestamp = "2026-10-21T07:28:00.000000Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            ("Wed, 21 Oct 2026 07:29:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            let found = retry_after(&headers, now).map(|wait| wait.as_secs());
            assert_eq!(found, expected, "{text}");
        }
    }
}
