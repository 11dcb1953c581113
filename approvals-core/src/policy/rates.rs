//! How often, and how much, rules let something through, counted again from what is on record.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::Ceiling;
use crate::clock::Timestamp;

/// How often counters of which nothing is left are looked for.
const SWEEP: u32 = 4_096;

/// One time for each call that was let through, no longer than the longest window: as much memory
/// as the ceilings let through in a day.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    counters: HashMap<String, VecDeque<(Timestamp, u64)>>,
    since_sweep: u32,
}

impl Rates {
    /// No ceiling counts longer.
    pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

    /// How much was let through under this ceiling before, within its window.
    pub(crate) fn count(&self, ceiling: &Ceiling, now: Timestamp) -> u64 {
        let since = now.before(ceiling.window);
        let counter = self.counters.get(&ceiling.counter);
        let newest_first = counter.into_iter().flat_map(|counted| counted.iter().rev());
        let within = newest_first.take_while(|(at, _)| *at > since);
        within.fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount))
    }

    /// One more was let through.
    pub(crate) fn add<'c>(&mut self, ceilings: impl Iterator<Item = &'c Ceiling>, now: Timestamp) {
        let oldest = now.before(Self::LONGEST);
        for ceiling in ceilings {
            let times = self.counters.entry(ceiling.counter.clone()).or_default();
            times.push_back((now, ceiling.amount));
            while times.front().is_some_and(|(at, _)| *at <= oldest) {
                times.pop_front();
            }
        }
        self.since_sweep += 1;
        if self.since_sweep >= SWEEP {
            self.since_sweep = 0;
            let lives = |times: &VecDeque<(Timestamp, u64)>| {
                times.back().is_some_and(|(at, _)| *at > oldest)
            };
            self.counters.retain(|_, times| lives(times));
        }
    }
}
