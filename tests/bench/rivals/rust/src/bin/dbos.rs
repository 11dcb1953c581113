//! DBOS Transact for Rust, on PostgreSQL: a workflow that waits in `recv`, and another process that sends.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use dbos::{Client, ClientConfig, Config, DBOS, SendOptions, WorkflowHandle};
use rivals::{arguments, emit, monotonic, percentile, refund, status_mb, store, syncs};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio_postgres::NoTls;

const PEER: &str = "dbos_rs";
const DAY: Duration = Duration::from_secs(86_400);
/// How many wait in `recv`: each has written when its wait ends.
const PENDING: &str = "select count(*) from dbos.operation_outputs o join dbos.workflow_status s using (workflow_uuid) where o.function_name='DBOS.sleep' and s.application_version=$1";

static WOKE: LazyLock<Mutex<HashMap<u64, u64>>> = LazyLock::new(Default::default);

fn url() -> String {
    std::env::var("PGURL").expect("the address of a database in PGURL")
}

fn topic() -> SendOptions<'static> {
    SendOptions {
        topic: Some("approval"),
        ..Default::default()
    }
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().collect();
    let n = words.get(2).and_then(|n| n.parse().ok()).unwrap_or(200);
    let workload = words.get(1).expect("W3 or W4");
    if workload == "W3_approver" {
        return approve(n as usize).await;
    }
    let version = format!("v{}", monotonic());
    let dbos = DBOS::new(Config {
        app_version: Some(version.clone()),
        ..Config::new("bench-rs", url())
    });
    let guarded = |(i, arguments): (u64, String)| async move {
        let said: Option<String> = dbos::recv(Some("approval"), DAY).await?;
        WOKE.lock().expect("not poisoned").insert(i, monotonic());
        Ok::<_, dbos::Error>(said.as_deref() == Some("approve") && refund(&arguments))
    };
    let workflow = dbos
        .register_workflow("guarded", guarded)
        .expect("registered");
    dbos.launch().await.expect("launched");
    let warm = workflow
        .start((u64::MAX, arguments(0)))
        .await
        .expect("started");
    dbos.send_with(warm.workflow_id(), &"approve", topic())
        .await
        .expect("sent");
    assert!(warm.result().await.expect("done"));

    let (base, before, memory) = (
        pending(&version).await,
        syncs("PG_FSYNC_COUNT"),
        status_mb("VmRSS"),
    );
    let start = Instant::now();
    let mut handles = Vec::new();
    for i in 0..n {
        handles.push(workflow.start((i, arguments(i))).await.expect("started"));
    }
    while pending(&version).await < base + n as i64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let asked = start.elapsed().as_secs_f64();
    if workload == "W4" {
        let memory = (status_mb("VmRSS") - memory) * 1_048_576.0;
        many(&dbos, handles, asked, memory).await;
    } else {
        two_processes(handles, asked, before).await;
    }
    dbos.shutdown().await;
}

async fn pending(version: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls)
        .await
        .expect("a server");
    let connection = tokio::spawn(connection);
    let count = client
        .query_one(PENDING, &[&version])
        .await
        .expect("a count")
        .get(0);
    drop(client);
    let _ = connection.await;
    count
}

async fn many(dbos: &DBOS, handles: Vec<WorkflowHandle<bool>>, asked: f64, memory: f64) {
    let n = handles.len() as f64;
    let start = Instant::now();
    for handle in &handles {
        dbos.send_with(handle.workflow_id(), &"approve", topic())
            .await
            .expect("sent");
    }
    for handle in handles {
        assert!(handle.result().await.expect("done"));
    }
    let figures = [
        ("n", n),
        ("rss_bytes_per", memory / n),
        ("request_all_s", asked),
        ("decide_all_s", start.elapsed().as_secs_f64()),
        ("peak_rss_mb", status_mb("VmHWM")),
    ];
    emit(PEER, "W4", "postgres", &store(), &figures);
}

/// The first half one by one, which gives the wake; the rest in a burst, which gives the rate.
async fn two_processes(handles: Vec<WorkflowHandle<bool>>, asked: f64, before: Option<f64>) {
    let (n, alone) = (handles.len(), handles.len() / 2);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["W3_approver", &alone.to_string()]);
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = process.stdin.take().expect("a pipe");
    let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
    let ids: Vec<_> = handles
        .iter()
        .map(|handle| handle.workflow_id().to_owned())
        .collect();
    input
        .write_all(format!("{}\n", ids.join(" ")).as_bytes())
        .await
        .expect("it reads");
    output
        .read_line(&mut String::new())
        .await
        .expect("it is ready");
    let mut handles = handles.into_iter();
    for (i, handle) in handles.by_ref().take(alone).enumerate() {
        input
            .write_all(format!("{i}\n").as_bytes())
            .await
            .expect("it reads");
        assert!(handle.result().await.expect("done"));
    }
    let start = Instant::now();
    input.write_all(b"burst\n").await.expect("it reads");
    for handle in handles {
        assert!(handle.result().await.expect("done"));
    }
    let decided = start.elapsed().as_secs_f64() * n as f64 / (n - alone) as f64;
    drop(input);
    let mut text = String::new();
    output.read_to_string(&mut text).await.expect("it answers");
    process.wait().await.expect("it ends");
    let started: Vec<u64> = serde_json::from_str(text.trim()).expect("times");
    let woke = WOKE.lock().expect("not poisoned");
    let mut wakes: Vec<u64> = (0u64..)
        .zip(started)
        .map(|(i, started)| woke[&i] - started)
        .collect();
    let n = n as f64;
    let mut figures = vec![
        ("n", n),
        ("per_s", n / (asked + decided)),
        ("request_per_s", n / asked),
        ("decide_per_s", n / decided),
        ("wake_p50_us", percentile(&mut wakes, 0.5)),
        ("wake_p99_us", percentile(&mut wakes, 0.99)),
        ("rss_mb", status_mb("VmHWM")),
    ];
    if let (Some(before), Some(after)) = (before, syncs("PG_FSYNC_COUNT")) {
        figures.push(("syncs_per", (after - before) / n));
    }
    emit(PEER, "W3", "listen_notify", &store(), &figures);
}

/// The approver's process.
async fn approve(alone: usize) {
    let client = Client::connect(ClientConfig::new(url()))
        .await
        .expect("a server");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let ids = lines.next_line().await.expect("a line").expect("names");
    let ids: Vec<_> = ids.split(' ').collect();
    println!("ready");
    let mut started = Vec::new();
    while let Some(line) = lines.next_line().await.expect("a line") {
        if line == "burst" {
            for id in &ids[alone..] {
                client
                    .send_with(id, &"approve", topic())
                    .await
                    .expect("sent");
            }
        } else {
            let i: usize = line.parse().expect("a number");
            started.push(monotonic());
            client
                .send_with(ids[i], &"approve", topic())
                .await
                .expect("sent");
        }
    }
    println!("{}", serde_json::json!(started));
}
