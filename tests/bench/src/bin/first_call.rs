//! W6: a process that starts, opens a durable gate, and runs one call that policy allows.
//!
//! It prints when it was done, on the clock that all processes share, and what it weighs.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

use std::path::Path;

use approvals_core::ledger::LedgerKey;
use approvals_core::{Agent, ApprovalError, Gate, People, Policy, requires_approval};
use approvals_store::sqlite::SqliteStore;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};

#[requires_approval(scope = "pay.refund")]
async fn refund(amount_cents: u64, order: String) -> Result<bool, ApprovalError> {
    Ok(amount_cents > 0 && !order.is_empty())
}

const POLICY: &str = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\neffect = \"auto\"\n";
const PEOPLE: &str = "version = 1\n[[person]]\nid = \"u_alice\"\nname = \"Alice\"\n[[person]]\nid = \"u_ops\"\nname = \"Ops\"\ngroups = [\"ops\"]\n";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, side, folder] = words.as_slice() else {
        panic!("ours or floor, and a folder");
    };
    match side.as_str() {
        "ours" => ours(Path::new(folder)),
        _ => floor(Path::new(folder)),
    }
    let now = clock_gettime(ClockId::Monotonic);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    let ready = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    let memory = kib.unwrap_or_default() / 1024.0;
    println!("{{\"ready\": {ready}, \"rss_mb\": {memory:.2}}}");
}

fn ours(folder: &Path) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let people = People::parse(PEOPLE).expect("people");
        let policy = Policy::parse(POLICY, &people.groups(), &[]).expect("a policy");
        let key = LedgerKey::read_file(folder.join("ledger.key")).expect("a key");
        let gate = Gate::builder()
            .policy(policy)
            .people(people)
            .store(SqliteStore::open(folder.join("ours.db")).expect("a store"))
            .ledger_key(key, &"bench.invalid/log".parse().expect("a name"))
            .open()
            .await
            .expect("a gate");
        let agent = Agent::new("bench").on_behalf_of("u_alice");
        let done = gate.enter(agent, refund(4_200, "ord_1".to_owned())).await;
        assert!(done.expect("approved"), "it ran");
    });
}

/// The same work on plain rows: stored, decided, used, with one signature and its check.
fn floor(folder: &Path) {
    let store = Connection::open(folder.join("floor.db")).expect("a database");
    let schema = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE approvals(id INTEGER PRIMARY KEY, args TEXT, status TEXT)";
    store.execute_batch(schema).expect("a table");
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    let arguments = "{\"amount_cents\":4200,\"order\":\"ord_1\"}";
    let insert = "INSERT INTO approvals VALUES (1, ?1, 'pending')";
    store.execute(insert, [arguments]).expect("inserted");
    let signature = key.sign(arguments.as_bytes());
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
    public
        .verify(arguments.as_bytes(), signature.as_ref())
        .expect("signed");
    for status in ["approved", "consumed"] {
        store
            .execute("UPDATE approvals SET status = ?1", [status])
            .expect("updated");
    }
}
