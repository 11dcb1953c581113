//! W3: the requester here, the approver in a process of its own, and one PostgreSQL between them.

use std::time::Instant;

use approvals_core::ledger::LedgerKey;
use approvals_core::{Gate, RequestId};
use approvals_store::StoreUrl;

use super::{ASK, Approver, agent, ask, gate, line};
use crate::action::timed;
use crate::floor::{Other, answer};
use crate::line::rate;
use crate::machine::{self, SERVER_SYNCS, monotonic};

/// Where both processes find the ledger key.
const KEY: &str = "BENCH_LEDGER_KEY";

async fn open(key: LedgerKey) -> Gate {
    let url = std::env::var("PGURL").expect("the address of a database in PGURL");
    let url: StoreUrl = url.parse().expect("an address");
    gate(ASK, url.open().expect("a store"), key).await
}

pub(super) fn measure(n: u64) {
    let folder = machine::folder();
    let path = folder.path().join("ledger.key");
    LedgerKey::create_file(&path).expect("a key");
    let key = || LedgerKey::read_file(&path).expect("a key");
    machine::runtime().block_on(async {
        let gate = open(key()).await;
        let variables = [(KEY, path.as_os_str())];
        let before = machine::syncs(SERVER_SYNCS);
        let start = Instant::now();
        let mut requests = Vec::new();
        for i in 0..n {
            requests.push((i, ask(&gate, i).await));
        }
        let asked = start.elapsed();
        let mut approver = Other::start(&["ours", "W3_approver"], &variables).await;
        let half = requests.split_off(requests.len() / 2);
        let (deciding, mut woke) = (Instant::now(), Vec::new());
        for (i, request) in requests {
            let waiter = wait(&gate, i);
            approver.say(&request.to_string()).await;
            woke.push(waiter.await.expect("no panic"));
        }
        let alone = deciding.elapsed();
        let bursting = Instant::now();
        burst(&gate, &mut approver, half).await;
        let burst = bursting.elapsed();
        gate.flush().await.expect("written");
        let mut samples = approver.wakes(&woke).await;
        let n = n as f64;
        line("W3", "postgres")
            .stored()
            .with("n", n)
            .syncs(SERVER_SYNCS, before, n)
            .with("per_s", rate(n, asked + 2 * alone))
            .with("request_per_s", rate(n, asked))
            .with("decide_per_s", rate(n / 2.0, alone))
            .with("burst_per_s", rate(n / 2.0, burst))
            .times("wake_", &mut samples)
            .memory()
            .print();
        together(&gate).await;
    });
}

fn wait(gate: &Gate, i: u64) -> tokio::task::JoinHandle<u64> {
    let gate = gate.clone();
    tokio::spawn(async move { gate.enter(agent(i), timed(i)).await })
}

/// All of them wait, and all of them are decided at once.
async fn burst(gate: &Gate, approver: &mut Other, requests: Vec<(u64, RequestId)>) {
    let mut words = vec!["burst".to_owned()];
    words.extend(requests.iter().map(|(_, request)| request.to_string()));
    let waiters: Vec<_> = requests.iter().map(|(i, _)| wait(gate, *i)).collect();
    approver.say(&words.join(" ")).await;
    for waiter in waiters {
        waiter.await.expect("no panic");
    }
}

/// 64 callers at once, each asked, decided and used, in this process.
async fn together(gate: &Gate) {
    let before = machine::syncs(SERVER_SYNCS);
    let numbers = 1_000_000..1_000_256;
    let n = (numbers.end - numbers.start) as f64;
    let took = super::durable::at_once(gate, numbers).await;
    line("W3", "postgres_conc64")
        .stored()
        .with("n", n)
        .syncs(SERVER_SYNCS, before, n)
        .with("per_s", rate(n, took))
        .print();
}

/// The approver's process: it decides the request whose name it reads, or all of a burst.
pub(super) fn approve(_words: &[&str]) {
    machine::runtime().block_on(async {
        let path = std::env::var_os(KEY).expect("a file");
        let gate = open(LedgerKey::read_file(&path).expect("a key")).await;
        let approver = Approver::believed();
        answer(async |line| {
            let mut reviews = Vec::new();
            for word in line.split(' ').filter(|word| *word != "burst") {
                let card = gate.card(word.parse().expect("a name")).await;
                reviews.push(approver.approve(&gate, &card.expect("a card")));
            }
            let start = monotonic();
            let counting = reviews.into_iter().map(|review| gate.review(review));
            for counted in futures_util::future::join_all(counting).await {
                counted.expect("counted");
            }
            start
        })
        .await;
    });
}
