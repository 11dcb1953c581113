//! ct-merkle and tlog_tiles: trees in memory.

use std::time::Instant;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use rivals::{arguments, emit, percentile};
use sha2::Sha256;
use tlog_tiles::tlog::{self, Error, Hash, HashReader};

const PROOFS: u64 = 1_000;

fn main() {
    let n = std::env::args().nth(2).and_then(|n| n.parse().ok());
    let n = n.unwrap_or(10_000);
    ct_merkle(n);
    tlog_tiles(n);
}

fn record(i: u64) -> Vec<u8> {
    let arguments = arguments(i);
    format!("{{\"seq\":{i},\"type\":\"approval.decided\",\"request\":\"apr_{i:016}\",\"approver\":\"alice\",\"decision\":\"approve\",\"args\":{arguments}}}").into_bytes()
}

/// Makes and checks proofs, each timed; the bytes of the last one.
fn proofs<P>(
    n: u64,
    make: impl Fn(u64) -> P,
    check: impl Fn(u64, &P),
    size: impl Fn(&P) -> usize,
) -> [(&'static str, f64); 3] {
    let (mut made, mut checked, mut bytes) = (Vec::new(), Vec::new(), 0);
    for turn in 0..PROOFS {
        let i = turn * 7_919 % n;
        let start = Instant::now();
        let proof = make(i);
        made.push(start.elapsed().as_nanos() as u64);
        let start = Instant::now();
        check(i, &proof);
        checked.push(start.elapsed().as_nanos() as u64);
        bytes = size(&proof);
    }
    [
        ("prove_p50_us", percentile(&mut made, 0.5)),
        ("verify_proof_p50_us", percentile(&mut checked, 0.5)),
        ("proof_bytes", bytes as f64),
    ]
}

fn ct_merkle(n: u64) {
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let start = Instant::now();
    (0..n).for_each(|i| tree.push(record(i)));
    let appended = start.elapsed().as_secs_f64();
    let root = tree.root();
    let proven = proofs(
        n,
        |i| tree.prove_inclusion(i as usize),
        |i, proof| {
            root.verify_inclusion(&record(i), i, proof)
                .expect("it holds")
        },
        |proof| proof.as_bytes().len(),
    );
    let figures = [("m", n as f64), ("append_per_s", n as f64 / appended)];
    emit(
        "ct_merkle",
        "W5",
        "memory",
        "memory",
        &[&figures[..], &proven].concat(),
    );
}

struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|&i| self.0[i as usize]).collect())
    }
}

fn built(n: u64) -> Stored {
    let mut stored = Stored(Vec::new());
    for i in 0..n {
        let hashes = tlog::stored_hashes(i, &record(i), &stored).expect("hashes");
        stored.0.extend(hashes);
    }
    stored
}

fn tlog_tiles(n: u64) {
    let start = Instant::now();
    let stored = built(n);
    let appended = start.elapsed().as_secs_f64();
    let root = tlog::tree_hash(n, &stored).expect("a root");
    let start = Instant::now();
    assert_eq!(tlog::tree_hash(n, &built(n)).expect("a root"), root);
    let verified = start.elapsed().as_secs_f64();
    let proven = proofs(
        n,
        |i| tlog::prove_record(n, i, &stored).expect("a proof"),
        |i, proof| {
            tlog::check_record(proof, n, root, i, tlog::record_hash(&record(i))).expect("it holds")
        },
        |proof| proof.len() * 32,
    );
    let figures = [
        ("m", n as f64),
        ("append_per_s", n as f64 / appended),
        ("verify_per_s", n as f64 / verified),
    ];
    emit(
        "tlog_tiles",
        "W5",
        "memory",
        "memory",
        &[&figures[..], &proven].concat(),
    );
}
