//! The inbox: what it shows, who it lets in, and what it refuses.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that cannot go on stops"
)]

mod browser;
mod history;
mod oidc;
mod provider;
mod review;
mod support;

use approvals_core::Status;
use axum::http::{Method, StatusCode, header};
use support::{House, field, get, post, text};

/// A form that denies, as the page of this request sends it.
fn denial(page: &str, more: &str) -> String {
    let (csrf, digest, policy) = (
        field(page, "csrf"),
        field(page, "digest"),
        field(page, "policy"),
    );
    format!("csrf={csrf}&digest={digest}&policy={policy}&vote=deny&reason=no{more}")
}

#[tokio::test]
async fn threat_39_looking_decides_nothing_and_another_site_cannot_decide() {
    let house = House::open("").await;
    let id = house.requests().await[3].1;
    let path = format!("/inbox/r/{id}");
    let cookie = house.sign_in("u_bob").await;
    let page = house.page(&path, &cookie).await;
    let form = denial(&page, "");
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let mut request = get(&format!("{path}?{form}"), Some(&cookie));
        *request.method_mut() = method;
        house.send(request).await;
    }
    let sent = |name: &'static str, value: &str| {
        let mut request = post(&path, Some(&cookie), &form);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let refused = [
        (
            sent("origin", "https://evil.example"),
            StatusCode::UNAUTHORIZED,
        ),
        (sent("origin", "null"), StatusCode::UNAUTHORIZED),
        (
            sent("sec-fetch-site", "cross-site"),
            StatusCode::UNAUTHORIZED,
        ),
        (sent("host", "evil.example"), StatusCode::NOT_FOUND),
        (
            post(
                &path,
                Some(&cookie),
                &form.replacen("csrf=apr_", "csrf=apr_x", 1),
            ),
            StatusCode::UNAUTHORIZED,
        ),
        (
            post(&path, Some(&cookie), &form.replacen("csrf=", "x=", 1)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (post(&path, None, &form), StatusCode::SEE_OTHER),
        (
            post(&path, Some("approvals=apr_x"), &form),
            StatusCode::SEE_OTHER,
        ),
        (
            post(&path, Some(&format!("{cookie}; {cookie}")), &form),
            StatusCode::SEE_OTHER,
        ),
    ];
    for (request, status) in refused {
        let seen = format!("{request:?}");
        let answer = house.send(request).await;
        assert!(
            answer.status() == status || answer.status() == StatusCode::BAD_REQUEST,
            "{} for {seen}",
            answer.status()
        );
    }
    let other = house.sign_in("u_dana").await;
    let answer = house.send(post(&path, Some(&other), &form)).await;
    assert_eq!(
        answer.status(),
        StatusCode::UNAUTHORIZED,
        "the nonce of another session"
    );
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Pending);
    let answer = house.send(post(&path, Some(&cookie), &form)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Denied);
}

#[tokio::test]
async fn threat_20_who_decides_is_never_in_the_form() {
    let house = House::open("").await;
    let id = house.requests().await[3].1;
    let path = format!("/inbox/r/{id}");
    let cookie = house.sign_in("u_bob").await;
    let page = house.page(&path, &cookie).await;
    for more in [
        "&approver=u_ciso",
        "&person=u_dana",
        "&vote=approve",
        "&assurance=A3",
    ] {
        let answer = house
            .send(post(&path, Some(&cookie), &denial(&page, more)))
            .await;
        assert!(answer.status().is_client_error(), "{more}");
    }
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Pending);
}

#[tokio::test]
async fn threat_15_a_sponsor_can_stop_and_not_approve() {
    let house = House::open("").await;
    let id = house.requests().await[3].1;
    let path = format!("/inbox/r/{id}");
    let cookie = house.sign_in("u_alice").await;
    let page = house.page(&path, &cookie).await;
    assert!(!page.contains("value=\"approve\""));
    let form = denial(&page, "");
    let answer = house
        .send(post(
            &path,
            Some(&cookie),
            &form.replace("vote=deny", "vote=approve"),
        ))
        .await;
    assert!(text(answer).await.contains("SelfApproval"));
    let answer = house.send(post(&path, Some(&cookie), &form)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn threat_24_a_link_is_not_enough_where_an_own_key_is_asked_for() {
    let house = House::open("").await;
    let id = house.requests().await[2].1;
    let path = format!("/inbox/r/{id}");
    let cookie = house.sign_in("u_bob").await;
    let page = house.page(&path, &cookie).await;
    assert!(!page.contains("value=\"approve\"") && page.contains("stronger proof than A1"));
    let form = denial(&page, "").replace("vote=deny", "vote=approve");
    let answer = house.send(post(&path, Some(&cookie), &form)).await;
    assert!(text(answer).await.contains("AssuranceTooLow"));
    assert_eq!(house.gate.card(id).await.unwrap().status, Status::Pending);
}

#[tokio::test]
async fn a_link_is_good_once_and_only_on_this_machine() {
    let house = House::open("").await;
    let link = house.link("u_bob");
    let form = link.split_once('?').unwrap().1.to_owned();
    // Whatever previews links does not use it up.
    for _ in 0..3 {
        assert!(
            text(house.send(get(&link, None)).await)
                .await
                .contains("Bob Okafor")
        );
    }
    let far = house
        .send_from("203.0.113.9:1", post("/login", None, &form))
        .await;
    assert!(text(far).await.contains("NotEligible"));
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        let mut request = post("/login", None, &form);
        request
            .headers_mut()
            .insert(name, "203.0.113.9".parse().unwrap());
        assert!(
            house.send(request).await.status().is_client_error(),
            "{name}"
        );
    }
    let mut request = post("/login", None, &form);
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(house.send(request).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        house.send(post("/login", None, &form)).await.status(),
        StatusCode::SEE_OTHER
    );
    let again = house.send(post("/login", None, &form)).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_is_signed_out_sees_nothing_and_every_page_is_guarded() {
    let house = House::open("").await;
    let id = house.requests().await[1].1;
    let cookie = house.sign_in("u_bob").await;
    let pages = [
        "/inbox",
        "/inbox/history",
        "/inbox/verify",
        "/inbox/passkey",
        &format!("/inbox/r/{id}"),
    ]
    .map(str::to_owned);
    for path in &pages {
        let answer = house.send(get(path, None)).await;
        let place = match path.strip_prefix("/inbox/r/") {
            Some(id) => format!("/login?request={id}"),
            None => "/login".to_owned(),
        };
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers()[header::LOCATION], place, "{path}");
        let answer = house.send(get(path, Some(&cookie))).await;
        let headers = answer.headers().clone();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let page = text(answer).await;
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains("onclick"),
            "{path}"
        );
        assert!(!page.contains("s3cr3t-canary"), "{path}");
    }
    for path in [format!("/inbox/r/{id}/receipt"), "/inbox/events".to_owned()] {
        assert_eq!(
            house.send(get(&path, None)).await.status(),
            StatusCode::SEE_OTHER,
            "{path}"
        );
    }
    let unknown = approvals_core::RequestId::from_bytes([7; 16]);
    for id in [unknown.to_string(), "1".to_owned(), "..%2f..".to_owned()] {
        let answer = house
            .send(get(&format!("/inbox/r/{id}"), Some(&cookie)))
            .await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id}");
    }
    let csrf = field(&house.page("/inbox", &cookie).await, "csrf");
    let out = house
        .send(post("/logout", Some(&cookie), &format!("csrf={csrf}")))
        .await;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        house.send(get("/inbox", Some(&cookie))).await.status(),
        StatusCode::SEE_OTHER
    );
}
