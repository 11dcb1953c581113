//! Follows the log for one receiver: one message at a time, in the order of the log, until each is
//! taken. How far it came is kept in the store, so that a killed process begins again behind the last
//! message that was taken and kept; a message can come twice, under the same id.

use std::time::Duration;

use approvals_core::ledger::Entry;
use approvals_core::{ApprovalError, Timestamp, id};

use super::client::{Answer, Client, Message};
use super::{Begin, Hook};
use crate::feed;
use crate::site::Site;

/// How often the log is looked at.
const ROUND: Duration = Duration::from_millis(500);

/// How long nothing is tried after the log could not be read.
const UNREADABLE: Duration = Duration::from_secs(5);

/// The pause after the first failure; doubled with each one after it.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause of our own.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest pause that a receiver can ask for.
const ASKED: Duration = Duration::from_secs(3600);

/// Follows until the server stops or the receiver is taken out.
pub(super) async fn follow(site: &Site, hook: &Hook) {
    loop {
        if let Err(error) = work(site, hook).await {
            tracing::warn!(%error, webhook = hook.follower, "the log could not be followed; tried again soon");
            hook.status.fail("the log could not be followed".to_owned());
        }
        tokio::time::sleep(UNREADABLE).await;
    }
}

async fn work(site: &Site, hook: &Hook) -> Result<(), ApprovalError> {
    let journal = site.gate().journal();
    let mut next = begin(site, hook).await?;
    let mut kept = next;
    loop {
        let (page, end) = feed::stored(site.gate(), next).await?;
        for stored in &page {
            let record = feed::decode(stored, journal.log())?;
            let Entry::Request(request, _) = record.entry else {
                continue;
            };
            if let Some((message, until)) =
                hook.message(site, request, stored.leaf, &record).await?
            {
                hand_over(site, hook, &message, until).await;
                // Taken, and not yet kept: a crash here sends it once more.
                kept = record.seq.saturating_add(1);
                journal.followed(&hook.follower, kept).await?;
            }
        }
        if end == next {
            if kept < next {
                kept = next;
                journal.followed(&hook.follower, kept).await?;
            }
            tokio::time::sleep(ROUND).await;
        }
        next = end;
    }
}

/// Where this receiver goes on, or begins.
async fn begin(site: &Site, hook: &Hook) -> Result<u64, ApprovalError> {
    let journal = site.gate().journal();
    let backlogs = journal.backlogs().await?;
    let known = backlogs
        .iter()
        .find(|backlog| backlog.channel == hook.follower);
    if let Some(known) = known {
        return Ok(known.next);
    }
    let from = match hook.begin {
        Begin::Now => feed::end(site.gate()).await?,
        Begin::Start => 0,
    };
    journal.followed(&hook.follower, from).await?;
    Ok(from)
}

/// Tries until the receiver has it, or it is too late to be of use.
async fn hand_over(site: &Site, hook: &Hook, message: &Message, until: Option<Timestamp>) {
    let client: &Client = &hook.client;
    for failures in 0.. {
        let now = site.now();
        if until.is_some_and(|until| now >= until) {
            tracing::warn!(
                webhook = hook.follower,
                message = message.id,
                "a message was given up: nobody took it in time"
            );
            return;
        }
        match client.post(message, now, 0).await {
            Answer::Taken(..) => return hook.status.take(),
            Answer::Gone => {
                tracing::warn!(
                    webhook = hook.follower,
                    "the receiver is gone; it gets nothing more until this process is started again"
                );
                hook.status.leave();
                std::future::pending::<()>().await;
            }
            Answer::Failed(why, asked) => {
                tracing::warn!(
                    webhook = hook.follower,
                    message = message.id,
                    why,
                    failures,
                    "a message was not taken; tried again later"
                );
                hook.status.fail(why);
                tokio::time::sleep(pause(failures, asked, random())).await;
            }
        }
    }
}

/// How long to wait after so many failures: between half and all of what doubles, so that receivers
/// that come back are not run over by all at once; never less than they asked for.
fn pause(failures: u32, asked: Option<Duration>, random: u16) -> Duration {
    let whole = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    let part = whole.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u16::MAX));
    part.max(asked.unwrap_or_default().min(ASKED))
}

/// Without randomness all wait the same: no reason not to try.
fn random() -> u16 {
    id::random::<2>()
        .map(u16::from_be_bytes)
        .unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_end_and_are_never_shorter_than_asked() {
        for (failures, asked, random, expected) in [
            (0, None, u16::MAX, 500),
            (0, None, 0, 250),
            (1, None, u16::MAX, 1_000),
            (5, None, 0, 8_000),
            (40, None, u16::MAX, 300_000),
            (0, Some(90), 0, 90_000),
            (9, Some(1), u16::MAX, 256_000),
            (0, Some(1_000_000), 0, 3_600_000),
        ] {
            let asked = asked.map(Duration::from_secs);
            let found = pause(failures, asked, random).as_millis();
            assert_eq!(found, expected, "{failures} {asked:?} {random}");
        }
    }
}
