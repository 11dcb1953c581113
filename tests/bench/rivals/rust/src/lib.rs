//! What the rivals share: the one action, the clock, and a result as a line of JSON.

use std::fmt::Write as _;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

/// Nanoseconds on the clock that all processes of a machine share.
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The arguments of number `i`, as canonical JSON.
pub fn arguments(i: u64) -> String {
    let mut text = String::with_capacity(200);
    let amount = 4_200 + i % 1_000;
    write!(
        text,
        "{{\"amount_cents\":{amount},\"currency\":\"EUR\",\"customer\":\"cus_{i:08}\",\"order\":\"ord_{i:08}\",\"reason\":\"item arrived damaged, photos attached to ticket\",\"ticket\":\"T-{i:08}\"}}"
    )
    .expect("memory");
    text
}

/// The guarded tool: it returns at once.
#[inline(never)]
pub fn refund(arguments: &str) -> bool {
    std::hint::black_box(arguments).len() > 10
}

/// Microseconds below which this share of the samples, in nanoseconds, lies.
pub fn percentile(samples: &mut [u64], share: f64) -> f64 {
    samples.sort_unstable();
    samples[(share * (samples.len() - 1) as f64).round() as usize] as f64 / 1e3
}

/// A line of `/proc/self/status`, in MiB.
pub fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.expect("a size") / 1024.0
}

/// Syncs so far of whoever counts them into the file that this variable names.
pub fn syncs(variable: &str) -> Option<f64> {
    let bytes = std::fs::read(std::env::var(variable).ok()?).ok()?;
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as f64)
}

/// Prints one result.
pub fn emit(peer: &str, workload: &str, variant: &str, store: &str, figures: &[(&str, f64)]) {
    let mut line = Map::new();
    for (key, value) in [
        ("peer", peer),
        ("workload", workload),
        ("variant", variant),
        ("store", store),
    ] {
        line.insert(key.into(), value.into());
    }
    for (key, value) in figures {
        line.insert((*key).into(), json!((value * 1_000.0).round() / 1_000.0));
    }
    println!("{}", Value::Object(line));
}

/// The kind of disk that is measured.
pub fn store() -> String {
    std::env::var("STORE_LABEL").unwrap_or_else(|_| "disk".into())
}
