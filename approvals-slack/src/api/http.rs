//! Slack over HTTPS: certificates are verified, redirects are not followed, answers are bounded.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Call, Reply, Web};
use crate::config::CALL;

/// The Web API behind one address.
pub(crate) struct HttpWeb {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpWeb {
    pub(crate) fn new(base: &str) -> Result<Self, String> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CALL));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*tls()?).clone())
            // Only an address within this machine is not encrypted: the configuration sees to it.
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            base: base.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }
}

impl fmt::Debug for HttpWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWeb")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Web for HttpWeb {
    async fn post(&self, call: Call<'_>) -> Result<Reply, String> {
        let request = request(&self.base, call)?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| format!("{error}"))?;
        let status = answer.status().as_u16();
        let header = |name: &str| header(answer.headers(), name);
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let scopes = header("x-oauth-scopes");
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(Reply {
            status,
            retry_after,
            scopes,
            body: body.to_bytes().to_vec(),
        })
    }
}

fn request(base: &str, call: Call<'_>) -> Result<Request<Full<Bytes>>, String> {
    let (kind, body) = match call.form {
        true => ("application/x-www-form-urlencoded", form(call.body)),
        false => ("application/json; charset=utf-8", call.body.to_string()),
    };
    let bearer = format!("Bearer {}", call.token.reveal());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| "the token is no token")?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(Method::POST)
        .uri(format!("{base}{}", call.method))
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, kind)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())
}

/// Texts by name, as a form.
fn form(body: &Value) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields = body.as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let fields = fields.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.chars().take(2_000).collect())
}

/// Whom to believe: the authorities that this machine trusts, through ring.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The longest answer that is read.
const MOST: usize = 1024 * 1024;
