//! The HTTP API under load: how fast the list answers while 10,000 requests wait, and how fast a
//! decision reaches an agent that waits for it, beside a bare long-poll of the same web framework.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use approvals_core::action::{Action, BoundParam, bind};
use approvals_core::canonical::Value;
use approvals_core::digest::SchemaDigest;
use approvals_core::gate::Call;
use approvals_core::ledger::LedgerKey;
use approvals_core::ports::Filter;
use approvals_core::testing::Everybody;
use approvals_core::{
    Agent, ApprovalGate, Gate, GuardedFn, Outcome, Permit, Policy, RequestId, Vote,
};
use approvals_http::{Config, Server, TokenHash};
use approvals_remote::{RemoteGate, Token};
use approvals_store::sqlite::SqliteStore;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::guarded;
use crate::support::people::{account, review};
use crate::table::{Table, percentile};

/// How many requests wait while the list is asked for.
const WAITING: usize = 10_000;

/// How many lists are asked for, and how many decisions are timed.
const SAMPLES: usize = 200;

const BOT: &str = "apr_bench_bot_0123456789";
const READER: &str = "apr_bench_reader_0123456789";

static GUARDED: GuardedFn = guarded("pay.refund");

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let dir = tempfile::tempdir().expect("a folder");
    // The bare client asks for one, also where nothing is encrypted; another may be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let gate = open(&dir.path().join("http.db")).await;
        let at = serve(&gate).await;
        fill(&gate).await;
        lists(table, at).await;
        for clients in [1, 64, 512] {
            let floor = floor(clients).await;
            let ours = decisions(&gate, at, clients).await;
            report(table, clients, floor, ours);
        }
        let report = gate.journal().verify().await.expect("readable");
        assert!(report.passed(), "the log of the run verifies");
    });
}

fn report(table: &mut Table, clients: usize, mut floor: Vec<f64>, mut ours: Timed) {
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let bare = percentile(&mut floor, share);
        let commit = percentile(&mut ours.commits, share);
        let reached = percentile(&mut ours.reached, share);
        let row = |what: &str| format!("HTTP, {clients} waiting: {what}, {name}");
        table.row(
            &row("floor, bare long-poll"),
            bare,
            "ms",
            "axum, as many bytes",
        );
        table.row(
            &row("the decision is durable"),
            commit,
            "ms",
            "SQLite, synchronous=FULL",
        );
        table.row(
            &row("it reaches its agent"),
            reached,
            "ms",
            format!(
                "from the click on, commit included; {:.1} floors",
                reached / bare
            ),
        );
    }
}

/// The list, with everything that waits, and the same bytes from a bare route.
async fn lists(table: &mut Table, at: SocketAddr) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    for limit in [200, 1_000] {
        let url = format!("http://{at}/v1/approvals?limit={limit}");
        let (mut ours, bytes) = ask(&client, &url).await;
        let page = vec![b'x'; bytes];
        let bare = Router::new().route("/", get(move || std::future::ready(page.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, bare).await });
        let (mut floor, _) = ask(&client, &format!("http://{at}/")).await;
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let (ours, floor) = (percentile(&mut ours, share), percentile(&mut floor, share));
            let row = |what: &str| format!("HTTP, list of {limit} of {WAITING}: {what}, {name}");
            table.row(&row("floor"), floor, "ms", format!("axum, {bytes} bytes"));
            table.row(
                &row("ours"),
                ours,
                "ms",
                format!("{:.1} floors", ours / floor),
            );
        }
    }
}

/// How long each answer took, in milliseconds, and how long it is.
async fn ask(client: &reqwest::Client, url: &str) -> (Vec<f64>, usize) {
    let (mut samples, mut bytes) = (Vec::new(), 0);
    for _ in 0..SAMPLES {
        let start = Instant::now();
        let answer = client.get(url).bearer_auth(READER).send().await;
        let answer = answer.expect("an answer").error_for_status();
        bytes = answer.expect("a list").bytes().await.expect("a body").len();
        samples.push(start.elapsed().as_secs_f64() * 1e3);
    }
    (samples, bytes)
}

/// Requests that wait, asked for like those of other agents.
async fn fill(gate: &Gate) {
    let asks: Vec<_> = (0..64)
        .map(|asker| {
            let gate = gate.clone();
            tokio::spawn(async move {
                for number in (asker..WAITING).step_by(64) {
                    let mut action = Action::new(
                        "db.export".parse().expect("a scope"),
                        "export",
                        SchemaDigest::of(b"export"),
                    );
                    let table = Value::Text(format!("table_{number:06}"));
                    action.params = vec![BoundParam::new("table", table)];
                    let agent = Agent::new(format!("agent-{asker}")).on_behalf_of("u_alice");
                    gate.ask(Call::new(action, None, agent))
                        .await
                        .expect("asked");
                }
            })
        })
        .collect();
    for ask in asks {
        ask.await.expect("no panic");
    }
    let mut filter = Filter::pending();
    filter.limit = usize::MAX;
    let waiting = gate.list(filter).await.expect("a list").len();
    assert_eq!(waiting, WAITING);
}

struct Timed {
    commits: Vec<f64>,
    reached: Vec<f64>,
}

/// Decides one request after the other while so many agents wait.
async fn decisions(gate: &Gate, at: SocketAddr, clients: usize) -> Timed {
    let token = Token::new(BOT).expect("a token");
    let address = format!("http://{at}").parse().expect("an address");
    let remote = RemoteGate::builder(address, token).open().expect("a gate");
    let (mut waiting, mut timed) = (
        HashMap::new(),
        Timed {
            commits: Vec::new(),
            reached: Vec::new(),
        },
    );
    for number in 0..clients {
        begin(&remote, number, &mut waiting);
    }
    let mut filter = Filter::pending();
    filter.agent = Some("bot".parse().expect("a name"));
    filter.limit = clients;
    for number in clients..clients + SAMPLES {
        let asked = all_wait(gate, &filter).await;
        // The oldest: whoever asked last may not have begun to wait.
        let request = *asked.last().expect("somebody waits");
        let card = gate.card(request).await.expect("a card");
        let decision = review(account("test", "", "u_ops"), &card, Vote::Approve);
        let start = Instant::now();
        gate.review(decision).await.expect("counted");
        timed.commits.push(start.elapsed().as_secs_f64() * 1e3);
        let (decided, reached) = first(&mut waiting).await;
        assert_eq!(decided.permit.request(), request);
        timed.reached.push((reached - start).as_secs_f64() * 1e3);
        run(decided).await;
        begin(&remote, number, &mut waiting);
    }
    // Whoever still waits goes away, which withdraws what it asked: the next round begins with nothing.
    for call in waiting.into_values() {
        call.abort();
        let _ = call.await;
    }
    remote.flush().await;
    timed
}

type Waiting = HashMap<usize, tokio::task::JoinHandle<(Reached, Instant)>>;

/// A permit, and the number of the order that it is for.
struct Reached {
    permit: Permit,
    number: usize,
}

/// One more agent asks, and waits.
fn begin(remote: &RemoteGate, number: usize, waiting: &mut Waiting) {
    let remote = remote.clone();
    let call = tokio::spawn(async move {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        let bound = bind(&GUARDED, |binder| binder.shown("order", &number));
        let call = Call::of(bound, agent).expect("a call");
        let permit = remote.authorize(call).await.expect("approved");
        (Reached { permit, number }, Instant::now())
    });
    waiting.insert(number, call);
}

/// Until as many wait as should, and each has had time to be on its way to the server.
async fn all_wait(gate: &Gate, filter: &Filter) -> Vec<RequestId> {
    loop {
        let rows = gate.list(filter.clone()).await.expect("a list");
        if rows.len() == filter.limit {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return rows.iter().map(|row| row.id).collect();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The one that came back.
async fn first(waiting: &mut Waiting) -> (Reached, Instant) {
    let number = loop {
        let done = waiting.iter().find(|(_, call)| call.is_finished());
        match done.map(|(number, _)| *number) {
            Some(number) => break number,
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let call = waiting.remove(&number).expect("it is there");
    call.await.expect("no panic")
}

/// Uses the approval up, and says how it ended.
async fn run(Reached { permit, number }: Reached) {
    let started = permit.start().await.expect("it may run");
    let live = bind(&GUARDED, |binder| binder.shown("order", &number));
    let running = started.check(live).expect("what was approved");
    running.finish(Outcome::Succeeded).await.expect("told");
}

/// The same wait, with nothing behind it: a route that answers when it is told to.
async fn floor(clients: usize) -> Vec<f64> {
    let told: Told = Arc::default();
    let app = Router::new()
        .route("/{id}", get(wait))
        .with_state(Arc::clone(&told));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let begin = |number: usize| {
        let (client, url) = (client.clone(), format!("http://{at}/{number}"));
        tokio::spawn(async move {
            let answer = client.get(url).send().await.expect("an answer");
            answer.bytes().await.expect("a body");
            Instant::now()
        })
    };
    let mut waiting: HashMap<usize, _> =
        (0..clients).map(|number| (number, begin(number))).collect();
    let mut samples = Vec::new();
    for number in 0..SAMPLES {
        while told.lock().expect("not poisoned").len() < clients {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let tell = told
            .lock()
            .expect("not poisoned")
            .remove(&number)
            .expect("it waits");
        let start = Instant::now();
        tell.send(()).expect("it waits");
        let reached = waiting.remove(&number).expect("it is there").await;
        samples.push((reached.expect("no panic") - start).as_secs_f64() * 1e3);
        waiting.insert(number + clients, begin(number + clients));
    }
    samples
}

type Told = Arc<Mutex<HashMap<usize, oneshot::Sender<()>>>>;

/// About as many bytes as our answer has.
async fn wait(State(told): State<Told>, Path(number): Path<usize>) -> Vec<u8> {
    let (tell, answer) = oneshot::channel();
    told.lock().expect("not poisoned").insert(number, tell);
    let _ = answer.await;
    vec![b'x'; 2_000]
}

async fn serve(gate: &Gate) -> SocketAddr {
    let config = format!(
        "version = 1\n[limits]\nasks_per_minute = 1000000\nagent_per_minute = 1000000\nperson_per_minute = 1000000\n\
        [[agent]]\nid = \"bot\"\nsponsor = \"u_alice\"\ntoken_sha256 = \"{}\"\n\
        [[reader]]\nperson = \"u_ops\"\ntoken_sha256 = \"{}\"\n",
        TokenHash::of(BOT),
        TokenHash::of(READER)
    );
    let config = Config::parse(&config).expect("a configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let server = Server::new(gate.clone(), Everybody::new(), config);
    tokio::spawn(server.serve(listener));
    at
}

async fn open(path: &std::path::Path) -> Gate {
    let text = "version = 1\nmemory = { deny = \"0s\", freeze_after = 1000 }\ndefault = { require = [{ group = \"ops\" }], ttl = \"4h\" }\n";
    let groups = ["ops".parse().expect("a name")].into();
    let people = Everybody::new().member(
        "u_ops".parse().expect("a name"),
        "ops".parse().expect("a name"),
    );
    Gate::builder()
        .policy(Policy::parse(text, &groups, &[]).expect("a policy"))
        .people(people)
        .store(SqliteStore::open(path).expect("a store"))
        .ledger_key(
            LedgerKey::generate().expect("a key"),
            &"bench.invalid/log".parse().expect("a name"),
        )
        .open()
        .await
        .expect("a gate")
}
