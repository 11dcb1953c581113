//! Webhooks: a receiver that can be down, slow, gone or elsewhere, and the official libraries on what
//! it was sent.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_http::{Config, SecretPlace, Webhooks};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::support::{BOT, House, READER, call};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const WRONG: &str = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCBpcyBub3Q=";

/// One message as it came.
#[derive(Debug, Clone)]
struct Got {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver: answers as it was told, one after another, and then 204.
#[derive(Clone)]
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
    script: Arc<Mutex<VecDeque<Response>>>,
}

impl Receiver {
    async fn start(script: Vec<Response>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            got: Arc::default(),
            script: Arc::new(Mutex::new(script.into())),
        };
        let app = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until it has taken so many.
    async fn until(&self, count: usize) -> Vec<Got> {
        patiently(|| {
            let got = self.got();
            match got.len() >= count {
                true => Ok(got),
                false => Err(format!("{} of {count} came: {:?}", got.len(), self.kinds())),
            }
        })
        .await
    }

    /// The kinds of events, in the order in which they came.
    fn kinds(&self) -> Vec<String> {
        let all = self.got().into_iter();
        all.map(|got| got.json()["type"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn save(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.jsonl", self.port));
        let line = |got: Got| {
            let headers: serde_json::Map<String, Value> = got
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
                .collect();
            json!({ "headers": headers, "body": got.body }).to_string() + "\n"
        };
        let lines: String = self.got().into_iter().map(line).collect();
        std::fs::write(&path, lines).unwrap();
        path
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let got = Got {
        path: uri.path().to_owned(),
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    receiver.got.lock().unwrap().push(got);
    let next = receiver.script.lock().unwrap().pop_front();
    next.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
}

fn answer(status: u16, headers: &[(&'static str, &str)]) -> Response {
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

fn endpoint(name: &str, port: u16, more: &str) -> String {
    format!(
        "[[webhook]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/hook\"\nnetwork = \"loopback\"\nsecrets = [\"env:NEW\", \"env:OLD\"]\n{more}\n"
    )
}

fn secret(place: &SecretPlace) -> Result<Option<String>, approvals_core::ApprovalError> {
    Ok(match place.to_string().as_str() {
        "env:NEW" => Some(NEW.to_owned()),
        "env:OLD" => Some(format!("{OLD}\n")),
        _ => None,
    })
}

/// Serves a house with these webhooks until the token is cancelled or dropped.
async fn serve(house: &House, webhooks: &str) -> CancellationToken {
    let config = Config::parse(&format!("version = 1\n{webhooks}")).unwrap();
    let hooks = Webhooks::open(&config, secret).unwrap();
    let server = house.server(config).webhooks(hooks);
    let stop = server.stop();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    tokio::spawn(async move { server.serve(listener).await });
    stop
}

/// Approved and used, refused a second time, denied, voted on by somebody who may not, withdrawn.
async fn history(house: &House) {
    let used = house.asked("k-used", "db.export").await;
    assert_eq!(
        house.decide(&used, "u_carol", "carol", "approve").await.0,
        403
    );
    assert_eq!(house.decide(&used, "u_bob", "bob", "approve").await.0, 200);
    assert_eq!(house.consume(BOT, &used, "t").await.0, 200);
    assert_eq!(house.consume(BOT, &used, "again").await.0, 409);
    let ended = json!({ "status": "succeeded" });
    let path = format!("/v1/requests/{used}/outcome");
    assert_eq!(house.say("POST", &path, BOT, &ended).await.0, 200);
    let denied = house.asked("k-denied", "db.drop").await;
    assert_eq!(house.decide(&denied, "u_bob", "bob", "deny").await.0, 200);
    let gone = house.asked("k-gone", "db.copy").await;
    let path = format!("/v1/requests/{gone}");
    assert_eq!(house.say("DELETE", &path, BOT, &Value::Null).await.0, 200);
    // Whoever approved has left by the time the approval is used.
    let void = house.asked("k-void", "db.move").await;
    assert_eq!(house.decide(&void, "u_bob", "bob", "approve").await.0, 200);
    house.only(&["u_alice", "u_carol", "u_dana"]);
    assert_eq!(house.consume(BOT, &void, "t").await.0, 409);
    house.only(&["u_alice", "u_bob", "u_carol", "u_dana"]);
}

async fn metrics(house: &House, server: &CancellationToken) -> String {
    let _ = server;
    let response = house.send(call("GET", "/metrics", Some(READER), "")).await;
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every event of the scene, in the order of the log.
const EVENTS: &[&str] = &[
    "approvals.request.created",
    "approvals.review.refused",
    "approvals.review.recorded",
    "approvals.request.approved",
    "approvals.permit.consumed",
    "approvals.outcome.succeeded",
    "approvals.request.created",
    "approvals.review.recorded",
    "approvals.request.denied",
    "approvals.request.created",
    "approvals.request.cancelled",
    "approvals.request.created",
    "approvals.review.recorded",
    "approvals.request.approved",
    "approvals.permit.refused",
    "approvals.review.voided",
    "approvals.request.cancelled",
];

#[tokio::test]
async fn official_libraries_verify_signatures_events_and_ocsf() {
    let house = House::open().await;
    let all = Receiver::start(Vec::new()).await;
    let siem = Receiver::start(Vec::new()).await;
    let few = Receiver::start(Vec::new()).await;
    let hooks = endpoint("all", all.port, "")
        + &endpoint("siem", siem.port, "format = \"ocsf\"")
        + &endpoint(
            "few",
            few.port,
            "events = [\"request.denied\", \"outcome.*\"]",
        );
    let stop = serve(&house, &hooks).await;
    settled(&house, &["all", "siem", "few"]).await;
    history(&house).await;
    all.until(EVENTS.len()).await;
    siem.until(EVENTS.len()).await;
    few.until(2).await;
    settled(&house, &["all", "siem", "few"]).await;
    assert_eq!(all.kinds(), EVENTS);
    assert_eq!(
        few.kinds(),
        ["approvals.outcome.succeeded", "approvals.request.denied"]
    );
    let scratch = tempfile::tempdir().unwrap();
    for receiver in [&all, &siem, &few] {
        let path = receiver.save(scratch.path());
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/peers");
        let mut python = approvals_peers::python();
        python.arg(peers.join("standard.py"));
        for mut command in [python, approvals_peers::node(&peers.join("standard.mjs"))] {
            let output = command.arg(&path).args([NEW, OLD, WRONG]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let wrong = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}\n{said}\n{wrong}");
            assert_eq!(said.trim(), receiver.got().len().to_string());
        }
    }
    stop.cancel();
}

#[tokio::test]
async fn nothing_of_an_argument_leaves_unless_it_is_asked_for() {
    let house = House::open().await;
    let facts = Receiver::start(Vec::new()).await;
    let full = Receiver::start(Vec::new()).await;
    let hooks =
        endpoint("facts", facts.port, "") + &endpoint("full", full.port, "content = \"full\"");
    let stop = serve(&house, &hooks).await;
    settled(&house, &["facts", "full"]).await;
    let body = json!({ "tool": "db.export", "timeout": "10m", "arguments": { "table": "CANARY-A" }, "agent_reasoning": "CANARY-B" });
    let (status, view) = house.ask(BOT, "k", &body).await;
    assert_eq!(status, 201, "{view}");
    let id = view["id"].as_str().unwrap();
    // The words of a denial are people's words, and no facts of the log either.
    assert_eq!(house.decide(id, "u_bob", "bob", "deny").await.0, 200);
    let (facts, full) = (facts.until(3).await, full.until(3).await);
    for got in &facts {
        assert!(
            !got.body.contains("CANARY") && !got.body.contains("because"),
            "{got:?}"
        );
    }
    let shown = &full[0].json()["data"]["shown"];
    assert_eq!(shown["params"][0]["value"], "\"CANARY-A\"", "{shown}");
    assert_eq!(shown["agent_says"]["rationale"], "CANARY-B", "{shown}");
    assert_eq!(full[2].json()["data"]["shown"]["denial"], "because");
    assert_eq!(facts[2].json()["data"]["by"], "u_bob");
    stop.cancel();
}

#[tokio::test]
async fn a_message_is_tried_again_with_the_same_id_until_it_is_taken() {
    let house = House::open().await;
    let elsewhere = Receiver::start(Vec::new()).await;
    let to = format!("http://127.0.0.1:{}/elsewhere", elsewhere.port);
    let script = vec![
        answer(500, &[]),
        answer(307, &[("location", &to)]),
        answer(503, &[("retry-after", "1")]),
        // Taken, with more of an answer than anybody reads.
        (StatusCode::OK, "x".repeat(1 << 20)).into_response(),
        answer(400, &[]),
    ];
    let receiver = Receiver::start(script).await;
    let stop = serve(
        &house,
        &endpoint("again", receiver.port, "events = [\"request.*\"]"),
    )
    .await;
    settled(&house, &["again"]).await;
    let id = house.asked("k", "db.export").await;
    assert_eq!(house.decide(&id, "u_bob", "bob", "approve").await.0, 200);
    let got = receiver.until(6).await;
    let ids: Vec<&str> = got.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!(ids[..4], [ids[0]; 4], "one message, four tries");
    assert_eq!(
        ids[4..],
        [ids[4]; 2],
        "then the next one, refused and tried again"
    );
    assert_ne!(ids[0], ids[4]);
    assert!(got[..4].iter().all(|again| again.body == got[0].body));
    let at = |got: &Got| got.header("webhook-timestamp").parse::<u64>().unwrap();
    assert!(
        at(&got[3]) > at(&got[2]),
        "it came back sooner than it was asked to"
    );
    // No redirection is followed.
    assert!(got.iter().all(|got| got.path == "/hook"));
    assert_eq!(elsewhere.got().len(), 0);
    stop.cancel();
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_up_no_other_and_is_seen() {
    let house = House::open().await;
    let well = Receiver::start(Vec::new()).await;
    let gone = Receiver::start(vec![answer(410, &[])]).await;
    let hooks = endpoint("down", approvals_peers::free_port(), "")
        + &endpoint("gone", gone.port, "")
        + &endpoint("well", well.port, "");
    let config = Config::parse(&format!("version = 1\n{hooks}")).unwrap();
    let hooks = Webhooks::open(&config, secret).unwrap();
    let server = house.server(config.with_reader(
        approvals_http::TokenHash::of(READER),
        "u_carol".parse().unwrap(),
    ));
    let server = server.webhooks(hooks);
    let (stop, router) = (server.stop(), server.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn(async move { server.serve(listener).await });
    settled(&house, &["down", "gone", "well"]).await;
    history(&house).await;
    well.until(EVENTS.len()).await;
    settled(&house, &["well"]).await;
    assert_eq!(well.kinds(), EVENTS);
    // Whoever is gone gets nothing more.
    assert_eq!(gone.got().len(), 1);
    let house = house.with_router(router);
    let text = loop {
        let text = metrics(&house, &stop).await;
        if text.contains("approvals_webhook_up{webhook=\"down\"} 0") {
            break text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for line in [
        "approvals_webhook_up{webhook=\"gone\"} 0",
        "approvals_webhook_up{webhook=\"well\"} 1",
        "approvals_webhook_messages_total{webhook=\"well\",result=\"taken\"} 17",
        "approvals_webhook_messages_total{webhook=\"gone\",result=\"taken\"} 0",
        "approvals_outbox_waiting{channel=\"webhook:well\"} 0",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    let waiting = |name: &str| {
        let start = format!("approvals_outbox_waiting{{channel=\"webhook:{name}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert!(waiting("down") >= 17 && waiting("gone") >= 17, "{text}");
    let ready = house.send(call("GET", "/readyz", None, "")).await;
    assert_eq!(ready.status(), 200);
    assert_eq!(super::support::json(ready).await["webhooks_down"], 2);
    // One that never gets through keeps nobody from stopping.
    stop.cancel();
    serving.await.unwrap().unwrap();
}

/// Looks again and again; a test that waits for what never comes says what there is.
async fn patiently<T>(look: impl Fn() -> Result<T, String>) -> T {
    for _ in 0..500 {
        if let Ok(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    look().unwrap()
}

/// Waits until these receivers are known to the store and have taken the whole log.
async fn settled(house: &House, names: &[&str]) {
    loop {
        let backlogs = house.gate.journal().backlogs().await.unwrap();
        let done = |name: &&str| {
            let follower = format!("webhook:{name}");
            backlogs
                .iter()
                .any(|backlog| backlog.channel == follower && backlog.waiting == 0)
        };
        if names.iter().all(done) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
