//! A gate, our channel, a proxy with faults, and a third party's Slack behind it.

pub(crate) mod frames;
pub(crate) mod proxy;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use approvals_core::ledger::{AuditRecord, LedgerKey, StoredRecord};
use approvals_core::ports::{Filter, Notifier};
use approvals_core::{
    Agent, ApprovalError, Clock, Code, Gate, People, Policy, RequestId, Status, SystemClock,
    Timestamp, inventory, requires_approval,
};
use approvals_peers::{Process, free_port, installed, node};
use approvals_slack::{Config, Mode, Secrets, Slack};
use approvals_store::StoreUrl;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use proxy::{Callback, Proxy};

pub(crate) const TEAM: &str = "T01ACME";
pub(crate) const APP: &str = "A01GATE";
pub(crate) const CHANNEL: &str = "C01APPR";
pub(crate) const SIGNING: &str = "0123456789abcdef0123456789abcdef";

/// What tests ask for.
#[requires_approval(scope = "db.drop", reason = "drop {table}")]
pub(crate) async fn drop_table(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

#[requires_approval(scope = "db.two", reason = "copy {table}")]
pub(crate) async fn copy_table(table: String) -> Result<usize, ApprovalError> {
    Ok(table.len())
}

#[requires_approval(scope = "iam.grant", reason = "grant {role}")]
pub(crate) async fn grant(role: String) -> Result<usize, ApprovalError> {
    Ok(role.len())
}

#[requires_approval(scope = "db.secret", redact(token))]
pub(crate) async fn with_secret(token: String) -> Result<usize, ApprovalError> {
    Ok(token.len())
}

const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall", n = 1 }], ttl = "15m" }
[[rule]]
id = "two"
scope = "db.two"
require = [{ group = "oncall", n = 2 }]
[[rule]]
id = "signed"
scope = "iam.*"
require = [{ group = "oncall", n = 1, min_assurance = "A3" }]
"#;

const PEOPLE: &str = r#"
version = 1
person = [
  { id = "u_alice", groups = ["oncall"], identity = [{ provider = "slack", tenant = "T01ACME", subject = "U01ALICE" }] },
  { id = "u_dana", groups = ["oncall"], identity = [{ provider = "slack", tenant = "T01ACME", subject = "U02DANA" }] },
  { id = "u_erin", groups = ["oncall"], identity = [{ provider = "slack", tenant = "T01ACME", subject = "U03ERIN" }, { provider = "terminal", subject = "erin" }] },
  { id = "u_grace", groups = ["oncall"], identity = [{ provider = "slack-email", tenant = "T01ACME", subject = "grace@example.com" }] },
  { id = "u_frank", groups = ["sales"], identity = [{ provider = "slack", tenant = "T01ACME", subject = "U05FRANK" }] },
]
"#;

/// The system's clock, moved by the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shifted(Arc<AtomicI64>);

impl Shifted {
    pub(crate) fn forward(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        let shift = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() + shift)
    }
}

/// A workspace with our app in it.
pub(crate) struct World {
    pub(crate) mode: Mode,
    pub(crate) clock: Shifted,
    pub(crate) proxy: Proxy,
    /// Where people look at the workspace.
    pub(crate) page: String,
    pub(crate) dir: tempfile::TempDir,
    _slack: Process,
    app_port: u16,
}

/// Our process: it can end and begin again.
pub(crate) struct App {
    pub(crate) gate: Gate,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl World {
    pub(crate) async fn new(mode: Mode) -> Self {
        let (slack_port, app_port) = (free_port(), free_port());
        let dir = tempfile::tempdir().unwrap();
        let upstream = format!("http://127.0.0.1:{slack_port}");
        let proxy = Proxy::start(&upstream, app_port).await;
        let config = dir.path().join("config.yaml");
        std::fs::write(&config, workspace(mode, &proxy.inbound())).unwrap();
        let mut command = Command::new(installed(
            "node_modules/local-slack-linux-x64/bin/local-slack",
        ));
        command
            .args(["--port", &slack_port.to_string()])
            .arg("--config")
            .arg(&config);
        let mut slack = Process::start(command);
        slack.line_with("Web UI");
        Self {
            mode,
            clock: Shifted::default(),
            proxy,
            page: upstream,
            dir,
            _slack: slack,
            app_port,
        }
    }

    pub(crate) fn config(&self, more: &str) -> Config {
        let mode = match self.mode {
            Mode::Http => "http",
            Mode::Socket => "socket",
        };
        let api = self.proxy.api();
        Config::parse(&format!(
            "version = 1\nmode = \"{mode}\"\nteam = \"{TEAM}\"\napp = \"{APP}\"\napi = \"{api}\"\nlink = \"https://approvals.example/requests/{{id}}\"\n{more}\n[[route]]\nto = \"{CHANNEL}\"\n"
        ))
        .unwrap()
    }

    pub(crate) fn secrets(&self) -> Secrets {
        match self.mode {
            Mode::Http => Secrets::http("xoxb-test-token", SIGNING),
            Mode::Socket => Secrets::socket("xoxb-test-token", "xapp-test-token"),
        }
        .unwrap()
    }

    /// Starts our process, on what the last one left behind.
    pub(crate) async fn start(&self) -> App {
        self.start_with("").await
    }

    pub(crate) async fn start_with(&self, more: &str) -> App {
        let slack = Slack::new(self.config(more), self.secrets()).unwrap();
        let gate = self.gate(&slack.notifiers()).await;
        let stop = CancellationToken::new();
        let running = slack.start(gate.clone(), stop.clone());
        let mut tasks = vec![spawn(running.work)];
        if let Some(routes) = running.routes {
            let socket = tokio::net::TcpListener::bind(("127.0.0.1", self.app_port))
                .await
                .unwrap();
            let stop = stop.clone();
            tasks.push(spawn(async move {
                let served =
                    axum::serve(socket, routes).with_graceful_shutdown(stop.cancelled_owned());
                served.await.unwrap();
            }));
        }
        let (delivering, stopped) = (gate.clone(), stop.clone());
        tasks.push(spawn(async move {
            while !stopped.is_cancelled() {
                delivering.sweep().await.unwrap();
                delivering.deliver().await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }));
        App { gate, stop, tasks }
    }

    /// Another process with the same log, which has no channel: the command line, the web inbox.
    pub(crate) async fn other_process(&self) -> Gate {
        self.gate(&[]).await
    }

    async fn gate(&self, notifiers: &[Arc<dyn Notifier>]) -> Gate {
        let people = People::parse(PEOPLE).unwrap();
        let policy = Policy::parse(POLICY, &people.groups(), &inventory()).unwrap();
        let url = format!("sqlite:{}", self.dir.path().join("approvals.db").display());
        let url: StoreUrl = url.parse().unwrap();
        let origin = "example.com/approvals".parse().unwrap();
        let key = self.dir.path().join("ledger.key");
        let key = match key.exists() {
            true => LedgerKey::read_file(&key).unwrap(),
            false => LedgerKey::create_file(&key).unwrap(),
        };
        let mut builder = Gate::builder()
            .policy(policy)
            .people(people)
            .store(url.open().unwrap())
            .ledger_key(key, &origin)
            .clock(self.clock.clone());
        for notifier in notifiers {
            builder = builder.notifier(Arc::clone(notifier));
        }
        builder.open().await.unwrap()
    }

    /// What stands in the channel now, as Slack keeps it.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let answer = self
            .proxy
            .get(&format!("{}/_control/messages/{CHANNEL}", self.page))
            .await;
        answer["messages"].as_array().unwrap().clone()
    }

    /// The copy of a request, once it is there.
    pub(crate) async fn copy_of(&self, request: RequestId) -> Value {
        let text = request.to_string();
        self.wait_for("the card", async || {
            let messages = self.messages().await;
            messages.into_iter().find(|message| is_card(message, &text))
        })
        .await
    }

    /// Waits until the copy of a request says so.
    pub(crate) async fn until_card_says(&self, request: RequestId, wanted: &str) -> Value {
        self.wait_for(wanted, async || {
            let card = self.copy_of(request).await;
            card.to_string().contains(wanted).then_some(card)
        })
        .await
    }

    /// Waits until somebody was answered so, alone.
    pub(crate) async fn until_told(&self, user: &str, wanted: &str) -> Value {
        self.wait_for(wanted, async || {
            let messages = self.messages().await;
            messages.into_iter().find(|message| {
                message["ephemeral_to"] == user && message["text"].to_string().contains(wanted)
            })
        })
        .await
    }

    pub(crate) async fn wait_for<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        for _ in 0..300 {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let messages = self.messages().await;
        panic!("`{what}` never came; the channel holds {messages:#?}");
    }

    /// Presses a button as somebody, through Slack itself.
    pub(crate) async fn press(&self, user: &str, card: &Value, action: &Value) {
        let press =
            json!({ "channel": CHANNEL, "messageTs": card["ts"], "user": user, "action": action });
        self.proxy
            .post(&format!("{}/_control/interact", self.page), &press)
            .await;
    }

    /// The callback that Slack makes of a press, which never reached our process.
    pub(crate) async fn genuine(&self, user: &str, card: &Value, action: &str) -> Value {
        let before = self.proxy.callbacks().len();
        self.proxy.hold(true);
        let action = button(card, action).unwrap();
        self.press(user, card, &action).await;
        let callback = self.wait_for("a callback", async || {
            self.proxy.callbacks().get(before).cloned()
        });
        let callback = callback.await;
        self.proxy.hold(false);
        callback.payload()
    }

    /// Signs a payload as Slack would now, and sends it; what was answered.
    pub(crate) async fn send(&self, payload: &Value) -> (u16, String) {
        self.proxy
            .send(&Callback::of(payload, self.clock.now()))
            .await
    }

    /// The form that comes back when somebody denies from a card.
    pub(crate) fn denial(&self, user: &str, card: &Value, reason: &str) -> Value {
        let value = button(card, "approvals.deny").unwrap()["value"].clone();
        let kept = json!([value, CHANNEL, card["ts"]]).to_string();
        json!({
            "type": "view_submission",
            "api_app_id": APP,
            "team": { "id": TEAM },
            "user": { "id": user, "team_id": TEAM },
            "view": {
                "id": "V01",
                "callback_id": "approvals.deny.reason",
                "private_metadata": kept,
                "state": { "values": { "approvals.reason": { "text": { "value": reason } } } },
            },
        })
    }

    /// Has a real browser do these steps.
    pub(crate) async fn browse(&self, steps: Value) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slack/drive.mjs");
        let mut command = node(&script);
        command.arg(&self.page).arg(steps.to_string());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{steps}: {printed}");
    }
}

impl App {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.gate.flush().await.unwrap();
    }

    pub(crate) async fn status(&self, request: RequestId) -> Status {
        self.gate.card(request).await.unwrap().status
    }

    /// The kinds of record of a request so far.
    pub(crate) async fn pending(&self) -> Vec<RequestId> {
        let rows = self.gate.list(Filter::pending()).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }
}

/// Everything in the log of a gate, in order.
pub(crate) async fn records(gate: &Gate) -> Vec<AuditRecord> {
    let log = gate.journal().log().clone();
    let stored = gate.journal().read(|reader| reader.records(0, usize::MAX));
    let stored = stored.await.unwrap();
    let read = |one: &StoredRecord| AuditRecord::decode(&one.bytes, &log).unwrap();
    stored.iter().map(read).collect()
}

/// Something that runs beside a test.
#[expect(clippy::disallowed_methods, reason = "a test is the application")]
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    tokio::spawn(work)
}

pub(crate) fn bot() -> Agent {
    Agent::new("bot")
        .on_behalf_of("u_alice")
        .wait(Duration::from_millis(1))
}

/// The request that a refusal is about.
pub(crate) fn waiting(error: &ApprovalError) -> RequestId {
    assert_eq!(error.code(), Code::Pending, "{error}");
    error.request().unwrap()
}

/// The button of a card.
pub(crate) fn button(card: &Value, action: &str) -> Option<Value> {
    let blocks = card["blocks"].as_array()?;
    let elements = blocks
        .iter()
        .filter_map(|block| block["elements"].as_array());
    let mut elements = elements.flatten();
    elements
        .find(|element| element["action_id"] == action)
        .cloned()
}

fn is_card(message: &Value, request: &str) -> bool {
    message["thread_ts"].is_null()
        && message["text"]
            .as_str()
            .is_some_and(|text| text.contains(request))
}

fn workspace(mode: Mode, inbound: &str) -> String {
    let mode = match mode {
        Mode::Http => "events",
        Mode::Socket => "socket",
    };
    format!(
        r#"workspace: {{ name: Acme, domain: acme, teamId: {TEAM} }}
app:
  appId: {APP}
  botUserId: U0BOT
  botName: approvals
  botToken: xoxb-test-token
  appToken: xapp-test-token
  signingSecret: {SIGNING}
  mode: {mode}
  requestUrl: {inbound}
users:
  - {{ id: U01ALICE, name: alice, real_name: Alice Asker, email: alice@example.com }}
  - {{ id: U02DANA, name: dana, real_name: Dana Oncall, email: dana@example.com }}
  - {{ id: U03ERIN, name: erin, real_name: Erin Oncall, email: erin@example.com }}
  - {{ id: U04MALL, name: mallory, real_name: Mallory, email: mallory@evil.example }}
  - {{ id: U05FRANK, name: frank, real_name: Frank Sales, email: frank@example.com }}
  - {{ id: U06GRACE, name: grace, real_name: Grace Oncall, email: Grace@example.com }}
channels:
  - {{ id: {CHANNEL}, name: approvals, members: [U01ALICE, U02DANA, U03ERIN, U04MALL, U05FRANK, U06GRACE, U0BOT] }}
"#
    )
}
