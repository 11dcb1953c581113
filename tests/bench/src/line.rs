//! One result as a line of JSON, under the keys that the rivals use, too.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::machine;

/// A result that is being put together.
pub(crate) struct Line(Map<String, Value>);

impl Line {
    /// A result of `peer` in this workload, in memory unless [`Line::stored`] says otherwise.
    pub(crate) fn new(peer: &str, workload: &str, variant: &str) -> Self {
        let mut line = Map::new();
        for (key, value) in [
            ("peer", peer),
            ("workload", workload),
            ("variant", variant),
            ("store", "memory"),
        ] {
            line.insert(key.to_owned(), value.into());
        }
        Self(line)
    }

    /// On the kind of disk that is measured.
    pub(crate) fn stored(mut self) -> Self {
        self.0.insert("store".to_owned(), machine::store().into());
        self
    }

    /// One figure, to three places.
    pub(crate) fn with(mut self, key: &str, value: f64) -> Self {
        if value.is_finite() {
            let rounded = (value * 1_000.0).round() / 1_000.0;
            self.0.insert(key.to_owned(), json!(rounded));
        }
        self
    }

    /// Samples in nanoseconds, as microseconds: `PREFIXp50_us` and `PREFIXp99_us`.
    pub(crate) fn times(self, prefix: &str, samples: &mut [u64]) -> Self {
        self.with(&format!("{prefix}p50_us"), percentile(samples, 0.5))
            .with(&format!("{prefix}p99_us"), percentile(samples, 0.99))
    }

    /// How many syncs each of `n` took since `before`.
    pub(crate) fn syncs(self, counter: &str, before: Option<f64>, n: f64) -> Self {
        match (before, machine::syncs(counter)) {
            (Some(before), Some(after)) => self.with("syncs_per", (after - before) / n),
            _ => self,
        }
    }

    /// The most memory this process took.
    pub(crate) fn memory(self) -> Self {
        self.with("rss_mb", machine::peak() / 1_048_576.0)
    }

    pub(crate) fn print(self) {
        println!("{}", Value::Object(self.0));
    }
}

/// Microseconds below which this share of the samples, in nanoseconds, lies.
pub(crate) fn percentile(samples: &mut [u64], share: f64) -> f64 {
    samples.sort_unstable();
    let place = (share * samples.len().saturating_sub(1) as f64).round() as usize;
    samples
        .get(place)
        .map_or(f64::NAN, |sample| *sample as f64 / 1e3)
}

/// Nanoseconds since then.
pub(crate) fn since(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}

/// How many of `n` there were a second.
pub(crate) fn rate(n: f64, took: Duration) -> f64 {
    n / took.as_secs_f64()
}
