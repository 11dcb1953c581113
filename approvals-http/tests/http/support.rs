//! A server on a real gate whose people never answer by themselves.

use approvals_core::People;
use approvals_core::testing::TestGate;
use approvals_http::{Caller, Config, Server, TokenHash};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::Value;
use tower::ServiceExt as _;

const PEOPLE: &str = "version = 1\n[[person]]\nid = \"u_bob\"\ngroups = [\"oncall\"]\n";

pub(crate) const TOKEN: &str = "apr_test_agent";

pub(crate) struct House {
    // Keeps the test gate's people alive.
    _test: TestGate,
    pub(crate) router: Router,
}

impl House {
    pub(crate) async fn open() -> Self {
        let test = TestGate::script().stall("*").start().await;
        let gate = test.gate().clone();
        let people = People::parse(PEOPLE).unwrap();
        let caller = Caller::new(
            "bot".parse().unwrap(),
            Some("u_alice".parse().unwrap()),
            None,
        );
        let config = Config::default().with_agent(TokenHash::of(TOKEN), caller);
        let router = Server::new(gate, people, config).router();
        Self {
            _test: test,
            router,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

/// The body of an answer, as JSON.
pub(crate) async fn json(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn call(method: &str, path: &str, token: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}
