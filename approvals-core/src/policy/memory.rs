//! Denial memory: for how long a person's no is remembered.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Timestamp;

/// For how long a person's no is remembered, so that asking again and again gets nobody to yes.
///
/// It is on unless a policy says otherwise in so many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub(super) deny: Duration,
    pub(super) freeze_after: NonZeroU32,
    pub(super) freeze_for: Duration,
}

impl Memory {
    /// No policy remembers longer, for either of its times.
    pub const LONGEST: Duration = Duration::from_secs(86_400);

    /// For how long nobody is asked again what the same agent was denied; zero when the policy says
    /// that they may be.
    #[must_use]
    pub fn deny(&self) -> Duration {
        self.deny
    }

    /// After how many denials within [`freeze_for`](Self::freeze_for) an agent is frozen.
    #[must_use]
    pub fn freeze_after(&self) -> NonZeroU32 {
        self.freeze_after
    }

    /// For how long it is frozen, from the denial that was one too many.
    #[must_use]
    pub fn freeze_for(&self) -> Duration {
        self.freeze_for
    }

    /// How far back denials matter: one within `freeze_for` that others were that close to.
    #[must_use]
    pub fn reach(&self) -> Duration {
        self.deny.max(self.freeze_for.saturating_mul(2))
    }

    /// Until when the same is not asked again, after denials at these times.
    pub(crate) fn remembers(&self, denials: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
        let until = denials.iter().max()?.after(self.deny);
        (until > now).then_some(until)
    }

    /// Until when nothing is asked, after denials at these times, the oldest first.
    pub(crate) fn freezes(&self, denials: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
        let many = usize::try_from(self.freeze_after.get()).unwrap_or(usize::MAX);
        let too_many = |within: &&[Timestamp]| match (within.first(), within.last()) {
            (Some(first), Some(last)) => *last < first.after(self.freeze_for),
            _ => false,
        };
        let runs = denials.windows(many).filter(too_many);
        let until = runs.filter_map(<[Timestamp]>::last).max()?;
        let until = until.after(self.freeze_for);
        (until > now).then_some(until)
    }
}

impl Default for Memory {
    /// Ten minutes; three denials; an hour.
    fn default() -> Self {
        const THREE: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
        Self {
            deny: Duration::from_secs(600),
            freeze_after: THREE,
            freeze_for: Duration::from_secs(3_600),
        }
    }
}
