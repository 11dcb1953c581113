//! agentmesh, the Agent Governance Toolkit: policy and a chain of hashes, in memory.

use std::time::Instant;

use agentmesh::{AgentMeshClient, ClientOptions, PolicyDecision};
use rivals::{arguments, emit, monotonic, percentile, refund, status_mb};
use tokio::sync::{mpsc, oneshot};

const PEER: &str = "agentmesh";

const ALLOW: &str = r#"
version: "1.0"
agent: bench
policies:
  - name: gate
    type: capability
    allowed_actions: ["data.read", "refund.small"]
    denied_actions: ["shell:*"]
  - name: refund-approval
    type: approval
    actions: ["refund.large"]
    min_approvals: 1
"#;

const ASK: &str = r#"
version: "1.0"
agent: bench
policies:
  - name: refund-approval
    type: approval
    actions: ["refund.*"]
    min_approvals: 1
"#;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let n = words.get(2).and_then(|n| n.parse().ok());
    match words.get(1).map(String::as_str) {
        Some("W1") => {
            allow(n.unwrap_or(20_000));
            ask(n.unwrap_or(20_000));
            past_its_cap();
        }
        Some("W5") => chain(n.unwrap_or(10_000)),
        Some("W6") => {
            let done = client(ALLOW).execute_with_governance("refund.small", None);
            assert!(done.allowed && refund(&arguments(0)));
            let (ready, rss) = (monotonic(), status_mb("VmHWM"));
            println!("{{\"ready\": {ready}, \"rss_mb\": {rss:.2}}}");
        }
        _ => panic!("W1, W5 or W6"),
    }
}

fn client(policy: &str) -> AgentMeshClient {
    let options = ClientOptions {
        policy_yaml: Some(policy.into()),
        ..Default::default()
    };
    AgentMeshClient::with_options("bench", options).expect("a client")
}

fn times(variant: &str, mut samples: Vec<u64>) {
    let figures = [
        ("n", samples.len() as f64),
        ("p50_us", percentile(&mut samples, 0.5)),
        ("p99_us", percentile(&mut samples, 0.99)),
    ];
    emit(PEER, "W1", variant, "memory", &figures);
}

fn allow(n: u64) {
    let client = client(ALLOW);
    let samples = (0..n).map(|i| {
        let start = Instant::now();
        let arguments = arguments(i);
        assert!(client.execute_with_governance("refund.small", None).allowed);
        assert!(refund(&arguments));
        start.elapsed().as_nanos() as u64
    });
    times("allow", samples.collect());
}

/// It only says that approval is needed: request, wait and resume are the host's, and so is logging the answer.
fn ask(n: u64) {
    let client = client(ASK);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let samples = runtime.block_on(async move {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<bool>>(64);
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let _ = answer.send(true);
            }
        });
        let mut samples = Vec::new();
        for i in 0..n {
            let start = Instant::now();
            let arguments = arguments(i);
            let said = client.execute_with_governance("refund.large", None);
            assert!(matches!(said.decision, PolicyDecision::RequiresApproval(_)));
            let (answer, answered) = oneshot::channel();
            ask.send(answer).await.expect("asked");
            assert!(answered.await.expect("answered"));
            client.audit.log("bench", "refund.large", "approved");
            assert!(refund(&arguments));
            samples.push(start.elapsed().as_nanos() as u64);
        }
        samples
    });
    times("ask_immediate_host_glue", samples);
}

/// Past its cap of 100,000 entries every append moves the whole list.
fn past_its_cap() {
    let client = client(ALLOW);
    for _ in 0..100_000 {
        client.audit.log("bench", "x", "allow");
    }
    let samples = (0..500).map(|_| {
        let start = Instant::now();
        assert!(client.execute_with_governance("refund.small", None).allowed);
        start.elapsed().as_nanos() as u64
    });
    times("allow_after_100k_entries", samples.collect());
}

/// No signature, nothing durable, no proof of inclusion.
fn chain(n: u64) {
    let client = client(ALLOW);
    let n = n.min(100_000);
    let start = Instant::now();
    for i in 0..n {
        client.audit.log("bench", &arguments(i), "approve");
    }
    let appended = start.elapsed().as_secs_f64();
    let start = Instant::now();
    assert!(client.audit.verify());
    let verified = start.elapsed().as_secs_f64();
    let n = n as f64;
    let figures = [
        ("m", n),
        ("append_per_s", n / appended),
        ("verify_per_s", n / verified),
        ("bytes_per", client.audit.export_json().len() as f64 / n),
    ];
    emit(PEER, "W5", "audit_hash_chain_memory", "memory", &figures);
}
