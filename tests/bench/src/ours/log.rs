//! W5: records of the ledger: appended durably, verified, proven.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use approvals_core::Gate;
use approvals_core::clock::Timestamp;
use approvals_core::ledger::{
    Frontier, Hash, Nodes, Verifier, inclusion_proof, leaf_hash, verify_inclusion,
};
use approvals_store::sqlite::SqliteStore;

use super::{gate, line, new_key};
use crate::action::call;
use crate::line::{rate, since};
use crate::machine::{self, SYNCS};

/// Policy allows the call, and so its four records are all that is written.
const ALLOW: &str = "version = 1\ndefault = { require = [{ group = \"ops\" }] }\n[[rule]]\nid = \"refunds\"\nscope = \"pay.refund\"\neffect = \"auto\"\n";

pub(super) fn measure(m: u64) {
    let runtime = machine::runtime();
    runtime.block_on(append("append_1_caller", m.min(2_000), 1));
    runtime.block_on(append("append_64_callers", m, 64));
    prove(m);
}

/// Appends by allowed calls, each of which returns when its records are durable; then verifies.
async fn append(variant: &str, m: u64, callers: u64) {
    let folder = machine::folder();
    let store = SqliteStore::open(folder.path().join("ours.db")).expect("a store");
    let gate = gate(ALLOW, store, new_key()).await;
    let (records, before) = (size(&gate).await, machine::syncs(SYNCS));
    let calls = m / 4 / callers;
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let gate = gate.clone();
            tokio::spawn(async move {
                for turn in 0..calls {
                    let i = caller * calls + turn;
                    let done = gate.enter(super::agent(i), call(i)).await;
                    assert!(done.expect("approved"), "it ran");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    gate.flush().await.expect("written");
    let appended = start.elapsed();
    let written = (size(&gate).await - records) as f64;
    let line = line("W5", variant).stored().with("m", written);
    let line = line.syncs(SYNCS, before, written);
    let start = Instant::now();
    assert!(gate.journal().verify().await.expect("readable").passed());
    line.with("append_per_s", rate(written, appended))
        .with("replay_per_s", rate(written, start.elapsed()))
        .with("verify_per_s", integrity(&gate).await)
        .with("bytes_per", machine::bytes_in(folder.path()) / written)
        .print();
}

/// Records a second whose bytes, tree and signed head are verified, from the store to the verdict.
pub(crate) async fn integrity(gate: &Gate) -> f64 {
    let verifier = Verifier::new(gate.journal().vkey().clone());
    // Nothing was asked by then: all that is left is the log itself.
    let mut verifier = verifier.as_of(Timestamp::from_micros(0));
    let start = Instant::now();
    let read = gate.journal().read(move |reader| {
        let (head, mut next) = (reader.head()?, 0);
        while next < head.frontier.size() {
            for record in reader.records(next, 4_096)? {
                verifier.push(&record);
                next += 1;
            }
        }
        Ok((verifier.finish(head.note.as_deref()), next))
    });
    let (report, records) = read.await.expect("readable");
    assert!(report.passed(), "{:?}", report.findings);
    rate(records as f64, start.elapsed())
}

pub(crate) async fn size(gate: &Gate) -> u64 {
    let head = gate.journal().read(|reader| reader.head()).await;
    head.expect("readable").frontier.size()
}

/// Makes and checks proofs of inclusion over hashes in memory.
fn prove(m: u64) {
    let mut nodes = Kept::default();
    let mut frontier = Frontier::new();
    let leaf = |i: u64| leaf_hash(crate::action::canonical(i).as_bytes());
    for i in 0..m {
        nodes.keep(0, i, leaf(i));
        frontier.push_with(leaf(i), |level, index, hash| nodes.keep(level, index, hash));
    }
    let root = frontier.root();
    let (mut made, mut checked, mut bytes) = (Vec::new(), Vec::new(), 0);
    for turn in 0..1_000 {
        let i = turn * 7_919 % m;
        let start = Instant::now();
        let proof = black_box(inclusion_proof(i, m, &nodes).expect("a proof"));
        made.push(since(start));
        let start = Instant::now();
        verify_inclusion(leaf(i), i, m, &proof, root).expect("it holds");
        checked.push(since(start));
        bytes = proof.len() * Hash::LEN;
    }
    line("W5", "proofs")
        .with("m", m as f64)
        .times("prove_", &mut made)
        .times("verify_proof_", &mut checked)
        .with("proof_bytes", bytes as f64)
        .print();
}

/// Every complete subtree, level by level.
#[derive(Default)]
struct Kept(BTreeMap<u8, Vec<Hash>>);

impl Kept {
    fn keep(&mut self, level: u8, index: u64, hash: Hash) {
        let hashes = self.0.entry(level).or_default();
        // The frontier may say again what a leaf is.
        if hashes.len() as u64 == index {
            hashes.push(hash);
        }
    }
}

impl Nodes for Kept {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let index = usize::try_from(index).ok()?;
        self.0.get(&level)?.get(index).copied()
    }
}
