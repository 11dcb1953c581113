//! Our side: the guard, the gate and its stores, as a program would use them.

mod durable;
mod log;
mod memory;
mod pending;
mod people;
mod postgres;

use std::time::Duration;

use approvals_core::ledger::LedgerKey;
use approvals_core::ports::Store;
use approvals_core::{Agent, Gate, Policy, RequestId};

pub(crate) use log::{integrity, size};
pub(crate) use people::{Approver, people};

use crate::action::call;
use crate::line::Line;

/// What our side is called in the results.
pub(crate) const PEER: &str = "approvals";

/// Measures one workload.
pub(crate) fn measure(workload: &str, words: &[&str]) -> bool {
    let n = words.first().and_then(|word| word.parse().ok());
    match workload {
        "W1" => memory::measure(n.unwrap_or(5_000)),
        "W2" => durable::measure(n.unwrap_or(300)),
        "W3" => postgres::measure(n.unwrap_or(300)),
        "W3_approver" => postgres::approve(words),
        "W4" => pending::measure(n.unwrap_or(10_000)),
        "W5" => log::measure(n.unwrap_or(10_000)),
        _ => return false,
    }
    true
}

pub(crate) fn line(workload: &str, variant: &str) -> Line {
    Line::new(PEER, workload, variant)
}

/// One person of ops has to approve; requests stay open for a day.
pub(crate) const ASK: &str = "version = 1\nmemory = { deny = \"0s\", freeze_after = 1000 }\ndefault = { require = [{ group = \"ops\" }], ttl = \"23h\" }\n";

/// A gate under this policy.
pub(crate) async fn gate(policy: &str, store: impl Into<Box<dyn Store>>, key: LedgerKey) -> Gate {
    builder(policy, store, key).open().await.expect("a gate")
}

type Builder = approvals_core::gate::Builder<
    Policy,
    std::sync::Arc<dyn approvals_core::ports::Directory>,
    Box<dyn Store>,
    approvals_core::gate::Keys,
>;

pub(crate) fn builder(policy: &str, store: impl Into<Box<dyn Store>>, key: LedgerKey) -> Builder {
    let people = people();
    let policy = Policy::parse(policy, &people.groups(), &[]).expect("a policy");
    Gate::builder()
        .policy(policy)
        .people(people)
        .store(store)
        .ledger_key(key, &"bench.invalid/log".parse().expect("a name"))
}

pub(crate) fn new_key() -> LedgerKey {
    LedgerKey::generate().expect("random bytes")
}

/// Who asks for number `i`; it is known again by its tool call.
pub(crate) fn agent(i: u64) -> Agent {
    Agent::new("bench")
        .on_behalf_of("u_alice")
        .tool_call(i.to_string())
}

/// Asks for number `i`, and returns when it is stored.
pub(crate) async fn ask(gate: &Gate, i: u64) -> RequestId {
    let asked = gate.enter(agent(i).wait(Duration::ZERO), call(i)).await;
    let refused = asked.expect_err("nobody has decided");
    refused.request().unwrap_or_else(|| panic!("{refused}"))
}
