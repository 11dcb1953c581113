//! A long honest log passes, in memory that does not grow with it but for a few bytes of each
//! request that has ended.
//!
//! `APPROVALS_LONG_LOG=1000000 cargo test --release -p approvals-tests --test long_log` reads one of a
//! million records.

mod support;

use approvals_core::ledger::Rule;
use support::history::History;
use support::long;

/// How much memory this process takes, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok()).expect("a size") * 1024
}

#[tokio::test(start_paused = true)]
async fn a_long_honest_log_passes_in_flat_memory() {
    let history = History::honest().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let wanted = std::env::var("APPROVALS_LONG_LOG").map_or(50_000, |wanted| {
        wanted
            .parse()
            .expect("`APPROVALS_LONG_LOG` is a number of records")
    });
    let (size, note) = long::write(&history, wanted, file.path());
    let mut verifier = history.auditor();
    let mut early = 0;
    for record in long::read(file.path()) {
        if record.seq == size / 5 {
            early = resident();
        }
        verifier.push(&record);
    }
    let grown = resident().saturating_sub(early);
    let report = verifier.finish(Some(&note));
    assert!(report.passed(), "{:#?}", report.findings);
    assert_eq!((report.records, report.requests.open), (size, 0));
    assert!(report.requests.used > 5_000 && report.reviews.signed > 5_000);
    // Whole requests would take more than a kilobyte each.
    let closed = report.requests.asked;
    assert!(
        grown < 1_000_000 + 200 * closed,
        "{grown} bytes for {closed} requests"
    );
    assert!(Rule::ALL.len() > 30);
}
