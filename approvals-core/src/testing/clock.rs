//! A clock that follows tokio's, so that a paused test waits for hours in no time.

use std::sync::OnceLock;

use crate::clock::{Clock, Timestamp};

/// Follows tokio's clock from 2026-01-01 on: it stands still while the test's clock is paused.
#[derive(Debug, Default)]
pub struct TokioClock {
    start: OnceLock<tokio::time::Instant>,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let now = tokio::time::Instant::now();
        let start = self.start.get_or_init(|| now);
        BEGIN.after(now.saturating_duration_since(*start))
    }
}

const BEGIN: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
