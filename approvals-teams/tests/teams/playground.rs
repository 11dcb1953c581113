//! End to end with Microsoft's own client: the Agents Playground, in which Chromium clicks.
//!
//! A shim between it and us puts on the token that the Bot Connector would send, so that our
//! verifier is on in every test. In the second lane the Playground verifies ours, too.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use approvals_core::ledger::LedgerKey;
use approvals_core::{Agent, Code, Gate, People, Policy, RequestId, Status};
use approvals_peers::{Process, free_port, installed, node};
use approvals_store::StoreUrl;
use approvals_teams::{Cloud, Teams};
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use crate::support::bot::{CHAT, config, serve, web};
use crate::support::microsoft::Microsoft;
use crate::support::sign::{KEYS, claims};
use crate::support::{
    APP, Asked, POLICY, SECRET, TENANT, drop_table, export, newest, object, people, script, stands,
    until,
};

/// The channel of the team.
pub(crate) const CHANNEL: &str = "19:approvals@thread.tacv2";

/// The Playground, what stands behind it, and our side, which can be started again.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    base: String,
    /// Where the stand-in of Microsoft's login is, and that of its keys.
    pub(crate) login: String,
    pub(crate) openid: String,
    target: Arc<Mutex<String>>,
    _playground: Process,
    _entra: Option<Process>,
}

/// Our side while it runs.
struct House {
    gate: Gate,
    server: tokio::runtime::Runtime,
}

impl Stage {
    pub(crate) async fn open(secured: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let microsoft = Microsoft::start().await;
        let (port, login) = (free_port(), free_port());
        let target = Arc::new(Mutex::new(String::new()));
        let shim = shim(Arc::clone(&target)).await;
        let entra = secured.then(|| {
            let mut entra = node(&script("entra.mjs"));
            entra
                .env("TENANT", TENANT)
                .env("SECRET", SECRET)
                .env("PORT", login.to_string());
            let mut entra = Process::start(entra);
            entra.line_with("entra is up");
            entra
        });
        let login = match secured {
            true => format!("http://127.0.0.1:{login}"),
            false => microsoft.base.clone(),
        };
        let openid = format!("{}/openid", microsoft.base);
        let stage = Self {
            base: format!("http://localhost:{port}"),
            target,
            _playground: playground(folder.path(), &shim, port, &login, secured),
            login,
            openid,
            _entra: entra,
            folder,
        };
        until("the Playground answers", async || {
            web().get(&stage.base).send().await.ok()
        })
        .await;
        stage
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds the app to a chat, or to the channel's team, by the Playground's own activity for that.
    pub(crate) async fn add_to(&self, conversation: &str) {
        let url = format!("{}/_internal/v1/customActivities", self.base);
        let added = web().get(format!(
            "{url}/template?type=install&conversationId={conversation}"
        ));
        let added = added.send().await.expect("an answer");
        let added: Value = added.json().await.expect("an activity");
        assert_eq!(added["type"], "installationUpdate", "{added}");
        let sent = web()
            .post(url)
            .json(&added)
            .send()
            .await
            .expect("an answer");
        assert!(sent.status().is_success(), "{sent:?}");
    }

    /// Leads what the Playground sends to this address.
    pub(crate) fn lead_to(&self, url: &str) {
        url.clone_into(&mut self.target.lock().unwrap());
    }

    /// Our side, on the ledger of the run before, if there was one.
    async fn house(&self) -> House {
        let posts = format!(
            "[[post]]\nperson = \"{}\"\n[[post]]\nchat = \"{CHAT}\"\n[[post]]\nchannel = \"{CHANNEL}\"\n",
            object(0)
        );
        let folder = self.folder.path();
        let cloud = Cloud::dangerous().loopback(&self.login, &self.openid);
        let config = config(&posts, folder).in_cloud(cloud.expect("loopback"));
        let teams = Teams::open(config, folder).expect("the channel");
        let gate = durable(&teams, folder).await;
        // A runtime of its own, so that it can end as a process does.
        let server = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (channel, serving) = (teams.clone(), gate.clone());
        let url = server.spawn(async move {
            let url = serve(&channel, &serving, 0).await;
            tokio::spawn(async move {
                loop {
                    let _ = serving.deliver().await;
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            });
            url
        });
        self.lead_to(&url.await.expect("served"));
        House { gate, server }
    }

    /// Somebody sits down in front of a browser, and says hello.
    pub(crate) async fn person(&self) -> Person {
        let mut person = node(&script("clicks.mjs"));
        person.arg(&self.base);
        if let Ok(folder) = std::env::var("APPROVALS_PICTURES") {
            person.env("PICTURES", folder);
        }
        let mut process = Process::start(person);
        let line = process.line_with("person at ");
        let url = line
            .strip_prefix("person at ")
            .expect("an address")
            .to_owned();
        let person = Person {
            url,
            _process: process,
        };
        person.does("say", "hello").await;
        person
    }

    /// A click of another person than the one who sits in front of the browser.
    async fn click(
        &self,
        house: &House,
        request: RequestId,
        post: &str,
        number: usize,
        verb: &str,
    ) -> Value {
        let gate = &house.gate;
        let place = until("there is a copy on record", async || {
            let copies = gate
                .copies(request, &format!("teams:{post}"))
                .await
                .expect("copies");
            copies.first().map(|copy| copy.place.clone())
        })
        .await;
        let (activity, conversation) = place.split_once(' ').expect("a copy");
        let card = gate.card(request).await.expect("a card");
        let mut data = json!({"request": request.to_string(), "digest": card.digest.to_string(), "policy": card.policy.to_string()});
        if verb == "deny" {
            data["reason"] = json!("not today");
        }
        let click = json!({
            "name": "adaptiveCard/action", "conversation": {"id": conversation}, "replyToId": activity,
            "from": {"id": format!("user-id-{number}")},
            "value": {"action": {"type": "Action.Execute", "verb": verb, "data": data}, "trigger": "manual"},
        });
        let answer = web()
            .post(format!("{}/_conversation/v1/invoke", self.base))
            .json(&click)
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("a text");
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

/// Whoever sits in front of the browser: Alex.
pub(crate) struct Person {
    url: String,
    _process: Process,
}

impl Person {
    pub(crate) async fn does(&self, what: &str, words: &str) {
        let answer = web()
            .post(&self.url)
            .json(&[what, words])
            .send()
            .await
            .expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{what} {words}: {text}");
    }
}

impl House {
    /// Ends as a process does that is killed, all but its ledger.
    fn end(self) {
        self.server.shutdown_background();
    }
}

async fn durable(teams: &Teams, folder: &Path) -> Gate {
    let crew = People::parse(&people()).expect("people");
    let policy =
        Policy::parse(POLICY, &crew.groups(), &approvals_core::inventory()).expect("a policy");
    let path = folder.join("ledger.key");
    if !path.exists() {
        LedgerKey::create_file(&path).expect("a key");
    }
    let key = LedgerKey::read_file(&path).expect("a key");
    let url: StoreUrl = format!("sqlite:{}", folder.join("approvals.db").display())
        .parse()
        .expect("a store");
    let builder = Gate::builder()
        .policy(policy)
        .people(crew)
        .store(url.open().expect("a store"))
        .ledger_key(key, &"test.invalid/teams".parse().expect("an origin"));
    let builder = teams
        .notifiers()
        .into_iter()
        .fold(builder, |builder, to| builder.notifier(to));
    builder.open().await.expect("a gate")
}

/// Puts a token of the Bot Connector on what the Playground sends, and passes it on.
async fn shim(target: Arc<Mutex<String>>) -> String {
    let pass = move |body: Bytes| {
        let target = Arc::clone(&target);
        async move { passed(&target, body).await }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://{}/api/messages",
        listener.local_addr().expect("an address")
    );
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/api/messages", post(pass))).await
    });
    url
}

async fn passed(target: &Mutex<String>, body: Bytes) -> Response {
    let activity: Value = serde_json::from_slice(&body).unwrap_or_default();
    let service = activity["serviceUrl"].as_str().unwrap_or_default();
    let token = KEYS[0].token(&claims(service));
    let url = format!("{}/api/messages", target.lock().unwrap());
    let answer = web()
        .post(url)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    let Ok(answer) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    if !status.is_success() {
        eprintln!("{status} for {activity}");
    }
    let body = answer.bytes().await.unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn playground(folder: &Path, shim: &str, port: u16, login: &str, secured: bool) -> Process {
    std::fs::write(folder.join(".m365agentsplayground.yml"), tenant()).expect("a file");
    let mut command = Command::new("node");
    command
        .arg(installed(
            "node_modules/@microsoft/m365agentsplayground/cli.js",
        ))
        .args([
            "start",
            "-e",
            shim,
            "-c",
            "msteams",
            "--dt",
            "-p",
            &port.to_string(),
        ])
        .env(
            "NODE_OPTIONS",
            format!("--require {}", script("offline.cjs").display()),
        )
        .env("LOGIN", login)
        .env("TENANT", TENANT)
        .env("TEAMSAPPTESTER_BROWSER", "none")
        .current_dir(folder);
    if secured {
        command.args(["--cid", APP, "--cs", SECRET, "--tid", TENANT]);
    }
    Process::start(command)
}

fn tenant() -> String {
    let names = [
        "Alex Wilber",
        "Megan Bowen",
        "Adele Vance",
        "Isaiah Langer",
        "Patti Fernandez",
        "Lynne Robbins",
    ];
    let user = |(number, name): (usize, &&str)| {
        format!(
            "{{ id: user-id-{number}, name: {name}, userPrincipleName: u{number}@example.com, aadObjectId: {}, givenName: A, surname: B, email: u{number}@example.com }}",
            object(number)
        )
    };
    let mut users = names.iter().enumerate().map(user);
    let current = users.next().unwrap();
    let others: String = users.map(|user| format!("  - {user}\n")).collect();
    format!(
        "version: \"0.1.1\"\ntenantId: {TENANT}\nbot: {{ id: {APP}, name: Approvals }}\ncurrentUser: {current}\nusers:\n{others}personalChat: {{ id: a_personal-alex }}\ngroupChat: {{ id: \"{CHAT}\", name: On call }}\nteam:\n  id: \"19:team-1@thread.tacv2\"\n  name: Platform\n  aadGroupId: 00000000-0000-4000-8000-000000000031\n  channels: [ {{ id: \"{CHANNEL}\", name: approvals }} ]\n"
    )
}

const CLAIM: &str =
    "the auditors asked, see [their mail](https://evil.example) of {{DATE(2026-01-01T00:00:00Z)}}";

/// The agent asks for Isaiah, who sits elsewhere.
fn agent() -> Agent {
    Agent::new("runbook-bot")
        .on_behalf_of("u_3")
        .rationale(CLAIM)
        .model("claude")
}

fn ask(gate: &Gate, table: &'static str) -> Asked {
    let gate = gate.clone();
    tokio::spawn(async move {
        gate.enter(agent(), export(table.to_owned(), "canary".to_owned()))
            .await
    })
}

fn ask_two(gate: &Gate) -> Asked {
    let gate = gate.clone();
    tokio::spawn(async move { gate.detach(agent(), drop_table("users".to_owned())).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn people_decide_in_the_playground() {
    let stage = Stage::open(false).await;
    let house = stage.house().await;
    let alex = stage.person().await;

    let asked = ask(&house.gate, "customers");
    alex.does("see", "Approval wanted").await;
    alex.does("literal", CLAIM).await;
    alex.does("approve", "Approved by").await;
    assert_eq!(
        asked.await.unwrap().unwrap(),
        "customers".len() + "canary".len()
    );

    let asked = ask(&house.gate, "passwords");
    alex.does("deny", "nobody needs these").await;
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(
        (error.code(), error.reason()),
        (Code::Denied, Some("nobody needs these"))
    );

    // The same in a group chat and in a channel.
    alex.does("go", "On call").await;
    let asked = ask(&house.gate, "invoices");
    alex.does("approve", "Approved by").await;
    asked.await.unwrap().unwrap();
    alex.does("go", "approvals").await;
    let asked = ask(&house.gate, "mails");
    alex.does("deny", "not these, either").await;
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some("not these, either"));

    // Two people, in a group chat and in a channel; the third is the one it is done for.
    let asked = ask_two(&house.gate);
    let request = newest(&house.gate).await;
    stage.click(&house, request, CHAT, 1, "approve").await;
    let own = stage.click(&house, request, CHAT, 3, "approve").await;
    assert!(own.to_string().contains("SelfApproval"), "{own}");
    alex.does("see", "1 so far").await;
    assert_eq!(house.gate.card(request).await.unwrap().votes.len(), 1);

    // A restart in between: the copies and the first vote are on record.
    asked.abort();
    house.end();
    let house = stage.house().await;
    {
        stage.click(&house, request, CHANNEL, 2, "approve").await;
        stands(&house.gate, request, Status::Approved).await;
        alex.does("see", "Usable until").await;
    }
    house.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_own_code_takes_our_token() {
    let stage = Stage::open(true).await;
    let house = stage.house().await;
    let alex = stage.person().await;
    let asked = ask(&house.gate, "customers");
    let request = newest(&house.gate).await;
    stage.click(&house, request, CHAT, 1, "approve").await;
    stands(&house.gate, request, Status::Approved).await;
    asked.await.unwrap().unwrap();
    alex.does("see", "Approved by").await;
    // It does verify: without a token nothing is posted there.
    let bare = web()
        .post(format!(
            "{}/_connector/v3/conversations/{CHAT}/activities",
            stage.base
        ))
        .json(&json!({"type": "message", "text": "x"}));
    assert_eq!(bare.send().await.unwrap().status(), 401);
    house.end();
}
