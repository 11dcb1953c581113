//! What channels refuse by themselves: on record, and never more of it than the log can bear.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Gate;
use crate::clock::Timestamp;
use crate::commit::Work;
use crate::error::Code;
use crate::id::RequestId;
use crate::ledger::{ChannelRefused, LogEvent};
use crate::principal::IdentityKey;

/// What a channel refuses before the gate could judge it, with what was proven of it.
///
/// # Examples
/// ```
/// use approvals_core::Code;
/// use approvals_core::gate::Refusal;
/// use approvals_core::testing::TestGate;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let gate = TestGate::approving();
/// gate.gate().record_refusal(Refusal::new("slack", Code::SignatureInvalid)).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Refusal(ChannelRefused);

impl Refusal {
    /// A refusal by this channel, for this reason.
    #[must_use]
    pub fn new(channel: &str, code: Code) -> Self {
        Self(ChannelRefused::new(channel, code))
    }

    /// By an account that was proven: the channel vouches for nothing else that it knows of it.
    #[must_use]
    pub fn of(mut self, identity: &IdentityKey) -> Self {
        self.0.identity = Some(identity.to_string());
        self
    }

    /// About this request, which was named by something that only we can make.
    #[must_use]
    pub fn about(mut self, request: RequestId) -> Self {
        self.0.request = Some(request);
        self
    }
}

impl Gate {
    /// Puts on record, as `channel.refused`, that a channel refused something by itself.
    ///
    /// Whoever tries again and again writes few records: what has none of its own is counted in the
    /// next one. What was refused stays refused, also when this cannot be recorded.
    pub async fn record_refusal(&self, refusal: Refusal) {
        let Refusal(mut refused) = refusal;
        let (channel, code) = (refused.channel.clone(), refused.code);
        let Some(passed_over) = self.0.refusals.take(&refused, self.now()) else {
            tracing::debug!(channel, %code, "a refusal has no record of its own");
            return;
        };
        refused.passed_over = passed_over;
        let event = LogEvent::ChannelRefused(refused);
        let ticket = self.0.journal.submit(Work::Log(event));
        if let Err(error) = self.0.patient(ticket).await {
            tracing::warn!(channel, %code, %error, "a refusal could not be recorded; it stays refused");
        }
    }
}

/// How much may still be written: apart for those who proved an account, so that nobody without
/// one takes their room.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    proven: Mutex<Bucket>,
    unproven: Mutex<Bucket>,
}

impl Refusals {
    /// How many were passed over before this one; none when it is passed over itself.
    fn take(&self, refused: &ChannelRefused, now: Timestamp) -> Option<u64> {
        let (bucket, most, every) = match refused.identity {
            Some(_) => (&self.proven, 60, Duration::from_secs(60)),
            None => (&self.unproven, 10, Duration::from_secs(300)),
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(most, every, now)
    }
}

/// So many at once, and one more each while.
#[derive(Debug, Default)]
struct Bucket {
    used: u32,
    refilled: Option<Timestamp>,
    passed_over: u64,
}

impl Bucket {
    fn take(&mut self, most: u32, every: Duration, now: Timestamp) -> Option<u64> {
        let refilled = *self.refilled.get_or_insert(now);
        let back = now.since(refilled).as_secs() / every.as_secs().max(1);
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        if back > 0 {
            self.refilled = Some(refilled.after(every.saturating_mul(back)));
            self.used = self.used.saturating_sub(back);
        }
        if self.used >= most {
            self.passed_over = self.passed_over.saturating_add(1);
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.passed_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_60_a_flood_writes_few_records_and_is_counted() {
        let refusals = Refusals::default();
        let nobody = ChannelRefused::new("slack", Code::SignatureInvalid);
        let somebody = ChannelRefused {
            identity: Some("slack:T01:U02".to_owned()),
            ..ChannelRefused::new("slack", Code::NotEligible)
        };
        let at = |seconds| Timestamp::from_micros(seconds * 1_000_000);
        let flood = |refused: &ChannelRefused, tries: u64, now: i64| {
            let taken = (0..tries).filter_map(|_| refusals.take(refused, at(now)));
            let taken: Vec<_> = taken.collect();
            (taken.len(), taken.iter().sum::<u64>())
        };
        assert_eq!(flood(&nobody, 1_000, 0), (10, 0));
        // A flood of those who prove nothing takes no room from those who do.
        assert_eq!(flood(&somebody, 1_000, 0), (60, 0));
        assert_eq!(flood(&nobody, 10, 299), (0, 0));
        assert_eq!(flood(&nobody, 10, 300), (1, 1_000));
        assert_eq!(flood(&somebody, 5, 120), (2, 940));
        // A long rest brings back no more than there ever was, and a clock that goes back nothing.
        assert_eq!(flood(&nobody, 100, 1_000_000), (10, 9));
        assert_eq!(flood(&nobody, 100, 0), (0, 0));
    }
}
