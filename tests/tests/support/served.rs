//! A house that is served over HTTP on loopback, and what stands between it and its agents.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_core::ports::Filter;
use approvals_core::{Agent, ApprovalError, Gate, RequestId, Vote};
use approvals_http::{Caller, Config, Server, TokenHash};
use approvals_remote::{RemoteGate, Token};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::house::House;
use super::people::{Crew, vote};
use super::{Effects, drop_table};

/// The token of the agent `bot`, for Alice and owned by Olga.
pub const BOT: &str = "apr_bot_0123456789abcdef";

/// The token of the agent `other-bot`, for the same people.
pub const OTHER: &str = "apr_other_0123456789abcdef";

/// A guarded call through this gate, which drops a table.
pub fn call(
    gate: &RemoteGate,
    agent: Agent,
    effects: &Effects,
) -> impl Future<Output = Result<usize, ApprovalError>> + use<> {
    let (gate, effects) = (gate.clone(), effects.clone());
    async move { gate.enter(agent, drop_table(effects, "users".into())).await }
}

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub key: Option<String>,
    pub body: Bytes,
}

impl Seen {
    /// Whether it asks for something.
    pub fn is_ask(&self) -> bool {
        self.method == Method::POST && self.path == "/v1/requests"
    }

    /// Whether it looks where a request stands.
    pub fn is_look(&self) -> bool {
        self.method == Method::GET
    }

    /// Whether it uses an approval up.
    pub fn is_use(&self) -> bool {
        self.path.ends_with("/consume")
    }

    /// Whether it says how a run ended.
    pub fn is_outcome(&self) -> bool {
        self.path.ends_with("/outcome")
    }
}

/// What stands in between makes of an answer; none leaves it as it is.
type Lie = Arc<dyn Fn(&Seen, &Value) -> Option<Response<Body>> + Send + Sync>;

/// What stands in between: it sees every call, and may lie about the answer.
#[derive(Clone, Default)]
pub struct Between {
    seen: Arc<Mutex<Vec<Seen>>>,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl Between {
    /// Everything that came through.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// From here on answers are what this makes of them.
    pub fn lie(
        &self,
        lie: impl Fn(&Seen, &Value) -> Option<Response<Body>> + Send + Sync + 'static,
    ) {
        *self.lie.lock().unwrap() = Some(Arc::new(lie));
    }

    /// From here on it only passes on.
    pub fn be_honest(&self) {
        *self.lie.lock().unwrap() = None;
    }

    async fn pass(self, server: Router, request: Request) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 22).await.unwrap();
        let key = parts.headers.get("idempotency-key");
        let seen = Seen {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            key: key.map(|key| key.to_str().unwrap().to_owned()),
            body: body.clone(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        let request = Request::from_parts(parts, Body::from(body));
        let (parts, body) = server.oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 22).await.unwrap();
        let lie = self.lie.lock().unwrap().clone();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let lied = lie.and_then(|lie| lie(&seen, &json));
        lied.unwrap_or_else(|| Response::from_parts(parts, Body::from(body)))
    }
}

/// An answer as a server gives it.
pub fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    response.body(body.into()).unwrap()
}

/// An answer that is lost on the way, after whatever it answers has happened.
pub fn lost() -> Response<Body> {
    // It ends before the length that it promises.
    let response = Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("content-length", "1000");
    let nothing = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("lost"))]);
    response.body(Body::from_stream(nothing)).unwrap()
}

/// A served house.
pub struct Served {
    house: House,
    pub gate: Gate,
    pub between: Between,
    at: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// Serves a house.
    pub async fn open(house: House) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(house, listener, Between::default()).await
    }

    async fn on(house: House, listener: TcpListener, between: Between) -> Self {
        let gate = house.open().await;
        let caller = |id: &str| {
            let person = |name: &str| Some(name.parse().unwrap());
            Caller::new(id.parse().unwrap(), person("u_alice"), person("u_olga"))
        };
        let config = Config::default()
            .with_agent(TokenHash::of(BOT), caller("bot"))
            .with_agent(TokenHash::of(OTHER), caller("other-bot"));
        let server = Server::new(gate.clone(), Crew::new(), config);
        let (at, stop) = (listener.local_addr().unwrap(), server.stop());
        let (router, passing) = (server.router(), between.clone());
        let front = Router::new().fallback(move |request: Request| {
            let (passing, router) = (passing.clone(), router.clone());
            passing.pass(router, request)
        });
        let serve =
            axum::serve(listener, front).with_graceful_shutdown(stop.clone().cancelled_owned());
        let task = tokio::spawn(async move { serve.await.unwrap() });
        Self {
            house,
            gate,
            between,
            at,
            stop,
            task,
        }
    }

    /// Stops the server and its gate, and gives what starts it again in the same place.
    pub async fn stop(self) -> Stopped {
        self.stop.cancel();
        self.task.await.unwrap();
        let (house, between, at) = (self.house, self.between, self.at);
        Stopped { house, between, at }
    }

    /// What verifies its log.
    pub fn key(&self) -> approvals_core::ledger::VerifierKey {
        self.house.key()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// The gate of the agent `bot` in another process.
    pub fn remote(&self) -> RemoteGate {
        self.remote_as(BOT)
    }

    /// The gate of whoever has this token.
    pub fn remote_as(&self, token: &str) -> RemoteGate {
        let token = Token::new(token).unwrap();
        let builder = RemoteGate::builder(self.url().parse().unwrap(), token);
        builder.patience(Duration::from_secs(5)).open().unwrap()
    }

    /// The newest request that waits for people, once there is one.
    pub async fn waiting(&self) -> RequestId {
        self.first(Filter::pending()).await
    }

    /// The newest request, once there is one.
    pub async fn newest(&self) -> RequestId {
        self.first(Filter::all()).await
    }

    async fn first(&self, filter: Filter) -> RequestId {
        for _ in 0..2_000 {
            let rows = self.gate.list(filter.clone()).await.unwrap();
            if let Some(row) = rows.first() {
                return row.id;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody asked");
    }

    /// Somebody decides on the newest request that waits.
    pub async fn decide(&self, person: &str, how: Vote) -> RequestId {
        let request = self.waiting().await;
        vote(&self.gate, person, request, how).await.unwrap();
        request
    }
}

/// A house whose server is down.
pub struct Stopped {
    house: House,
    between: Between,
    at: SocketAddr,
}

impl Stopped {
    /// Starts it again, in the same place.
    pub async fn start(self) -> Served {
        let listener = TcpListener::bind(self.at).await.unwrap();
        Served::on(self.house, listener, self.between).await
    }
}

/// Does something, and whatever else while that is waiting.
pub async fn while_waiting<T: Send + 'static>(
    call: impl Future<Output = Result<T, ApprovalError>> + Send + 'static,
    meanwhile: impl Future,
) -> Result<T, ApprovalError> {
    let call = tokio::spawn(call);
    meanwhile.await;
    call.await.unwrap()
}
