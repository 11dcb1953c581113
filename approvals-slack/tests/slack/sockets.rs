//! Socket Mode against a socket of our own that ends, repeats and refuses as asked.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use approvals_core::Status;
use approvals_peers::{node, python};
use approvals_slack::Mode;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::support::frames::{click, disconnect, hello, interactive};
use crate::support::proxy::Fault;
use crate::support::{APP, World, bot, drop_table, spawn, waiting};

type Socket = WebSocketStream<TcpStream>;

/// Lets our process come to this socket instead of Slack's.
async fn listen(world: &World) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    world
        .proxy
        .fail(move |method, _| (method == "apps.connections.open").then(|| opened(port)));
    listener
}

fn opened(port: u16) -> Fault {
    let answer = json!({ "ok": true, "url": format!("ws://127.0.0.1:{port}/link/?ticket=1") });
    Fault::Answer(200, &[], answer.to_string())
}

async fn accept(listener: &TcpListener) -> Socket {
    let accepted = tokio::time::timeout(Duration::from_secs(30), listener.accept()).await;
    let (stream, _) = accepted.expect("our process opens a socket").unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    say(&mut socket, &hello(APP)).await;
    socket
}

async fn say(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next acknowledgement.
async fn ack(socket: &mut Socket) -> Value {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(30), socket.next()).await;
        match next.expect("an acknowledgement").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            _ => continue,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_socket_is_open_before_the_old_one_closes_and_redelivery_does_nothing() {
    let world = World::new(Mode::Socket).await;
    let listener = listen(&world).await;
    let app = world.start().await;
    let mut old = accept(&listener).await;
    let call = app.gate.enter(bot(), drop_table("users".to_owned())).await;
    let request = waiting(&call.unwrap_err());
    let card = world.copy_of(request).await;

    // What is unknown or broken is passed over.
    say(&mut old, &json!({ "type": "something_new" })).await;
    old.send(Message::text("{")).await.unwrap();
    say(
        &mut old,
        &json!({ "type": "events_api", "envelope_id": "e0", "payload": {} }),
    )
    .await;
    assert_eq!(ack(&mut old).await, json!({ "envelope_id": "e0" }));
    untouched(&app, request).await;

    say(&mut old, &disconnect("refresh_requested")).await;
    let mut new = accept(&listener).await;
    // The old one is still read while the new one is there.
    say(&mut old, &click("U04MALL", &card, "e1")).await;
    assert_eq!(ack(&mut old).await, json!({ "envelope_id": "e1" }));
    world.until_told("U04MALL", "IdentityUnresolved").await;
    drop(old);
    say(&mut new, &click("U02DANA", &card, "e2")).await;
    assert_eq!(ack(&mut new).await, json!({ "envelope_id": "e2" }));
    world.until_card_says(request, "Approved: db.drop").await;
    let looked = world.proxy.count("users.info");
    let told = world.proxy.count("chat.postEphemeral");
    say(&mut new, &click("U02DANA", &card, "e2")).await;
    assert_eq!(ack(&mut new).await, json!({ "envelope_id": "e2" }));
    assert_eq!(world.proxy.count("users.info"), looked);
    assert_eq!(world.proxy.count("chat.postEphemeral"), told);

    // It breaks: another one is opened.
    drop(new);
    let mut third = accept(&listener).await;
    // Switched off: no other one is.
    say(&mut third, &disconnect("link_disabled")).await;
    let again = tokio::time::timeout(Duration::from_secs(3), listener.accept()).await;
    assert!(
        again.is_err(),
        "a socket was opened although they are switched off"
    );
    app.end().await;
}

async fn untouched(app: &crate::support::App, request: approvals_core::RequestId) {
    assert_eq!(app.status(request).await, Status::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_another_app_is_not_used() {
    let world = World::new(Mode::Socket).await;
    let listener = listen(&world).await;
    let app = world.start().await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    say(&mut socket, &hello("A09EVIL")).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
    assert!(!matches!(ended, Ok(Some(Ok(Message::Text(_))))));
    let again = tokio::time::timeout(Duration::from_secs(2), listener.accept()).await;
    assert!(again.is_err());
    app.end().await;
}

/// Slack's own client at the socket that ours is tried with: it takes every frame, acknowledges as
/// ours does, and comes again when it is told to.
async fn official(mut command: Command) {
    let world = World::new(Mode::Socket).await;
    let listener = listen(&world).await;
    command.arg(world.proxy.api()).stdin(Stdio::piped());
    let mut client = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut heard = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };

    let mut socket = accept(&listener).await;
    let card = json!({ "ts": "1.5", "blocks": [{ "elements": [{ "action_id": "approvals.approve", "value": "sealed" }] }] });
    say(&mut socket, &click("U02DANA", &card, "e1")).await;
    let wanted = json!({ "heard": "interactive", "envelope": "e1", "of": "block_actions", "user": "U02DANA", "value": "sealed" });
    assert_eq!(heard(), wanted);
    assert_eq!(ack(&mut socket).await["envelope_id"], "e1");
    let form =
        json!({ "type": "view_submission", "user": { "id": "U02DANA" }, "view": { "id": "V1" } });
    say(&mut socket, &interactive("e2", &form)).await;
    assert_eq!(heard()["of"], "view_submission");
    let answer = json!({ "envelope_id": "e2", "payload": { "response_action": "clear" } });
    assert_eq!(ack(&mut socket).await, answer);

    say(&mut socket, &disconnect("refresh_requested")).await;
    // One of them closes the old one first, so it is read on beside.
    let old = spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    let mut socket = accept(&listener).await;
    say(&mut socket, &click("U03ERIN", &card, "e3")).await;
    assert_eq!(heard()["envelope"], "e3");
    assert_eq!(ack(&mut socket).await["envelope_id"], "e3");
    drop(client.stdin.take());
    tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await
    .unwrap();
    drop(socket);
    assert!(client.wait().unwrap().success());
    old.abort();
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/slack")
        .join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_client_for_node_takes_our_frames() {
    official(node(&script("official.mjs"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slacks_client_for_python_takes_our_frames() {
    let mut command = python();
    command.arg(script("official.py"));
    official(command).await;
}

/// More clicks at once than anybody works on: what was not taken is not acknowledged, and counts
/// when it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_found_no_room_counts_when_it_comes_again() {
    let world = World::new(Mode::Socket).await;
    let listener = listen(&world).await;
    let app = world.start().await;
    let mut socket = accept(&listener).await;
    let call = app.gate.enter(bot(), drop_table("users".to_owned())).await;
    let request = waiting(&call.unwrap_err());
    let card = world.copy_of(request).await;
    // Whoever is asked who somebody is takes long, so that everything fills up.
    let port = listener.local_addr().unwrap().port();
    world.proxy.fail(move |method, _| match method {
        "users.info" => Some(Fault::Slow(Duration::from_secs(3))),
        "apps.connections.open" => Some(opened(port)),
        _ => None,
    });
    for number in 0..400 {
        say(
            &mut socket,
            &click("U04MALL", &card, &format!("flood{number}")),
        )
        .await;
    }
    say(&mut socket, &click("U02DANA", &card, "dana")).await;
    let mut acknowledged = Vec::new();
    // Slack waits three seconds for an acknowledgement.
    let _ = tokio::time::timeout(Duration::from_millis(3_500), async {
        loop {
            acknowledged.push(
                ack(&mut socket).await["envelope_id"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    })
    .await;
    assert!(acknowledged.len() >= 256, "{}", acknowledged.len());
    assert!(!acknowledged.contains(&"dana".to_owned()));
    assert_eq!(app.status(request).await, Status::Pending);

    world
        .proxy
        .fail(move |method, _| (method == "apps.connections.open").then(|| opened(port)));
    // Slack sends it again until it is acknowledged.
    for _ in 0..60 {
        say(&mut socket, &click("U02DANA", &card, "dana")).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        if app.status(request).await == Status::Approved {
            return app.end().await;
        }
    }
    panic!("the click never counted");
}
