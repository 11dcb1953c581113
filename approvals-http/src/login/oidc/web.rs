//! The HTTP client to the provider: over TLS, without redirects, with an end to every wait and
//! every body.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response};
use serde::de::DeserializeOwned;

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many bytes of an answer are read.
const MOST: usize = 256 * 1024;

/// A client whose trust is the machine's, and which never follows a redirect: a code or a secret
/// must not follow one to another host.
pub(super) fn client(local: bool) -> Result<Client, WebError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| WebError::new(format!("TLS cannot be set up ({error})")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = match local {
        true => Client::builder().no_proxy(),
        false => Client::builder(),
    };
    builder
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE / 2)
        .build()
        .map_err(|error| WebError::of(&error))
}

/// Reads a bounded answer as JSON.
pub(super) async fn json<T: DeserializeOwned>(answer: Response) -> Result<T, WebError> {
    serde_json::from_slice(&body(answer).await?)
        .map_err(|_| WebError::new("the answer is not the JSON it should be"))
}

/// Reads a bounded answer that is none unless it succeeded.
pub(super) async fn body(mut answer: Response) -> Result<Vec<u8>, WebError> {
    let status = answer.status();
    if !status.is_success() {
        return Err(WebError::new(format!("it was answered with {status}")));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| WebError::of(&error))? {
        if bytes.len() + chunk.len() > MOST {
            return Err(WebError::new(format!(
                "the answer is longer than {MOST} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A call did not get through. The text holds no query, no code and no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WebError(String);

impl WebError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(super) fn of(error: &reqwest::Error) -> Self {
        Self::new(match error {
            error if error.is_timeout() => "it took too long",
            error if error.is_connect() => "there is no connection",
            error if error.is_redirect() => "it redirects, which is not followed",
            _ => "it failed on the way",
        })
    }
}
