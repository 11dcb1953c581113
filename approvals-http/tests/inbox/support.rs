//! A server with people, and requests that wait for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use approvals_core::directory::RpId;
use approvals_core::ledger::LedgerKey;
use approvals_core::ports::{Directory, DirectoryError};
use approvals_core::review::Statement;
use approvals_core::testing::SoftPasskey;
use approvals_core::{
    Agent, ApprovalError, ForgetfulStore, Gate, IdentityKey, People, PersonId, Policy, RequestId,
    Standing, Vote, inventory, requires_approval, webauthn,
};
use approvals_http::{Config, Inbox, Server};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, header};
use tower::ServiceExt as _;

#[requires_approval(
    scope = "db.export",
    reason = "weekly export of {table}",
    resource = "postgres/{table}",
    redact(token),
    skip(pool)
)]
pub(crate) async fn export(
    pool: u8,
    table: String,
    rows: u32,
    token: String,
) -> Result<(), ApprovalError> {
    assert!(pool > 0);
    Ok(())
}

#[requires_approval(scope = "db.drop", reason = "drop {table}")]
pub(crate) async fn drop_table(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "service.restart")]
pub(crate) async fn restart(service: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "service.scale")]
pub(crate) async fn scale(service: String, replicas: u32) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "cluster.patch")]
pub(crate) async fn patch(cluster: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "shell.run")]
pub(crate) async fn shell(command: String, padding: String) -> Result<(), ApprovalError> {
    Ok(())
}

const POLICY: &str = r#"version = 1
default = { require = [{ group = "oncall", n = 1 }], ttl = "25m" }
[[rule]]
id = "export"
scope = "db.export"
require = [{ group = "oncall", n = 2 }]
[[rule]]
id = "drop"
scope = "db.drop"
require = [{ group = "oncall", n = 1, min_assurance = "A3" }]
[[rule]]
id = "scale"
scope = "service.scale"
require = [{ group = "oncall", n = 1, min_assurance = "A2" }]
[[rule]]
id = "freeze"
scope = "cluster.*"
when = { break_glass = false }
effect = "deny"
"#;

/// What an agent that lies and hides would write.
pub(crate) const HOSTILE: &str = "rm -rf /srv \u{202e}gpj.\u{1b}[2K\r\u{200b}\u{e0041}<script>window.pwned=1</script><img src=x onerror=window.pwned=2> <https://evil.example|Approve here> [APPROVED](https://evil.example) p\u{430}yments";

/// A server, its gate, and its inbox.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) inbox: Inbox,
    pub(crate) router: Router,
    carol: SoftPasskey,
    erin: SoftPasskey,
    server: Option<Server>,
    listen: SocketAddr,
    left: Arc<RwLock<BTreeSet<PersonId>>>,
}

impl House {
    /// `more` are entries of `u_bob`.
    pub(crate) async fn open(more: &str) -> Self {
        Self::with(Config::default(), &[("u_bob", more)]).await
    }

    /// A server of this configuration; `more` are entries of people.
    pub(crate) async fn with(config: Config, more: &[(&str, &str)]) -> Self {
        let site = || RpId::new("elsewhere.example").unwrap();
        let (carol, erin) = (
            SoftPasskey::p256(site()).unwrap(),
            SoftPasskey::ed25519(site()).unwrap(),
        );
        let person = |id: &str, name: &str, entries: &str| {
            let more = more.iter().filter(|(person, _)| *person == id);
            let more: String = more.map(|(_, entry)| *entry).collect();
            format!(
                "[[person]]\nid = \"{id}\"\nname = \"{name}\"\ngroups = [\"oncall\"]\n{entries}\n{more}\n"
            )
        };
        let people = [
            "version = 1\n".to_owned(),
            person("u_bob", "Bob Okafor", ""),
            person("u_dana", "Dana Lindqvist", ""),
            person("u_alice", "Alice Marsh", ""),
            person("u_carol", "Carol", &carol.passkey().entry()),
            person("u_erin", "Erin", &erin.passkey().entry()),
        ];
        let people = People::parse(&people.concat()).unwrap();
        let policy = Policy::parse(POLICY, &people.groups(), &inventory()).unwrap();
        let gate = Gate::builder()
            .policy(policy)
            .people(people.clone())
            .store(ForgetfulStore::new())
            .ledger_key(
                LedgerKey::generate().unwrap(),
                &"example.com/approvals".parse().unwrap(),
            )
            .environment("prod")
            .open()
            .await
            .unwrap();
        let inbox = Inbox::new(people.clone());
        let left = Arc::default();
        let shifting = Shifting(people, Arc::clone(&left));
        let listen = match config.address().listen() {
            usual if usual.port() == 8087 => SocketAddr::from(([127, 0, 0, 1], 0)),
            given => given,
        };
        let server = Server::new(gate.clone(), shifting, config).inbox(&inbox);
        Self {
            listen,
            left,
            router: server.router(),
            gate,
            inbox,
            carol,
            erin,
            server: Some(server),
        }
    }

    /// From here on this person is not active in the directory any more.
    pub(crate) fn forget(&self, person: &str) {
        self.left.write().unwrap().insert(person.parse().unwrap());
    }

    /// Asks and goes away; the request stays.
    pub(crate) async fn ask(
        &self,
        work: impl Future<Output = Result<(), ApprovalError>>,
    ) -> RequestId {
        self.ask_as(agent(), work).await
    }

    async fn ask_as(
        &self,
        agent: Agent,
        work: impl Future<Output = Result<(), ApprovalError>>,
    ) -> RequestId {
        let agent = agent.wait(Duration::from_millis(1));
        self.gate
            .enter(agent, work)
            .await
            .unwrap_err()
            .request()
            .unwrap()
    }

    /// A use that broke the glass; Carol approved it, and nobody has looked since.
    pub(crate) async fn broken_glass(&self) -> RequestId {
        let agent = || agent().break_glass("prod is down").idempotency_key("glass");
        let id = self.ask_as(agent(), patch("blue".into())).await;
        self.approve(id, "u_carol", &self.carol).await;
        self.gate
            .enter(agent(), patch("blue".into()))
            .await
            .unwrap();
        id
    }

    async fn approve(&self, id: RequestId, person: &str, key: &SoftPasskey) {
        let card = self.gate.card(id).await.unwrap();
        let until = self.gate.now().after(Duration::from_secs(60));
        let decided = (card.request, card.digest, card.policy, Vote::Approve);
        let person_id = person.parse().unwrap();
        let said = Statement::new(decided, person_id, None, person.to_owned(), until);
        let bytes = said.bytes().unwrap();
        let signed = key.sign(&bytes).unwrap();
        let review = webauthn::review(&bytes, &signed, key.passkey(), None, self.gate.now());
        self.gate.review(review.unwrap()).await.unwrap();
    }

    /// What the pages show: an export like one that was approved before, and three more.
    pub(crate) async fn requests(&self) -> Vec<(&'static str, RequestId)> {
        let before = self
            .ask(export(1, "invoices".into(), 5_000, "s3cr3t-canary".into()))
            .await;
        for (person, key) in [("u_carol", &self.carol), ("u_erin", &self.erin)] {
            self.approve(before, person, key).await;
        }
        vec![
            ("before", before),
            (
                "export",
                self.ask(export(1, "invoices".into(), 48_000, "s3cr3t-canary".into()))
                    .await,
            ),
            ("drop", self.ask(drop_table("staging_events".into())).await),
            ("restart", self.ask(restart("billing-api".into())).await),
            ("second", self.ask(restart("search-api".into())).await),
            ("third", self.ask(restart("mail-relay".into())).await),
            ("refuse", self.ask(drop_table("customers".into())).await),
            (
                "hostile",
                self.ask(shell(
                    HOSTILE.into(),
                    format!("{}THE END", "line\n".repeat(3_000)),
                ))
                .await,
            ),
        ]
    }

    pub(crate) fn link(&self, person: &str) -> String {
        self.inbox
            .link(&person.parse().unwrap(), self.gate.now())
            .unwrap()
    }

    /// Serves it on a port of this machine, until the test ends.
    pub(crate) async fn serve(&mut self) -> u16 {
        let listener = tokio::net::TcpListener::bind(self.listen).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(self.server.take().unwrap().serve(listener));
        port
    }

    /// Sends a call as if it came from there.
    pub(crate) async fn send_from(&self, from: &str, mut request: Request<Body>) -> Response<Body> {
        let from: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(from));
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.send_from("127.0.0.1:50000", request).await
    }

    /// Signs somebody in; the answer is the cookie.
    pub(crate) async fn sign_in(&self, person: &str) -> String {
        let link = self.link(person);
        let form = link.split_once('?').unwrap().1;
        let answer = self.send(post("/login", None, form)).await;
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A page, as text.
    pub(crate) async fn page(&self, path: &str, cookie: &str) -> String {
        let answer = self.send(get(path, Some(cookie))).await;
        assert_eq!(answer.status(), 200, "{path}");
        text(answer).await
    }
}

/// The agent that asks for everything here.
fn agent() -> Agent {
    Agent::new("runbook-bot")
        .on_behalf_of("u_alice")
        .model("model-x")
        .rationale(
            "The auditors asked for it; a read-only health check, already approved by the CISO.",
        )
}

/// A directory that people leave while the server runs.
#[derive(Debug)]
struct Shifting(People, Arc<RwLock<BTreeSet<PersonId>>>);

#[async_trait::async_trait]
impl Directory for Shifting {
    async fn resolve(&self, account: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        Directory::resolve(&self.0, account).await
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        if self.1.read().unwrap().contains(person) {
            return Ok(Some(Standing::disabled(person.clone())));
        }
        Directory::standing(&self.0, person).await
    }
}

pub(crate) async fn text(answer: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 22)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn get(path: &str, cookie: Option<&str>) -> Request<Body> {
    let mut request = Request::get(path).header("host", "localhost:8087");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, cookie: Option<&str>, form: &str) -> Request<Body> {
    let mut request = Request::post(path)
        .header("host", "localhost:8087")
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.body(Body::from(form.to_owned())).unwrap()
}

/// The value of a hidden field of a page.
pub(crate) fn field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no field {name}"))
        .1;
    rest.split_once('"').unwrap().0.to_owned()
}
