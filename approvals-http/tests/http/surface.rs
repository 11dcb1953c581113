//! What every route has in common.

use super::support::{House, call, json};

#[tokio::test]
async fn answers_and_refusals_have_one_shape() {
    let house = House::open().await;
    for (method, path, status, code) in [
        ("GET", "/healthz", 200, None),
        ("GET", "/readyz", 200, None),
        ("GET", "/nothing", 404, Some("NotFound")),
        ("POST", "/healthz", 405, Some("Misuse")),
    ] {
        let response = house.send(call(method, path, None, "")).await;
        assert_eq!(response.status(), status, "{method} {path}");
        let headers = response.headers().clone();
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers.contains_key("content-security-policy"));
        let body = json(response).await;
        assert_eq!(body["code"].as_str(), code, "{method} {path}: {body}");
        if code.is_some() {
            assert_eq!(headers["content-type"], "application/problem+json");
        }
    }
}
