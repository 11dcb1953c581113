//! At most one message a second to one channel, and few cards at once.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use approvals_core::RequestId;
use tokio::time::Instant;

/// When the next message may go to one channel, and which requests wait for their turn.
#[derive(Debug)]
pub(crate) struct Pace {
    cards_per_minute: usize,
    free_at: Option<Instant>,
    cards: VecDeque<Instant>,
    held: BTreeSet<RequestId>,
    summed_up: Option<Instant>,
}

/// What is to be done with a card.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send it, after this pause.
    After(Duration),
    /// Keep it back; the outbox brings it again. Says how many wait when that is to be told now.
    Held(Option<usize>),
}

impl Pace {
    pub(crate) fn new(cards_per_minute: usize) -> Self {
        Self {
            cards_per_minute,
            free_at: None,
            cards: VecDeque::new(),
            held: BTreeSet::new(),
            summed_up: None,
        }
    }

    /// A turn for the card of a request.
    pub(crate) fn card(&mut self, request: RequestId, now: Instant) -> Turn {
        while self
            .cards
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            self.cards.pop_front();
        }
        let wait = self.wait(now);
        if self.cards.len() >= self.cards_per_minute || wait > PATIENCE {
            self.held.insert(request);
            let told = self
                .summed_up
                .is_some_and(|at| now.duration_since(at) < MINUTE);
            if told {
                return Turn::Held(None);
            }
            self.summed_up = Some(now);
            return Turn::Held(Some(self.held.len()));
        }
        self.held.remove(&request);
        self.cards.push_back(now);
        self.take(now);
        Turn::After(wait)
    }

    /// A turn for any other message; none when it would take long.
    pub(crate) fn message(&mut self, now: Instant) -> Option<Duration> {
        let wait = self.wait(now);
        (wait <= SHORT).then(|| {
            self.take(now);
            wait
        })
    }

    /// The request needs no card of its own any more.
    pub(crate) fn forget(&mut self, request: RequestId) {
        self.held.remove(&request);
    }

    fn wait(&self, now: Instant) -> Duration {
        let free_at = self.free_at.unwrap_or(now);
        free_at.saturating_duration_since(now)
    }

    fn take(&mut self, now: Instant) {
        self.free_at = Some(self.free_at.unwrap_or(now).max(now) + GAP);
    }
}

/// Slack's own limit for one channel is one message a second.
const GAP: Duration = Duration::from_millis(1_050);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a card waits within one notice, which has ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a message waits that is only good to have.
const SHORT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    #[test]
    fn a_storm_is_summed_up_once_and_nothing_is_lost() {
        let mut pace = Pace::new(10);
        let start = Instant::now();
        let turns: Vec<_> = (0..50)
            .map(|number| pace.card(request(number), start))
            .collect();
        let sent = turns
            .iter()
            .filter(|turn| matches!(turn, Turn::After(_)))
            .count();
        let told = turns
            .iter()
            .filter(|turn| matches!(turn, Turn::Held(Some(_))))
            .count();
        // One each second, for as long as a notice can wait.
        assert_eq!((sent, told), (4, 1));
        // Everything that was held comes again, and each minute brings its share.
        let mut waiting: Vec<u8> = (4..50).collect();
        for second in 0..600 {
            let now = start + Duration::from_secs(5 + second);
            let Some(next) = waiting.first() else { break };
            if matches!(pace.card(request(*next), now), Turn::After(_)) {
                waiting.remove(0);
            }
        }
        assert!(waiting.is_empty() && pace.held.is_empty(), "{waiting:?}");
    }

    #[test]
    fn no_two_messages_come_within_a_second() {
        let mut pace = Pace::new(60);
        let now = Instant::now();
        assert_eq!(pace.card(request(1), now), Turn::After(Duration::ZERO));
        assert_eq!(pace.card(request(2), now), Turn::After(GAP));
        assert_eq!(pace.message(now), None);
        assert_eq!(pace.message(now + GAP * 2), Some(Duration::ZERO));
    }
}
