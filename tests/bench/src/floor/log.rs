//! W5: a chain of hashes in a file, with a signature for each record or for 64, and its check.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use approvals_core::digest::{from_hex, hex};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::line;
use crate::action::canonical;
use crate::line::rate;
use crate::machine::{self, SYNCS, monotonic};

/// A key of this run.
pub(super) fn key() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
    Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key")
}

pub(super) fn measure(n: u64) {
    for (variant, batch, each) in [
        ("sign_each_fdatasync_each", 1, true),
        ("sign_each_fdatasync_64", 64, true),
        ("sign_64_fdatasync_64", 64, false),
    ] {
        one(variant, n, batch, each);
    }
}

fn one(variant: &str, n: u64, batch: u64, each: bool) {
    // A real disk takes up to 4 ms for a sync.
    let n = if batch == 1 { n.min(2_000) } else { n };
    let (folder, key) = (machine::folder(), key());
    let path = folder.path().join("audit.jsonl");
    let before = machine::syncs(SYNCS);
    let start = Instant::now();
    append(&path, n, batch, |i, hash| {
        (each || (i + 1) % batch == 0).then(|| hex(key.sign(hash).as_ref()))
    });
    let appended = start.elapsed();
    let bytes = std::fs::metadata(&path).expect("a file").len() as f64;
    let start = Instant::now();
    verify(&path, key.public_key().as_ref());
    let verified = start.elapsed();
    let n = n as f64;
    line("W5", variant)
        .stored()
        .with("m", n)
        .syncs(SYNCS, before, n)
        .with("append_per_s", rate(n, appended))
        .with("verify_per_s", rate(n, verified))
        .with("bytes_per", bytes / n)
        .print();
}

fn append(path: &Path, n: u64, batch: u64, sign: impl Fn(u64, &[u8]) -> Option<String>) {
    let mut file = File::create(path).expect("a file");
    let (mut previous, mut buffer) = ("0".repeat(64), String::new());
    for i in 0..n {
        let (at, arguments) = (monotonic(), canonical(i));
        let body = format!(
            "{{\"seq\":{i},\"ts\":{at},\"type\":\"approval.decided\",\"request\":\"apr_{i:016}\",\"approver\":\"alice\",\"decision\":\"approve\",\"args\":{arguments},\"prev\":\"{previous}\""
        );
        let hash = digest(&SHA256, body.as_bytes());
        previous = hex(hash.as_ref());
        buffer.push_str(&body);
        buffer.push_str(&format!(",\"hash\":\"{previous}\""));
        if let Some(signature) = sign(i, hash.as_ref()) {
            buffer.push_str(&format!(",\"sig\":\"{signature}\""));
        }
        buffer.push_str("}\n");
        if (i + 1) % batch == 0 || i + 1 == n {
            file.write_all(buffer.as_bytes()).expect("written");
            file.sync_data().expect("synced");
            buffer.clear();
        }
    }
}

fn verify(path: &Path, public: &[u8]) {
    let public = UnparsedPublicKey::new(&ED25519, public);
    let text = std::fs::read_to_string(path).expect("a file");
    let mut previous = "0".repeat(64);
    for line in text.lines() {
        let (body, rest) = line.split_once(",\"hash\":\"").expect("a hash");
        assert!(body.ends_with(&previous_of(&previous)), "the chain holds");
        let hash = digest(&SHA256, body.as_bytes());
        previous = hex(hash.as_ref());
        assert!(rest.starts_with(&previous), "the hash is right");
        if let Some((_, signature)) = rest.split_once(",\"sig\":\"") {
            let (first, second) = signature.split_at(64);
            let halves = [first, second.trim_end_matches("\"}")].map(from_hex);
            let signature = halves.map(|half| half.expect("hexadecimal")).concat();
            public.verify(hash.as_ref(), &signature).expect("signed");
        }
    }
}

fn previous_of(hash: &str) -> String {
    format!("\"prev\":\"{hash}\"")
}
