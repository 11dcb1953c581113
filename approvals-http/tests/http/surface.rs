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

#[tokio::test]
async fn counters_follow_the_log_and_name_nobody() {
    use super::support::{BOT, READER};
    let house = House::open().await;
    let request = || call("GET", "/metrics", Some(READER), "");
    house.send(request()).await;
    let id = house.asked("k", "db.export").await;
    assert_eq!(
        house.decide(&id, "u_carol", "carol", "approve").await.0,
        403
    );
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    house.asked("l", "db.export").await;
    // Most refusals of calls leave no record.
    assert_eq!(house.consume(BOT, &id, "t").await.0, 200);
    for key in ["u", "v"] {
        assert_eq!(house.consume(BOT, &id, key).await.0, 409);
    }
    let response = house.send(request()).await;
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    for line in [
        "approvals_pending 1",
        "approvals_records_total{kind=\"request.approved\"} 1",
        "approvals_refused_total{what=\"review\",code=\"NotEligible\"} 1",
        "approvals_calls_refused_total{code=\"AlreadyConsumed\"} 2",
        "approvals_calls_refused_total{code=\"NotEligible\"} 1",
        "approvals_decided_total{how=\"approved\"} 1",
        "approvals_decision_seconds_count 1",
        "approvals_decision_seconds_bucket{le=\"60\"} 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    assert!(!text.contains("bob") && !text.contains(&id), "{text}");
}

#[tokio::test]
async fn changes_are_told_as_they_happen_and_hold_no_value() {
    use super::support::READER;
    use futures_util::StreamExt as _;
    let house = House::open().await;
    let response = house
        .send(call("GET", "/v1/events", Some(READER), ""))
        .await;
    let mut stream = response.into_body().into_data_stream();
    house.asked("k", "db.export").await;
    let mut told = String::new();
    while !told.contains("request.created") {
        told += std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(!told.contains("users"), "{told}");
}

#[tokio::test]
async fn what_a_channel_has_yet_to_take_is_counted_and_timed() {
    use super::support::READER;
    use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};

    /// A channel that is down.
    #[derive(Debug)]
    struct Down;

    #[async_trait::async_trait]
    impl Notifier for Down {
        fn name(&self) -> &str {
            "down"
        }

        async fn notify(&self, _: &Notice) -> Result<Vec<Delivery>, NotifyError> {
            Err(NotifyError("it is down".to_owned()))
        }
    }

    let house = House::open_with(vec![std::sync::Arc::new(Down)]).await;
    house.asked("k", "db.export").await;
    house.asked("l", "db.export").await;
    let journal = house.gate.journal();
    let end = journal.read(|reader| reader.head()).await.unwrap();
    journal.followed("siem", end.frontier.size()).await.unwrap();
    let response = house.send(call("GET", "/metrics", Some(READER), "")).await;
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    for line in [
        "approvals_outbox_waiting{channel=\"down\"} 2",
        "approvals_outbox_waiting{channel=\"siem\"} 0",
        "approvals_outbox_lag_seconds{channel=\"siem\"} 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    let lag = text
        .lines()
        .find_map(|line| line.strip_prefix("approvals_outbox_lag_seconds{channel=\"down\"} "));
    let lag: f64 = lag.unwrap().parse().unwrap();
    assert!(lag > 0.0, "{text}");
}
