//! How often, and how much, something was counted, told again from what is on record.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Ceiling;
use crate::clock::Timestamp;

/// How often counters of which nothing is left are looked for.
const SWEEP: u32 = 4_096;

/// One time for each call that was let through, no longer than the longest window: as much memory
/// as the ceilings let through in a day.
#[derive(Debug)]
pub(crate) struct Rates {
    kept_for: Duration,
    counters: HashMap<String, VecDeque<(Timestamp, u64)>>,
    since_sweep: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self::kept_for(Self::LONGEST)
    }
}

impl Rates {
    /// No ceiling counts longer.
    pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

    /// With nothing counted yet, and nothing kept for longer.
    pub(crate) fn kept_for(kept_for: Duration) -> Self {
        Self {
            kept_for,
            counters: HashMap::new(),
            since_sweep: 0,
        }
    }

    /// How much was let through under this ceiling before, within its window.
    pub(crate) fn count(&self, ceiling: &Ceiling, now: Timestamp) -> u64 {
        let since = now.before(ceiling.window);
        let counter = self.counters.get(&ceiling.counter);
        let newest_first = counter.into_iter().flat_map(|counted| counted.iter().rev());
        let within = newest_first.take_while(|(at, _)| *at > since);
        within.fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount))
    }

    /// When a counter was raised after `since`, and by how much, the oldest first.
    pub(crate) fn raised(&self, counter: &str, since: Timestamp) -> Vec<(Timestamp, u64)> {
        let counted = self.counters.get(counter).into_iter().flatten();
        counted.filter(|(at, _)| *at > since).copied().collect()
    }

    /// One more was let through.
    pub(crate) fn add<'c>(&mut self, ceilings: impl Iterator<Item = &'c Ceiling>, now: Timestamp) {
        for ceiling in ceilings {
            self.raise(ceiling.counter.clone(), ceiling.amount, now);
        }
        self.sweep(now);
    }

    /// Raises a counter.
    pub(crate) fn raise(&mut self, counter: String, amount: u64, now: Timestamp) {
        let oldest = now.before(self.kept_for);
        let times = self.counters.entry(counter).or_default();
        times.push_back((now, amount));
        while times.front().is_some_and(|(at, _)| *at <= oldest) {
            times.pop_front();
        }
    }

    /// Forgets counters of which nothing is left, now and then.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.since_sweep += 1;
        if self.since_sweep < SWEEP {
            return;
        }
        self.since_sweep = 0;
        let oldest = now.before(self.kept_for);
        let lives =
            |times: &VecDeque<(Timestamp, u64)>| times.back().is_some_and(|(at, _)| *at > oldest);
        self.counters.retain(|_, times| lives(times));
    }
}
