//! W3: two processes, a row that changes, and LISTEN/NOTIFY; two commits from the decision to the tool.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Instant;

use futures_util::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket, tls::NoTlsStream};

use super::line;
use crate::action::{canonical, plain};
use crate::line::rate;
use crate::machine::{self, SERVER_SYNCS, monotonic};

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS floor_approvals(id int PRIMARY KEY, tool text NOT NULL,
    args text NOT NULL, status text NOT NULL)";
const INSERT: &str = "INSERT INTO floor_approvals VALUES ($1, 'refund', $2, 'pending')";
const CONSUME: &str =
    "UPDATE floor_approvals SET status='consumed' WHERE id=$1 AND status='approved'";
const DECIDE: &str = "WITH done AS (UPDATE floor_approvals SET status='approved' WHERE id=$1 AND status='pending' RETURNING id)
    SELECT pg_notify('floor_decided', id::text) FROM done";

async fn connect() -> (Client, Connection<Socket, NoTlsStream>) {
    let url = std::env::var("PGURL").expect("the address of a database in PGURL");
    tokio_postgres::connect(&url, NoTls)
        .await
        .expect("a server")
}

/// A connection that listens, and what it hears.
async fn listening() -> (Client, mpsc::UnboundedReceiver<String>) {
    let (client, mut connection) = connect().await;
    let (heard, hear) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = heard.send(notification.payload().to_owned());
            }
        }
    });
    (client, hear)
}

pub(super) fn measure(n: u64) {
    machine::runtime().block_on(async {
        let (client, mut hear) = listening().await;
        client.batch_execute(TABLE).await.expect("a table");
        client
            .batch_execute("LISTEN floor_decided")
            .await
            .expect("heard");
        let insert = client.prepare(INSERT).await.expect("prepared");
        let consume = client.prepare(CONSUME).await.expect("prepared");
        let before = machine::syncs(SERVER_SYNCS);
        let count = i32::try_from(n).expect("few");
        let start = Instant::now();
        for i in 0..count {
            let arguments = canonical(i.unsigned_abs().into());
            client
                .execute(&insert, &[&i, &arguments])
                .await
                .expect("inserted");
        }
        let asked = start.elapsed();
        let mut approver = Other::start(&["floor", "W3_approver"], &[]).await;
        let (deciding, mut woke) = (Instant::now(), Vec::new());
        for i in 0..count {
            approver.say(&i.to_string()).await;
            while hear.recv().await.expect("a connection") != i.to_string() {}
            let consumed = client.execute(&consume, &[&i]).await;
            assert_eq!(consumed.expect("consumed"), 1);
            woke.push(monotonic());
            assert!(plain(&canonical(i.unsigned_abs().into())), "it ran");
        }
        let decided = deciding.elapsed();
        let mut samples = approver.wakes(&woke).await;
        let n = n as f64;
        line("W3", "pg_listen_notify")
            .stored()
            .with("n", n)
            .syncs(SERVER_SYNCS, before, n)
            .with("per_s", rate(n, asked + decided))
            .with("request_per_s", rate(n, asked))
            .with("decide_per_s", rate(n, decided))
            .times("wake_", &mut samples)
            .memory()
            .print();
    });
}

/// The other process of the floor: it decides the one whose number it reads.
pub(super) fn approve(_words: &[&str]) {
    machine::runtime().block_on(async {
        let (client, connection) = connect().await;
        tokio::spawn(connection);
        let decide = client.prepare(DECIDE).await.expect("prepared");
        answer(async |word| {
            let i: i32 = word.parse().expect("a number");
            let start = monotonic();
            let changed = client.query(&decide, &[&i]).await.expect("decided");
            assert_eq!(changed.len(), 1);
            start
        })
        .await;
    });
}

/// Says that it is ready, decides what it reads, and says at the end when each decision began.
pub(crate) async fn answer(mut decide: impl AsyncFnMut(String) -> u64) {
    println!("ready");
    let mut started = Vec::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(word) = lines.next_line().await.expect("a line") {
        started.push(decide(word).await);
    }
    println!("{}", serde_json::json!(started));
}

/// The approver's process, seen from the requester's.
pub(crate) struct Other {
    process: tokio::process::Child,
    input: tokio::process::ChildStdin,
    output: BufReader<tokio::process::ChildStdout>,
}

impl Other {
    /// Starts it with these words, and waits until it is ready.
    pub(crate) async fn start(words: &[&str], variables: &[(&str, &OsStr)]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = tokio::process::Command::new(program);
        command.args(words).envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let input = process.stdin.take().expect("a pipe");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut ready = String::new();
        output.read_line(&mut ready).await.expect("it is ready");
        assert_eq!(ready.trim(), "ready");
        Self {
            process,
            input,
            output,
        }
    }

    /// Tells it what to decide now.
    pub(crate) async fn say(&mut self, word: &str) {
        let line = format!("{word}\n");
        self.input
            .write_all(line.as_bytes())
            .await
            .expect("it reads");
    }

    /// Ends it: how long each took from the decision there to the tool here, in nanoseconds.
    pub(crate) async fn wakes(self, woke: &[u64]) -> Vec<u64> {
        let Self {
            mut process,
            input,
            mut output,
        } = self;
        drop(input);
        let mut text = String::new();
        output.read_to_string(&mut text).await.expect("it answers");
        process.wait().await.expect("it ends");
        let started: Vec<u64> = serde_json::from_str(text.trim()).expect("times");
        woke.iter()
            .zip(started)
            .map(|(woke, started)| woke - started)
            .collect()
    }
}
