//! Denials that are remembered: what they are kept under, and what they lead to.

use super::event::Created;
use crate::canonical::Value;
use crate::clock::Timestamp;
use crate::digest::{hex, sha256};
use crate::error::Code;
use crate::policy::Memory;

/// Until when people's earlier no keeps an agent from asking them again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denials {
    /// The same action was denied to the same agent.
    pub same: Option<Timestamp>,
    /// The agent was denied too often, in this scope or in this run.
    pub frozen: Option<Timestamp>,
}

/// A no that rests on people's earlier no.
pub(super) struct Remembered {
    pub(super) code: Code,
    pub(super) until: Timestamp,
    pub(super) message: String,
}

impl Denials {
    /// What a policy remembers of an agent's denials, when it asks for this.
    ///
    /// # Errors
    /// The first error of `raised`, which is given a counter and a time, and says when the counter
    /// was raised after it, and by how much, the oldest first.
    pub(crate) fn recall<E>(
        created: &Created,
        memory: &Memory,
        now: Timestamp,
        mut raised: impl FnMut(&str, Timestamp) -> Result<Vec<(Timestamp, u64)>, E>,
    ) -> Result<Self, E> {
        let since = now.before(memory.reach());
        let counters = counters(created);
        let same = times(raised(&counters.same, since)?);
        let mut frozen = None;
        for counter in counters.frozen() {
            let until = memory.freezes(&times(raised(counter, since)?), now);
            frozen = frozen.max(until);
        }
        Ok(Self {
            same: memory.remembers(&same, now),
            frozen,
        })
    }

    /// Why nobody is asked again, if so.
    pub(super) fn refusal(self) -> Option<Remembered> {
        if let Some(until) = self.frozen {
            return Some(Remembered {
                code: Code::Frozen,
                until,
                message: format!(
                    "people have denied this agent too often in this scope or run; nobody is asked before {until}: let a person look at what it is doing"
                ),
            });
        }
        let until = self.same?;
        Some(Remembered {
            code: Code::DeniedRecently,
            until,
            message: format!(
                "a person has denied this agent this very action; nobody is asked again before {until}"
            ),
        })
    }
}

/// What a denial of a request is kept under.
///
/// No counter of a rule is spelled so: the ids of rules have no spaces.
pub(crate) struct DenialCounters {
    /// The same action of the same agent.
    same: String,
    /// Anything of the same agent in the same scope.
    scope: String,
    /// Anything of the same agent in the same run, when it names one.
    run: Option<String>,
}

impl DenialCounters {
    fn frozen(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.scope).chain(&self.run)
    }

    /// Every one of them.
    pub(crate) fn into_all(self) -> impl Iterator<Item = String> {
        [self.same, self.scope].into_iter().chain(self.run)
    }
}

pub(crate) fn counters(created: &Created) -> DenialCounters {
    let (agent, scope) = (&created.action.agent, &created.action.scope);
    // An agent names its run as it likes: the name of the counter is short for every run.
    let run = created.action.claims.run.as_deref().map(|run| {
        let run = Value::Text(run.to_owned()).to_bytes();
        format!("denied run {agent} {}", hex(&sha256(&[&run])))
    });
    DenialCounters {
        same: format!("denied action {agent} {}", created.content),
        scope: format!("denied scope {agent} {scope}"),
        run,
    }
}

fn times(raised: Vec<(Timestamp, u64)>) -> Vec<Timestamp> {
    let often = |amount: u64| usize::try_from(amount).unwrap_or(usize::MAX).min(MOST);
    raised
        .into_iter()
        .flat_map(|(at, amount)| std::iter::repeat_n(at, often(amount)))
        .collect()
}

/// More denials at one time than any policy counts to.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros((1_000 + minutes) * MINUTE)
    }

    /// The usual memory: the same for ten minutes, frozen for an hour after three within an hour.
    #[test]
    fn threat_34_three_within_an_hour_freeze_for_an_hour_from_the_third() {
        let check = |denials: &[i64], now: i64, same: Option<i64>, frozen: Option<i64>| {
            let memory = Memory::default();
            let denials: Vec<_> = denials.iter().map(|minute| at(*minute)).collect();
            let remembers = memory.remembers(&denials, at(now));
            assert_eq!(remembers, same.map(at), "{denials:?} at {now}");
            let freezes = memory.freezes(&denials, at(now));
            assert_eq!(freezes, frozen.map(at), "{denials:?} at {now}");
        };
        check(&[], 0, None, None);
        check(&[0], 0, Some(10), None);
        check(&[0], 9, Some(10), None);
        check(&[0], 10, None, None);
        check(&[0, 0], 5, Some(10), None);
        check(&[0, 0, 0], 5, Some(10), Some(60));
        check(&[0, 20, 40], 41, Some(50), Some(100));
        check(&[0, 20, 40], 99, None, Some(100));
        check(&[0, 20, 40], 100, None, None);
        // Three that are not within an hour of each other.
        check(&[0, 30, 60], 61, Some(70), None);
        check(&[0, 30, 59], 61, Some(69), Some(119));
        // A later one does not shorten a freeze, and one more of the same hour lengthens it.
        check(&[0, 1, 2, 61], 61, Some(71), Some(62));
        check(&[0, 1, 2, 50], 61, None, Some(110));
    }

    #[test]
    fn it_looks_back_as_far_as_it_counts() {
        let memory = Memory::default();
        assert_eq!(memory.reach(), Duration::from_secs(7_200));
        assert!(times(vec![(at(0), u64::MAX)]).len() <= MOST);
    }
}
