//! What the machine says of this process: its clock, memory and syncs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

/// Where the count of syncs of this process is kept, if somebody counts.
pub(crate) const SYNCS: &str = "FSYNC_COUNT";
/// Where the count of syncs of the PostgreSQL server is kept, if somebody counts.
pub(crate) const SERVER_SYNCS: &str = "PG_FSYNC_COUNT";

/// Nanoseconds on the clock that all processes of a machine share.
pub(crate) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// Two threads, as the machines of our figures have cores.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

/// Microseconds of processor time that this process has used.
pub(crate) fn processor_us() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}

/// What kind of store is measured: `memory`, `disk`, `tmpfs` or `sim1ms`.
pub(crate) fn store() -> String {
    std::env::var("STORE_LABEL").unwrap_or_else(|_| "disk".to_owned())
}

/// A new, empty folder on the kind of disk that is measured.
pub(crate) fn folder() -> TempDir {
    let base = std::env::var_os("BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    fs::create_dir_all(&base).expect("a folder");
    tempfile::tempdir_in(base).expect("a folder")
}

/// How many bytes the files of a folder have.
pub(crate) fn bytes_in(folder: &Path) -> f64 {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.len() as f64)
        .sum()
}

/// Syncs so far, when they are counted.
pub(crate) fn syncs(counter: &str) -> Option<f64> {
    let bytes = fs::read(std::env::var_os(counter)?).ok()?;
    let count = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    Some(count as f64)
}

/// Microseconds of an append of 512 bytes and its sync right now, at the median: disks drift.
pub(crate) fn sync_us(folder: &Path) -> f64 {
    let path = folder.join("probe");
    let mut file = File::create(&path).expect("a file");
    let mut samples: Vec<u64> = (0..60)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[0; 512]).expect("written");
            file.sync_data().expect("synced");
            start.elapsed().as_nanos() as u64
        })
        .collect();
    fs::remove_file(path).expect("removed");
    crate::line::percentile(&mut samples, 0.5)
}

/// Resident memory in bytes: now, or at its most.
pub(crate) fn resident() -> f64 {
    status("VmRSS:")
}

pub(crate) fn peak() -> f64 {
    status("VmHWM:")
}

fn status(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1024.0
}
