//! The offline verifier on one core: integrity alone, and the whole replay, with its memory.
//!
//! Each reading is a process of its own, so that its memory is its own, too.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use approvals_core::clock::Timestamp;
use approvals_core::ledger::{Frontier, Verifier, VerifierKey, leaf_hash};
use serde_json::{Value, json};

use crate::support::history::History;
use crate::support::long;
use crate::table::Table;

/// Tells the program that it is the reading process.
const READER: &str = "APPROVALS_BENCH_READER";

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let history = runtime.block_on(History::honest());
    let dir = tempfile::tempdir().expect("a folder");
    for (name, records) in [("10^5", 100_000), ("10^6", 1_000_000)] {
        let path = dir.path().join(format!("log-{records}"));
        let (size, note) = long::write(&history, records, &path);
        let bytes = std::fs::metadata(&path).map_or(f64::NAN, |meta| meta.len() as f64);
        table.row(
            &format!("verify {name}: bytes a record"),
            bytes / size as f64,
            "B",
            "one of eight is a signed decision",
        );
        for (mode, what) in [
            ("floor", "floor: leaf hashes and the tree over them"),
            ("integrity", "integrity, completeness, keys"),
            ("replay", "the whole replay, signatures verified again"),
        ] {
            let answer = read_elsewhere(&path, &note, &history.key(), mode);
            let seconds = answer["seconds"].as_f64().expect("a time");
            table.row(
                &format!("verify {name}: {mode}, records"),
                size as f64 / seconds,
                "/s",
                what,
            );
            let peak = answer["peak"].as_f64().expect("a size");
            table.row(
                &format!("verify {name}: {mode}, peak memory"),
                peak / 1e6,
                "MB",
                "resident, of the whole process",
            );
        }
    }
}

fn read_elsewhere(path: &Path, note: &str, key: &VerifierKey, mode: &str) -> Value {
    let task = json!({ "path": path, "note": note, "key": key.to_string(), "mode": mode });
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    let output = command
        .env(READER, task.to_string())
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Reads a log when this process was started for that; whether it was.
pub fn read_if_asked() -> bool {
    let Ok(task) = std::env::var(READER) else {
        return false;
    };
    let task: Value = serde_json::from_str(&task).expect("a task");
    let text = |name: &str| task[name].as_str().expect("a text");
    let start = Instant::now();
    let records = long::read(Path::new(text("path")));
    if text("mode") == "floor" {
        let mut frontier = Frontier::new();
        records.for_each(|record| frontier.push(leaf_hash(&record.bytes)));
        std::hint::black_box(frontier.root());
    } else {
        let mut verifier = Verifier::new(VerifierKey::parse(text("key")).expect("a key"));
        if text("mode") == "integrity" {
            verifier = verifier.as_of(Timestamp::from_micros(0));
        }
        records.for_each(|record| verifier.push(&record));
        let report = verifier.finish(Some(text("note")));
        assert!(report.passed(), "{:#?}", report.findings);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", json!({ "seconds": seconds, "peak": peak() }));
    true
}

/// The most memory this process took, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}
