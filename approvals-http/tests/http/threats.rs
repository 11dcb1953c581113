//! Attacks on the HTTP surface, by their numbers. Every decision ends at the gate's one choke point,
//! so that the same attack gets the same code here as anywhere.

use serde_json::{Value, json};

use super::support::{BOT, House, OTHER, READER, call, submission};

#[track_caller]
fn check((status, body): (u16, Value), expected: (u16, &str)) {
    let code = body["code"].as_str().unwrap_or_default();
    assert_eq!((status, code), expected, "{body}");
}

#[tokio::test]
async fn threats_14_to_25_who_may_decide() {
    for (threat, tool, votes) in [
        (
            "14, 15: the sponsor approves",
            "db.export",
            &[("u_alice", "alice", "approve", 403, "SelfApproval")][..],
        ),
        (
            "15: the sponsor may deny",
            "db.export",
            &[("u_alice", "alice", "deny", 200, "")],
        ),
        (
            "16: a second account of one person",
            "k8s.scale",
            &[
                ("u_bob", "bob", "approve", 200, ""),
                ("u_bob", "bob_other", "approve", 409, "DuplicateVote"),
            ],
        ),
        (
            "16: an account that is nobody's",
            "db.export",
            &[("u_bob", "stranger", "approve", 403, "IdentityUnresolved")],
        ),
        (
            "18: one person twice",
            "k8s.scale",
            &[
                ("u_bob", "bob", "approve", 200, ""),
                ("u_bob", "bob", "approve", 409, "DuplicateVote"),
            ],
        ),
        (
            "19: distinct and ineligible",
            "db.export",
            &[("u_carol", "carol", "approve", 403, "NotEligible")],
        ),
        (
            "20, 21: somebody else's name over one's own key",
            "db.export",
            &[("u_bob", "carol", "approve", 401, "SignatureInvalid")],
        ),
        (
            "two people, as it should be",
            "k8s.scale",
            &[
                ("u_bob", "bob", "approve", 200, ""),
                ("u_dana", "dana", "approve", 200, ""),
            ],
        ),
    ] {
        let house = House::open().await;
        let id = house.asked("k", tool).await;
        let mut last = 200;
        for (person, key, vote, status, code) in votes {
            let answer = house.decide(&id, person, key, vote).await;
            let got = (
                answer.0,
                answer.1["code"].as_str().unwrap_or_default().to_owned(),
            );
            assert_eq!(got, (*status, (*code).to_owned()), "{threat}: {}", answer.1);
            last = *status;
        }
        let (used, _) = house.consume(BOT, &id, "t").await;
        let approved = last == 200 && threat.starts_with("two people");
        assert_eq!(used == 200, approved, "{threat}");
    }
}

#[tokio::test]
async fn threat_17_a_robot_has_no_vote() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    let signed = house.signed(&id, "u_bob", "bob", "approve").await;
    let path = format!("/v1/approvals/{id}/decisions");
    // An agent's token does not even look.
    check(
        house.say("POST", &path, BOT, &signed).await,
        (401, "Unauthenticated"),
    );
    check(
        house
            .say("GET", &format!("/v1/approvals/{id}"), BOT, &Value::Null)
            .await,
        (401, "Unauthenticated"),
    );
    check(
        house.say("GET", "/v1/approvals", BOT, &Value::Null).await,
        (401, "Unauthenticated"),
    );
    assert_eq!(house.status(&id).await, "pending");
}

#[tokio::test]
async fn threat_18_many_posts_at_once_are_one_vote() {
    let house = House::open().await;
    let id = house.asked("k", "k8s.scale").await;
    let signed = house.signed(&id, "u_bob", "bob", "approve").await;
    let path = format!("/v1/approvals/{id}/decisions");
    let posts = (0..500).map(|_| house.say("POST", &path, READER, &signed));
    let answers = futures_util::future::join_all(posts).await;
    let counted = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(counted, 1);
    assert_eq!(house.status(&id).await, "pending");
}

#[tokio::test]
async fn threat_20_nobody_decides_by_saying_who_they_are() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    let path = format!("/v1/approvals/{id}/decisions");
    for body in [
        json!({ "approver": "u_bob", "vote": "approve" }),
        json!({ "statement": "", "signature": "", "person": "u_bob" }),
    ] {
        check(
            house.say("POST", &path, READER, &body).await,
            (400, "NonCanonical"),
        );
    }
    let mut request = call("POST", &path, None, "{}");
    request
        .headers_mut()
        .insert("x-user", "u_bob".parse().unwrap());
    assert_eq!(house.send(request).await.status(), 401);
    // Nor does an agent say whose it is.
    for extra in ["agent", "sponsor", "owner", "approver", "status"] {
        let mut body = submission("db.export", json!({}));
        body[extra] = json!("u_bob");
        check(house.ask(BOT, "x", &body).await, (400, "NonCanonical"));
    }
    assert_eq!(house.status(&id).await, "pending");
}

#[tokio::test]
async fn threat_22_an_approver_who_left_no_longer_counts() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    house.only(&["u_alice", "u_dana", "u_carol"]);
    check(house.consume(BOT, &id, "t").await, (409, "NotEligible"));
    assert_eq!(house.status(&id).await, "cancelled");
}

#[tokio::test]
async fn threat_22_a_reader_who_left_no_longer_looks() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    house.only(&["u_alice", "u_bob"]);
    for path in [
        "/v1/approvals".to_owned(),
        format!("/v1/approvals/{id}"),
        "/v1/events".to_owned(),
    ] {
        let answer = house.say("GET", &path, READER, &Value::Null).await;
        check(answer, (403, "NotEligible"));
    }
}

#[tokio::test]
async fn threat_23_what_was_approved_cannot_be_edited() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    let other = submission("db.export", json!({ "table": "payments" }));
    check(house.ask(BOT, "k", &other).await, (409, "ActionMismatch"));
    let (_, view) = house
        .say("GET", &format!("/v1/requests/{id}"), BOT, &Value::Null)
        .await;
    assert_eq!(view["arguments"]["table"], "users");
}

#[tokio::test]
async fn threat_24_a_token_is_no_signature() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    let path = format!("/v1/approvals/{id}/decisions");
    let good = house.signed(&id, "u_bob", "bob", "approve").await;
    let denial = house.signed(&id, "u_bob", "bob", "deny").await;
    for (name, value, code) in [
        ("signature", json!(""), "SignatureInvalid"),
        (
            "signature",
            json!("-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----"),
            "SignatureInvalid",
        ),
        ("signature", denial["signature"].clone(), "SignatureInvalid"),
        ("statement", denial["statement"].clone(), "SignatureInvalid"),
        ("reason", Value::Null, "ActionMismatch"),
        ("reason", denial["reason"].clone(), "ActionMismatch"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let (status, answer) = house.say("POST", &path, READER, &body).await;
        assert_eq!(answer["code"], code, "{name}: {status} {answer}");
    }
    assert_eq!(house.status(&id).await, "pending");
}

#[tokio::test]
async fn threat_31_a_decision_is_about_the_request_it_names() {
    let house = House::open().await;
    let (one, other) = (
        house.asked("a", "db.export").await,
        house.asked("b", "db.export").await,
    );
    let signed = house.signed(&one, "u_bob", "bob", "approve").await;
    let path = format!("/v1/approvals/{other}/decisions");
    check(
        house.say("POST", &path, READER, &signed).await,
        (409, "ActionMismatch"),
    );
    assert_eq!(house.status(&one).await, "pending");
    assert_eq!(house.status(&other).await, "pending");
}

#[tokio::test]
async fn threat_32_what_was_withdrawn_stays_withdrawn() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    let signed = house.signed(&id, "u_bob", "bob", "approve").await;
    let (status, _) = house
        .say("DELETE", &format!("/v1/requests/{id}"), BOT, &Value::Null)
        .await;
    assert_eq!(status, 200);
    let path = format!("/v1/approvals/{id}/decisions");
    check(
        house.say("POST", &path, READER, &signed).await,
        (410, "Cancelled"),
    );
    check(house.consume(BOT, &id, "t").await, (409, "Cancelled"));
}

#[tokio::test]
async fn threat_39_looking_never_decides() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    for path in ["decisions", "statement", "consume", "outcome"] {
        for method in ["GET", "HEAD", "OPTIONS", "PUT"] {
            let under = if path == "consume" || path == "outcome" {
                "requests"
            } else {
                "approvals"
            };
            let path = format!("/v1/{under}/{id}/{path}");
            let response = house.send(call(method, &path, Some(READER), "")).await;
            assert_eq!(response.status(), 405, "{method} {path}");
        }
    }
    // A browser that was led here brings cookies, and no token.
    let mut request = call("POST", &format!("/v1/approvals/{id}/decisions"), None, "{}");
    request
        .headers_mut()
        .insert("cookie", "session=abc".parse().unwrap());
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(house.send(request).await.status(), 401);
    assert_eq!(house.status(&id).await, "pending");
}

#[tokio::test]
async fn threat_40_a_state_cannot_be_brought_along() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    let mut body = submission("db.export", json!({}));
    body["decision"] = json!({ "status": "approved" });
    check(house.ask(BOT, "x", &body).await, (400, "NonCanonical"));
    check(house.consume(BOT, &id, "t").await, (409, "Pending"));
    let told = json!({ "status": "succeeded" });
    let (status, _) = house
        .say("POST", &format!("/v1/requests/{id}/outcome"), BOT, &told)
        .await;
    assert_eq!(status, 409);
    // An approval that was seen is not one that was used.
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    assert_eq!(house.consume(BOT, &id, "t").await.0, 200);
    assert_eq!(house.consume(BOT, &id, "t").await.0, 200);
    check(house.consume(BOT, &id, "u").await, (409, "AlreadyConsumed"));
}

#[tokio::test]
async fn threat_41_an_id_is_no_authority() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    let (_, theirs) = house
        .say("GET", &format!("/v1/requests/{id}"), OTHER, &Value::Null)
        .await;
    let (_, nobodys) = house
        .say(
            "GET",
            "/v1/requests/00000000-0000-0000-0000-000000000000",
            OTHER,
            &Value::Null,
        )
        .await;
    // Whether it is there shows in nothing but the id that was sent.
    assert_eq!(theirs["detail"], nobodys["detail"]);
    check(house.consume(OTHER, &id, "t").await, (404, "NotFound"));
    for odd in ["1", "..", "%00", &id.to_uppercase(), &id.replace('-', "")] {
        let (status, _) = house
            .say("GET", &format!("/v1/requests/{odd}"), BOT, &Value::Null)
            .await;
        assert_eq!(status, 404, "{odd}");
    }
    // The same key of another agent is another call.
    let (status, view) = house
        .ask(
            OTHER,
            "k",
            &submission("db.export", json!({ "table": "users" })),
        )
        .await;
    assert_eq!(status, 201);
    assert_ne!(view["id"], json!(id));
}

#[tokio::test]
async fn threat_42_hostile_text_is_bounded_and_comes_back_exactly() {
    let house = House::open().await;
    let hostile = "a\r\nb\"c\u{1b}[2J\u{202e}d\u{0}e — ﷽";
    let body = submission(
        "db.export",
        json!({ "text": hostile, "deep": { hostile: [hostile] } }),
    );
    let (status, view) = house.ask(BOT, "k", &body).await;
    assert_eq!(status, 201, "{view}");
    assert_eq!(view["arguments"], body["arguments"]);
    for (key, body, expected) in [
        ("k1", submission("db.export", json!({ hostile: 1 })), 400),
        ("k2", submission(hostile, json!({})), 400),
        (
            "k3",
            submission("db.export", json!({ "text": "x".repeat(4 << 20) })),
            413,
        ),
    ] {
        assert_eq!(house.ask(BOT, key, &body).await.0, expected, "{key}");
    }
    for twice in [
        r#"{"tool":"db.export","tool":"db.drop","arguments":{},"timeout":"1m"}"#,
        r#"{"tool":"db.export","arguments":{"a":1,"a":2},"timeout":"1m"}"#,
        r#"{"tool":"db.export","arguments":{"a":1e400},"timeout":"1m"}"#,
        "not json",
        "",
    ] {
        let mut request = call("POST", "/v1/requests", Some(BOT), twice);
        request
            .headers_mut()
            .insert("idempotency-key", "k4".parse().unwrap());
        assert_eq!(house.send(request).await.status(), 400, "{twice}");
    }
    assert!(house.gate.journal().verify().await.unwrap().passed());
}

#[tokio::test]
async fn threat_60_a_flood_is_held_back() {
    let house = House::open().await;
    let mut statuses = Vec::new();
    for n in 0..100 {
        let (status, body) = house
            .ask(
                BOT,
                &format!("k{n}"),
                &submission("db.export", json!({ "n": n })),
            )
            .await;
        if status == 429 {
            assert_eq!(body["code"], "RateLimited");
        }
        statuses.push(status);
    }
    let asked = statuses.iter().filter(|status| **status == 201).count();
    assert!((60..70).contains(&asked), "{asked}");
    // Others go on.
    assert_eq!(
        house
            .ask(OTHER, "k", &submission("db.export", json!({})))
            .await
            .0,
        201
    );
}

/// One identity for one person: nothing that only looks like it is the same.
#[tokio::test]
async fn threat_21_a_name_that_looks_alike_is_another() {
    let house = House::open().await;
    let id = house.asked("k", "db.export").await;
    for alike in ["u_Bob", "U_BOB", "u_bob_", "u_b0b"] {
        let (status, answer) = house.decide(&id, alike, "bob", "approve").await;
        let code = answer["code"].as_str().unwrap_or_default();
        assert!((400..404).contains(&status), "{alike}: {answer}");
        assert!(
            ["SignatureInvalid", "IdentityUnresolved"].contains(&code),
            "{alike}: {answer}"
        );
    }
    assert_eq!(house.status(&id).await, "pending");
}

/// Whoever is refused at one way to decide is refused at every other, with the same code.
#[tokio::test]
async fn threat_25_every_way_to_decide_ends_at_one_choke_point() {
    for (person, key, code) in [
        ("u_alice", "alice", "SelfApproval"),
        ("u_carol", "carol", "NotEligible"),
    ] {
        let house = House::open().await;
        let id = house.asked("k", "db.export").await;
        // Over HTTP.
        let signed = house.signed(&id, person, key, "approve").await;
        let path = format!("/v1/approvals/{id}/decisions");
        let (_, answer) = house.say("POST", &path, READER, &signed).await;
        assert_eq!(answer["code"], code, "{person} by HTTP");
        // By a program on the same gate, as the command line does.
        let (bytes, signature) = super::support::decoded(&signed);
        let reason = signed["reason"].as_str().map(str::to_owned);
        let reason = reason.map(approvals_core::sealed::Disclosure::from_text);
        let review =
            approvals_core::sshsig::review(&bytes, &signature, reason, house.gate.now()).unwrap();
        let refused = house.gate.review(review).await.unwrap_err();
        assert_eq!(refused.code().as_str(), code, "{person} at the gate");
        assert_eq!(house.status(&id).await, "pending");
    }
}
