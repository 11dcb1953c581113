//! What people denied, remembered as the gate remembers it.

use super::book::Open;
use crate::clock::Timestamp;
use crate::lifecycle::{Event, denial_counters};
use crate::policy::{Memory, Rates};

/// When people said no, as far back as any policy may look.
#[derive(Debug)]
pub(super) struct Remembered(Rates);

impl Default for Remembered {
    fn default() -> Self {
        Self(Rates::kept_for(Memory::LONGEST.saturating_mul(2)))
    }
}

impl Remembered {
    /// Takes in what happened.
    pub(super) fn note(&mut self, open: &Open, event: &Event, at: Timestamp) {
        if event.is_a_persons_no() {
            for counter in denial_counters(open.state.created()).into_all() {
                self.0.raise(counter, 1, at);
            }
            self.0.sweep(at);
        }
    }

    /// When people said no to this after a time, the oldest first.
    pub(super) fn raised(&self, counter: &str, since: Timestamp) -> Vec<(Timestamp, u64)> {
        self.0.raised(counter, since)
    }
}
