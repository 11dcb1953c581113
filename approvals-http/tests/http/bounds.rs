//! What one caller may cost: pages, open streams, open waits; and what a guarded call may be.

use approvals_core::RequestId;
use serde_json::{Value, json};

use super::support::{BOT, House, READER, call};

#[tokio::test]
async fn a_list_goes_back_page_by_page_and_misses_nothing() {
    let house = House::open().await;
    let mut asked = Vec::new();
    for number in 0..7 {
        let tool = ["db.export", "db.read"][number % 2];
        let id = house.asked(&format!("k{number}"), tool).await;
        let number = u128::from_str_radix(&id.replace('-', ""), 16).unwrap();
        asked.push(RequestId::from_bytes(number.to_be_bytes()).to_string());
    }
    asked.reverse();
    for (query, want) in [
        ("limit=3", asked.clone()),
        (
            "limit=2&scope=db.export",
            asked.iter().step_by(2).cloned().collect(),
        ),
        ("limit=1000", asked.clone()),
        ("limit=2&agent=nobody", vec![]),
    ] {
        let (mut found, mut from) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/approvals?{query}{from}");
            let (status, page) = house.say("GET", &path, READER, &Value::Null).await;
            assert_eq!(status, 200, "{path}: {page}");
            let rows = page["requests"].as_array().unwrap();
            found.extend(
                rows.iter()
                    .map(|row| row["request"].as_str().unwrap().to_owned()),
            );
            match page["next"].as_str() {
                Some(next) => from = format!("&before={next}"),
                None => break,
            }
        }
        assert_eq!(found, want, "{query}");
    }
    for wrong in ["before=1", "before=", "limit=0", "limit=1001"] {
        let path = format!("/v1/approvals?{wrong}");
        let (status, _) = house.say("GET", &path, READER, &Value::Null).await;
        assert!(status == 400 || status == 404, "{wrong}: {status}");
    }
}

#[tokio::test]
async fn threat_60_open_streams_have_a_limit_for_each_person() {
    let house = House::open().await;
    let open = || house.send(call("GET", "/v1/events", Some(READER), ""));
    let mut streams = Vec::new();
    for _ in 0..16 {
        let stream = open().await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let refused = open().await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(super::support::json(refused).await["code"], "RateLimited");
    // One that is closed makes room.
    streams.pop();
    assert_eq!(open().await.status(), 200);
}

#[tokio::test]
async fn threat_40_a_guarded_call_brings_no_more_than_it_binds() {
    let house = House::open().await;
    let schema = format!("sha256:{}", "0".repeat(64));
    let good = json!({
        "tool": "db.export",
        "arguments": { "table": "users" },
        "guard": {
            "function": "app::export",
            "schema": schema,
            "params": [{ "name": "table" }, { "name": "token", "redacted": "a".repeat(64) }],
        },
    });
    let (status, view) = house.ask(BOT, "good", &good).await;
    assert_eq!(status, 201, "{view}");
    assert_eq!(view["arguments"], json!({ "table": "users" }));
    let id = view["id"].as_str().unwrap();
    let with = |path: &str, value: Value| {
        let mut body = good.clone();
        match body.pointer_mut(path) {
            Some(place) => *place = value,
            None => body["guard"][path] = value,
        }
        body
    };
    let mut timed = good.clone();
    timed["timeout"] = json!("1m");
    for (number, body) in [
        timed,
        with("/arguments", json!({})),
        with("/arguments", json!({ "table": 1, "more": 2 })),
        with("/arguments", json!({ "table": 1, "token": "s3cr3t" })),
        with(
            "/guard/params",
            json!([{ "name": "table" }, { "name": "table" }]),
        ),
        with(
            "/guard/params",
            json!([{ "name": "table" }, { "name": "token", "redacted": "s3cr3t" }]),
        ),
        with("/guard/params", json!([{ "name": "a b" }])),
        with("/guard/function", json!("a\nb")),
        with("/guard/schema", json!("none")),
        with("approver", json!("u_bob")),
        with("sponsor", json!("u_dana")),
        with("claims", json!({ "rank": "admin" })),
    ]
    .into_iter()
    .enumerate()
    {
        let (status, answer) = house.ask(BOT, &format!("bad{number}"), &body).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("NonCanonical")),
            "{body}"
        );
    }
    // Used only for what was approved, by whoever says what that is.
    assert_eq!(house.decide(id, "u_bob", "bob", "approve").await.0, 200);
    let (status, _) = house.consume(BOT, id, "t").await;
    assert_eq!(status, 400, "a use that does not say of what");
    let path = format!("/v1/requests/{id}/consume");
    let wrong = json!({ "digest": schema }).to_string();
    let (status, answer) = house.with_key(&path, BOT, "t", &wrong).await;
    assert_eq!((status, &answer["code"]), (409, &json!("ActionMismatch")));
    let right = json!({ "digest": view["guard"]["digest"] }).to_string();
    for (key, digest, expected) in [
        ("t", &right, 200),
        ("t", &right, 200),
        ("t", &wrong, 409),
        ("u", &right, 409),
    ] {
        let (status, answer) = house.with_key(&path, BOT, key, digest).await;
        assert_eq!(status, expected, "{key}: {answer}");
    }
    // Said not to have run, it has not; and then it cannot have ended otherwise.
    let outcome = format!("/v1/requests/{id}/outcome");
    let digest = &view["guard"]["digest"];
    for (body, expected) in [
        (json!({ "status": "not_run" }), 400),
        (json!({ "status": "failed", "digest": schema }), 400),
        (json!({ "status": "not_run", "digest": digest }), 409),
        (json!({ "status": "not_run", "digest": schema }), 200),
        (json!({ "status": "not_run", "digest": schema }), 200),
        (json!({ "status": "succeeded" }), 409),
    ] {
        let (status, answer) = house.say("POST", &outcome, BOT, &body).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let report = house.gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{report:?}");
}
