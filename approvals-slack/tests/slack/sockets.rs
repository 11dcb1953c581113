//! Socket Mode against a socket of our own that ends, repeats and refuses as asked.

use std::time::Duration;

use approvals_core::Status;
use approvals_slack::Mode;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::support::proxy::Fault;
use crate::support::{APP, CHANNEL, TEAM, World, bot, button, drop_table, waiting};

type Socket = WebSocketStream<TcpStream>;

/// Lets our process come to this socket instead of Slack's.
async fn listen(world: &World) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    world.proxy.fail(move |method, _| {
        let answer = json!({ "ok": true, "url": format!("ws://127.0.0.1:{port}/link/?ticket=1") });
        (method == "apps.connections.open").then(|| Fault::Answer(200, &[], answer.to_string()))
    });
    listener
}

async fn accept(listener: &TcpListener) -> Socket {
    let accepted = tokio::time::timeout(Duration::from_secs(30), listener.accept()).await;
    let (stream, _) = accepted.expect("our process opens a socket").unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    let hello = json!({ "type": "hello", "num_connections": 1, "connection_info": { "app_id": APP }, "debug_info": { "host": "applink" } });
    say(&mut socket, &hello).await;
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

fn click(user: &str, card: &Value, envelope: &str) -> Value {
    let action = button(card, "approvals.approve").unwrap();
    json!({
        "envelope_id": envelope,
        "type": "interactive",
        "accepts_response_payload": true,
        "payload": {
            "type": "block_actions",
            "api_app_id": APP,
            "team": { "id": TEAM, "domain": "acme" },
            "user": { "id": user, "team_id": TEAM },
            "container": { "type": "message", "channel_id": CHANNEL, "message_ts": card["ts"] },
            "trigger_id": "1.2.3",
            "actions": [{ "type": "button", "action_id": "approvals.approve", "block_id": "approvals.decide", "value": action["value"], "action_ts": "1.5" }],
        },
    })
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

    say(
        &mut old,
        &json!({ "type": "disconnect", "reason": "refresh_requested" }),
    )
    .await;
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
    say(
        &mut third,
        &json!({ "type": "disconnect", "reason": "link_disabled" }),
    )
    .await;
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
    say(
        &mut socket,
        &json!({ "type": "hello", "connection_info": { "app_id": "A09EVIL" } }),
    )
    .await;
    let ended = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
    assert!(!matches!(ended, Ok(Some(Ok(Message::Text(_))))));
    let again = tokio::time::timeout(Duration::from_secs(2), listener.accept()).await;
    assert!(again.is_err());
    app.end().await;
}
