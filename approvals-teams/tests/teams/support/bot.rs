//! Our side: a gate with the Teams channel, served on a port of its own, and what Teams sends to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use approvals_core::ledger::LedgerKey;
use approvals_core::{
    Clock, ForgetfulStore, Gate, People, Policy, RequestId, SystemClock, Timestamp,
};
use approvals_teams::{Config, Teams};
use serde_json::{Value, json};

use super::microsoft::Microsoft;
use super::sign::{KEYS, claims};
use super::{APP, HOOK, POLICY, SECRET, TENANT, object, people, write_private};

/// The system's clock, put forward by a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shifted(Arc<AtomicI64>);

impl Shifted {
    pub(crate) fn forward(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).expect("not that long");
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros() + self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Bot {
    pub(crate) gate: Gate,
    pub(crate) teams: Teams,
    pub(crate) url: String,
    pub(crate) clock: Shifted,
    pub(crate) microsoft: Microsoft,
    /// It is deleted with the bot.
    _folder: tempfile::TempDir,
}

pub(crate) const CHAT: &str = "19:group-1@thread.v2";

/// A configuration that posts there; what it names lies in this folder.
pub(crate) fn config(posts: &str, folder: &Path) -> Config {
    let text = written(posts, folder);
    Config::parse(&text, folder).expect("a configuration")
}

/// The same as text.
pub(crate) fn written(posts: &str, folder: &Path) -> String {
    write_private(&folder.join("app.secret"), SECRET);
    format!(
        "version = 1\napp_id = \"{APP}\"\ntenant = \"{TENANT}\"\nsecret = {{ file = \"app.secret\" }}\n{posts}"
    )
}

/// A gate that forgets, with the channel; decisions go through the real thing all the same.
pub(crate) async fn gate(teams: &Teams, clock: Shifted) -> Gate {
    let crew = People::parse(&people()).expect("people");
    let policy =
        Policy::parse(POLICY, &crew.groups(), &approvals_core::inventory()).expect("a policy");
    let key = LedgerKey::generate().expect("a key");
    let builder = Gate::builder()
        .policy(policy)
        .people(crew)
        .store(ForgetfulStore::new())
        .ledger_key(key, &"test.invalid/teams".parse().expect("an origin"))
        .clock(clock);
    let builder = teams
        .notifiers()
        .into_iter()
        .fold(builder, |builder, to| builder.notifier(to));
    builder.open().await.expect("a gate")
}

/// Serves the channel on this port, or on any.
pub(crate) async fn serve(teams: &Teams, gate: &Gate, port: u16) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let routes = teams.router(gate.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

impl Bot {
    /// The channel with the app added to the group chat.
    pub(crate) async fn start(posts: &str) -> Self {
        super::logs::keep();
        let microsoft = Microsoft::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let hook = format!("{}/hook/{HOOK}", microsoft.base);
        write_private(&folder.path().join("hook.url"), &hook);
        let config = config(posts, folder.path()).in_cloud(microsoft.cloud());
        let teams = Teams::open(config, folder.path()).expect("the channel");
        let clock = Shifted::default();
        let gate = gate(&teams, clock.clone()).await;
        let url = serve(&teams, &gate, 0).await;
        let bot = Self {
            gate,
            teams,
            url,
            clock,
            microsoft,
            _folder: folder,
        };
        assert_eq!(bot.send(&bot.added()).await.0, 200);
        bot
    }

    /// What Teams says when the app is added to the group chat.
    pub(crate) fn added(&self) -> Value {
        added(&self.microsoft.service())
    }

    /// The click of a person on the newest copy of a request.
    pub(crate) async fn click(&self, request: RequestId, number: usize, verb: &str) -> Value {
        let (conversation, message) = self.posted(request).await;
        let card = self.gate.card(request).await.expect("a card");
        let mut data = json!({"request": request.to_string(), "digest": card.digest.to_string(), "policy": card.policy.to_string()});
        if verb == "deny" {
            data["reason"] = json!("not on a Friday");
        }
        let mut click = activity(&self.microsoft.service(), &conversation, number);
        click["type"] = json!("invoke");
        click["name"] = json!("adaptiveCard/action");
        click["replyToId"] = json!(message);
        click["value"] = json!({"trigger": "manual", "action": {"type": "Action.Execute", "verb": verb, "data": data}});
        click
    }

    /// The first copy on record of a request.
    pub(crate) async fn posted(&self, request: RequestId) -> (String, String) {
        let channels: Vec<_> = self
            .teams
            .notifiers()
            .iter()
            .map(|to| to.name().to_owned())
            .collect();
        let place = super::until("there is a copy on record", async || {
            for channel in &channels {
                let copies = self.gate.copies(request, channel).await.expect("copies");
                if let Some(copy) = copies.into_iter().find(|copy| copy.place.contains(' ')) {
                    return Some(copy.place);
                }
            }
            None
        })
        .await;
        let (activity, conversation) = place.split_once(' ').expect("a copy");
        (conversation.to_owned(), activity.to_owned())
    }

    /// Sends an activity with a good token.
    pub(crate) async fn send(&self, activity: &Value) -> (u16, Value) {
        send_to(&self.url, &self.microsoft.service(), activity).await
    }

    /// Sends an activity with these `Authorization` headers.
    pub(crate) async fn send_as(&self, headers: &[String], activity: &Value) -> (u16, Value) {
        sent(&self.url, headers, activity).await
    }
}

/// What Teams says when the app is added to the group chat.
pub(crate) fn added(service: &str) -> Value {
    let mut activity = activity(service, CHAT, 0);
    activity["type"] = json!("installationUpdate");
    activity["action"] = json!("add");
    activity
}

fn activity(service: &str, conversation: &str, number: usize) -> Value {
    json!({
        "id": "f:1", "channelId": "msteams", "serviceUrl": service,
        "from": {"id": format!("29:user-{number}"), "name": "Person", "aadObjectId": object(number)},
        "recipient": {"id": format!("28:{APP}")},
        "conversation": {"id": conversation, "conversationType": "groupChat", "tenantId": TENANT, "isGroup": true},
        "channelData": {"tenant": {"id": TENANT}},
    })
}

/// Sends an activity with a good token.
pub(crate) async fn send_to(url: &str, service: &str, activity: &Value) -> (u16, Value) {
    let token = KEYS[0].token(&claims(service));
    sent(url, &[format!("Bearer {token}")], activity).await
}

async fn sent(url: &str, headers: &[String], activity: &Value) -> (u16, Value) {
    let call = web().post(format!("{url}/api/messages")).json(activity);
    let call = headers
        .iter()
        .fold(call, |call, header| call.header("authorization", header));
    let answer = call.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// A client for plain HTTP on this machine.
pub(crate) fn web() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}
