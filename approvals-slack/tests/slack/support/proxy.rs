//! Stands between our process and Slack, in both directions: passes on, keeps what it saw, and
//! fails in the ways that a test asks for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ring::hmac;
use serde_json::Value;

use super::SIGNING;

type Answer = Arc<dyn Fn(&str, &Value) -> Option<Fault> + Send + Sync>;

/// What happens to one call of Slack's API.
pub(crate) enum Fault {
    /// It is answered so, and never reaches Slack.
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// It reaches Slack, whose answer comes late.
    Slow(Duration),
    /// It reaches Slack, whose answer is changed.
    Changed(fn(&mut Value)),
}

/// The proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    inner: Arc<Inner>,
    port: u16,
}

struct Inner {
    upstream: String,
    app_port: u16,
    client: Client<HttpConnector, Full<Bytes>>,
    fault: Mutex<Option<Answer>>,
    calls: Mutex<Vec<(String, Value)>>,
    callbacks: Mutex<Vec<Callback>>,
    holding: Mutex<bool>,
}

/// One callback as Slack sent it.
#[derive(Debug, Clone)]
pub(crate) struct Callback {
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

impl Callback {
    /// The same about something else, signed now.
    pub(crate) fn of(payload: &Value, now: approvals_core::Timestamp) -> Self {
        let encoded = percent_encoding::utf8_percent_encode(
            &payload.to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        let body = format!("payload={encoded}").into_bytes();
        let now = now.as_micros() / 1_000_000;
        Self::signed(SIGNING, &now.to_string(), body)
    }

    pub(crate) fn signed(secret: &str, timestamp: &str, body: Vec<u8>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let message = [b"v0:", timestamp.as_bytes(), b":", &body].concat();
        let mac = hmac::sign(&key, &message);
        let hex = approvals_core::digest::hex(mac.as_ref());
        Self {
            timestamp: timestamp.to_owned(),
            signature: format!("v0={hex}"),
            body,
        }
    }

    pub(crate) fn payload(&self) -> Value {
        let encoded = self.body.strip_prefix(b"payload=").unwrap();
        let spaced: Vec<u8> = encoded
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        let text: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
        serde_json::from_slice(&text).unwrap()
    }
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, app_port: u16) -> Self {
        let inner = Arc::new(Inner {
            upstream: upstream.to_owned(),
            app_port,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            fault: Mutex::default(),
            calls: Mutex::default(),
            callbacks: Mutex::default(),
            holding: Mutex::default(),
        });
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        super::spawn(async move { axum::serve(socket, routes).await.unwrap() });
        Self { inner, port }
    }

    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/", self.port)
    }

    pub(crate) fn inbound(&self) -> String {
        format!("http://127.0.0.1:{}/slack/interactions", self.port)
    }

    /// From now on, calls meet this.
    pub(crate) fn fail(
        &self,
        fault: impl Fn(&str, &Value) -> Option<Fault> + Send + Sync + 'static,
    ) {
        *self.inner.fault.lock().unwrap() = Some(Arc::new(fault));
    }

    pub(crate) fn heal(&self) {
        *self.inner.fault.lock().unwrap() = None;
    }

    /// Callbacks are kept and not passed on.
    pub(crate) fn hold(&self, holding: bool) {
        *self.inner.holding.lock().unwrap() = holding;
    }

    /// Every call of our process: method and arguments.
    pub(crate) fn calls(&self) -> Vec<(String, Value)> {
        self.inner.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.calls()
            .iter()
            .filter(|(name, _)| name == method)
            .count()
    }

    pub(crate) fn callbacks(&self) -> Vec<Callback> {
        self.inner.callbacks.lock().unwrap().clone()
    }

    /// Sends a callback to our process and gives its status and answer.
    pub(crate) async fn send(&self, callback: &Callback) -> (u16, String) {
        let url = format!(
            "http://127.0.0.1:{}/slack/interactions",
            self.inner.app_port
        );
        let request = hyper::Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", &callback.timestamp)
            .header("x-slack-signature", &callback.signature)
            .body(Full::new(Bytes::from(callback.body.clone())))
            .unwrap();
        let answer = self.inner.client.request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    pub(crate) async fn get(&self, url: &str) -> Value {
        let request = hyper::Request::get(url).body(Full::default()).unwrap();
        self.json(request).await
    }

    pub(crate) async fn post(&self, url: &str, body: &Value) -> Value {
        let request = hyper::Request::post(url)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        self.json(request).await
    }

    async fn json(&self, request: hyper::Request<Full<Bytes>>) -> Value {
        let answer = self.inner.client.request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }
}

async fn pass(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    match uri.path().strip_prefix("/api/") {
        Some(name) => call(&inner, name, &headers, body).await,
        None => callback(&inner, &method, &headers, body).await,
    }
}

async fn call(inner: &Inner, name: &str, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    let arguments = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    inner
        .calls
        .lock()
        .unwrap()
        .push((name.to_owned(), arguments.clone()));
    let fault = inner.fault.lock().unwrap().clone();
    let fault = fault.and_then(|fault| fault(name, &arguments));
    if let Some(Fault::Answer(status, extra, text)) = &fault {
        let mut answer = Response::builder().status(*status);
        for (name, value) in *extra {
            answer = answer.header(*name, *value);
        }
        return answer.body(Body::from(text.clone())).unwrap();
    }
    let mut request = hyper::Request::post(format!("{}/api/{name}", inner.upstream));
    for header in ["authorization", "content-type"] {
        if let Some(value) = headers.get(header) {
            request = request.header(header, value);
        }
    }
    let answer = inner
        .client
        .request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let status = answer.status();
    let mut text = answer
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec();
    match fault {
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::Changed(change)) => {
            let mut value = serde_json::from_slice(&text).unwrap();
            change(&mut value);
            text = value.to_string().into_bytes();
        }
        _ => {}
    }
    Response::builder()
        .status(status)
        .body(Body::from(text))
        .unwrap()
}

async fn callback(
    inner: &Inner,
    method: &Method,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let callback = Callback {
        timestamp: text("x-slack-request-timestamp"),
        signature: text("x-slack-signature"),
        body: body.to_vec(),
    };
    inner.callbacks.lock().unwrap().push(callback.clone());
    if *inner.holding.lock().unwrap() {
        return Response::new(Body::empty());
    }
    assert_eq!(method, Method::POST);
    let url = format!("http://127.0.0.1:{}/slack/interactions", inner.app_port);
    let mut request = hyper::Request::post(url);
    for (name, value) in headers {
        if name != "host" && name != "content-length" {
            request = request.header(name, value);
        }
    }
    let request = request.body(Full::new(body)).unwrap();
    let Ok(answer) = inner.client.request(request).await else {
        return Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(Body::empty())
            .unwrap();
    };
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, Body::from(body))
}
