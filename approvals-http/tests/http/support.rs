//! A server on a real gate with real keys: people sign, and the router is all there is.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, RwLock};

use approvals_core::gate::LocalSigner;
use approvals_core::ledger::{LedgerKey, Secrets};
use approvals_core::ports::{Directory, DirectoryError, Notifier};
use approvals_core::review::Statement;
use approvals_core::{
    ForgetfulStore, Gate, IdentityKey, People, PersonId, Policy, Standing, inventory, sshsig,
};
use approvals_http::{Caller, Config, Server, TokenHash};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const BOT: &str = "apr_test_bot";
pub(crate) const OTHER: &str = "apr_test_other_bot";
pub(crate) const READER: &str = "apr_test_reader";

const POLICY: &str = r#"
version = 1
default = { require = [{ group = "oncall", n = 1, min_assurance = "A3" }], ttl = "15m" }
[[rule]]
id = "two"
scope = "k8s.scale"
require = [{ group = "oncall", n = 2, min_assurance = "A3" }]
"#;

/// Everybody, and the names of their keys. `stranger` is nobody's.
const PEOPLE: &[(&str, &str, &[&str])] = &[
    ("u_alice", "oncall", &["alice"]),
    ("u_bob", "oncall", &["bob", "bob_other"]),
    ("u_dana", "oncall", &["dana"]),
    ("u_carol", "office", &["carol"]),
];

pub(crate) struct House {
    keys: TempDir,
    pub(crate) gate: Gate,
    pub(crate) router: Router,
    people: Arc<RwLock<People>>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(Vec::new()).await
    }

    /// The same, with channels.
    pub(crate) async fn open_with(channels: Vec<Arc<dyn Notifier>>) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let names = PEOPLE
            .iter()
            .flat_map(|(_, _, keys)| keys.iter())
            .chain(&["stranger"]);
        names.for_each(|name| make_key(&keys, name));
        let all: Vec<&str> = PEOPLE.iter().map(|(person, ..)| *person).collect();
        let people = people(&keys, &all);
        let policy = Policy::parse(POLICY, &people.groups(), &inventory()).unwrap();
        let people = Arc::new(RwLock::new(people));
        let key = LedgerKey::generate().unwrap();
        let signer = LocalSigner::new(key, &"test.example/log".parse().unwrap());
        let builder = Gate::builder()
            .policy(policy)
            .people(Shifting(Arc::clone(&people)))
            .store(ForgetfulStore::new())
            .signer(signer, Secrets::generate().unwrap());
        let builder = channels
            .into_iter()
            .fold(builder, |builder, channel| builder.notifier(channel));
        let gate = builder.open().await.unwrap();
        let caller =
            |id: &str| Caller::new(id.parse().unwrap(), Some("u_alice".parse().unwrap()), None);
        let config = Config::default()
            .with_agent(TokenHash::of(BOT), caller("bot"))
            .with_agent(TokenHash::of(OTHER), caller("other-bot"))
            .with_reader(TokenHash::of(READER), "u_carol".parse().unwrap());
        let server = Server::new(gate.clone(), Shifting(Arc::clone(&people)), config);
        let router = server.router();
        Self {
            keys,
            gate,
            router,
            people,
        }
    }

    /// Another server on the same gate.
    pub(crate) fn server(&self, config: Config) -> Server {
        Server::new(
            self.gate.clone(),
            Shifting(Arc::clone(&self.people)),
            config,
        )
    }

    /// The same house, behind the routes of another server.
    pub(crate) fn with_router(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// From here on only these are in the directory.
    pub(crate) fn only(&self, persons: &[&str]) {
        *self.people.write().unwrap() = people(&self.keys, persons);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The status and the body of an answer.
    pub(crate) async fn say(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let response = self.send(call(method, path, Some(token), &body)).await;
        (response.status().as_u16(), json(response).await)
    }

    /// Asks for one call, and gives the path of the request as approvers see it.
    pub(crate) async fn asked(&self, key: &str, tool: &str) -> String {
        let body = submission(tool, json!({ "table": "users" }));
        let (status, view) = self.ask(BOT, key, &body).await;
        assert_eq!(status, 201, "{view}");
        view["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ask(&self, token: &str, key: &str, body: &Value) -> (u16, Value) {
        self.with_key("/v1/requests", token, key, &body.to_string())
            .await
    }

    pub(crate) async fn consume(&self, token: &str, id: &str, key: &str) -> (u16, Value) {
        self.with_key(&format!("/v1/requests/{id}/consume"), token, key, "")
            .await
    }

    pub(crate) async fn with_key(
        &self,
        path: &str,
        token: &str,
        key: &str,
        body: &str,
    ) -> (u16, Value) {
        let mut request = call("POST", path, Some(token), body);
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        let response = self.send(request).await;
        (response.status().as_u16(), json(response).await)
    }

    /// Signs and sends a decision: prepared for whoever the token is, then said to be `person`'s.
    pub(crate) async fn decide(
        &self,
        id: &str,
        person: &str,
        key: &str,
        vote: &str,
    ) -> (u16, Value) {
        let signed = self.signed(id, person, key, vote).await;
        self.say(
            "POST",
            &format!("/v1/approvals/{id}/decisions"),
            READER,
            &signed,
        )
        .await
    }

    pub(crate) async fn signed(&self, id: &str, person: &str, key: &str, vote: &str) -> Value {
        let path = format!("/v1/approvals/{id}/statement");
        let wish = json!({ "vote": vote, "reason": "because" });
        let (status, prepared) = self.say("POST", &path, READER, &wish).await;
        assert_eq!(status, 200, "{prepared}");
        let bytes = STANDARD
            .decode(prepared["statement"].as_str().unwrap())
            .unwrap();
        let mut statement = Statement::parse(&bytes).unwrap();
        statement.person = person.parse().unwrap();
        let private = std::fs::read_to_string(self.keys.path().join(key)).unwrap();
        let signature = sshsig::sign(&statement, &private).unwrap();
        let statement = STANDARD.encode(statement.bytes().unwrap());
        json!({ "statement": statement, "signature": signature, "reason": prepared["reason"] })
    }

    pub(crate) async fn status(&self, id: &str) -> String {
        let (_, view) = self
            .say("GET", &format!("/v1/approvals/{id}"), READER, &Value::Null)
            .await;
        view["status"].as_str().unwrap_or_default().to_owned()
    }
}

/// A directory that changes under the gate.
#[derive(Debug)]
struct Shifting(Arc<RwLock<People>>);

impl Shifting {
    fn now(&self) -> People {
        self.0.read().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Directory for Shifting {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        Directory::resolve(&self.now(), identity).await
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        Directory::standing(&self.now(), person).await
    }
}

fn people(keys: &TempDir, persons: &[&str]) -> People {
    let mut text = "version = 1\n".to_owned();
    for (person, group, names) in PEOPLE
        .iter()
        .filter(|(person, ..)| persons.contains(person))
    {
        text += &format!("[[person]]\nid = \"{person}\"\ngroups = [\"{group}\"]\n");
        for name in *names {
            let public = std::fs::read_to_string(keys.path().join(format!("{name}.pub"))).unwrap();
            text += &format!(
                "[[person.identity]]\nprovider = \"ssh\"\nkey = \"{}\"\n",
                public.trim()
            );
        }
    }
    People::parse(&text).unwrap()
}

fn make_key(keys: &TempDir, name: &str) {
    let path: PathBuf = keys.path().join(name);
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-C", "", "-N", "", "-f"])
        .arg(path);
    assert!(command.status().unwrap().success());
}

pub(crate) fn submission(tool: &str, arguments: Value) -> Value {
    json!({ "tool": tool, "arguments": arguments, "timeout": "10m" })
}

/// The body of an answer, as JSON.
pub(crate) async fn json(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

pub(crate) fn call(method: &str, path: &str, token: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The bytes and the signature of a signed decision.
pub(crate) fn decoded(signed: &Value) -> (Vec<u8>, String) {
    let bytes = STANDARD.decode(signed["statement"].as_str().unwrap());
    (
        bytes.unwrap(),
        signed["signature"].as_str().unwrap().to_owned(),
    )
}
