//! Carrying changes of requests to the channels, from the outbox.

use std::sync::Arc;
use std::time::Duration;

use super::{Gate, Inner, desk};
use crate::commit::Work;
use crate::error::ApprovalError;
use crate::id::RequestId;
use crate::lifecycle::{Command, NoticeResult};
use crate::ports::{Delivery, Due, Notifier};

/// How long a channel may take over one notice before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long a notice that is being delivered is left alone by other processes; after that, or
/// after a failure, it is tried again.
const LEASE: Duration = Duration::from_secs(15);

/// How often a notice is tried again before it is given up: with doubled pauses, about a day.
const ATTEMPTS: u32 = 24;

/// Whose turn it is to deliver, and the bell that says that there is something.
#[derive(Debug, Default)]
pub(super) struct Post {
    turn: tokio::sync::Mutex<()>,
    bell: tokio::sync::Notify,
}

impl Post {
    /// There is something to deliver.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }
}

/// How often somebody looks for what other processes changed, and for what failed before.
const ROUND: Duration = Duration::from_secs(1);

impl Gate {
    /// Delivers what is due, once, and says how many notices went out.
    ///
    /// A waiting call delivers its own request; a long-lived process calls this about once a
    /// second, so that decisions made elsewhere are drawn, too.
    ///
    /// # Errors
    /// `StoreUnavailable` when the outbox cannot be read.
    pub async fn deliver(&self) -> Result<usize, ApprovalError> {
        self.0.deliver().await
    }
}

impl Inner {
    /// Delivers for as long as somebody waits; never returns by itself.
    ///
    /// However many calls wait, one of them delivers for all; when it ends, the next one does.
    /// `again` is a request that is drawn once more before anything else.
    pub(super) async fn deliver_until_dropped(&self, again: Option<RequestId>) {
        if let Some(request) = again {
            self.draw_again(request).await;
        }
        self.post.ring();
        let _turn = self.post.turn.lock().await;
        loop {
            if let Err(error) = self.deliver().await {
                // Nobody hears of the request on this channel; it stays pending and can be
                // decided elsewhere, and the next round tries again.
                tracing::warn!(%error, "notices could not be read");
            }
            tokio::select! {
                () = self.post.bell.notified() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    async fn draw_again(&self, request: RequestId) {
        for notifier in &self.notifiers {
            // What is due is still due; a copy that cannot be drawn again loses nothing.
            if let Ok(copies) = self.hand_over(&**notifier, request, 0).await {
                let results = sent(notifier.name(), copies);
                let ticket = self.journal.command(Command::Notice { request, results });
                let _ = self.patient(ticket).await;
            }
        }
    }

    async fn deliver(&self) -> Result<usize, ApprovalError> {
        let due = self.journal.take_due(&self.channels, LEASE).await?;
        let mut sent = 0;
        for due in due {
            let Some(notifier) = self
                .notifiers
                .iter()
                .find(|notifier| notifier.name() == due.channel)
            else {
                continue;
            };
            sent += usize::from(self.carry(Arc::clone(notifier), due).await);
        }
        Ok(sent)
    }

    async fn carry(&self, notifier: Arc<dyn Notifier>, due: Due) -> bool {
        let request = due.request;
        let channel = due.channel.clone();
        let handed = self.hand_over(&*notifier, request, due.attempts).await;
        let (sent, work) = match handed {
            Ok(copies) => {
                let results = sent(&channel, copies);
                let command = Command::Notice { request, results };
                (true, Work::Delivered { due, command })
            }
            Err(error) => {
                tracing::warn!(approval.request = %request, channel, error, "a notice did not go out; the request stays as it is");
                let last = due.attempts >= ATTEMPTS;
                let results = vec![NoticeResult::failed(channel, error)];
                let command = Command::Notice { request, results };
                match (due.attempts, last) {
                    // On record: that it failed, and that it was given up. Not each try.
                    (_, true) => (false, Work::Delivered { due, command }),
                    (0, false) => (false, Work::command(command)),
                    _ => return false,
                }
            }
        };
        let ticket = self.journal.submit(work);
        self.patient(ticket).await.is_ok() && sent
    }

    async fn hand_over(
        &self,
        notifier: &dyn Notifier,
        request: RequestId,
        attempts: u32,
    ) -> Result<Vec<Delivery>, String> {
        let notice = desk::notice(self, request, notifier.name(), attempts).await;
        let notice = notice.map_err(|error| error.to_string())?;
        match tokio::time::timeout(PATIENCE, notifier.notify(&notice)).await {
            Ok(taken) => taken.map_err(|error| error.to_string()),
            Err(_) => Err("the channel did not answer in time".to_owned()),
        }
    }
}

fn sent(channel: &str, copies: Vec<Delivery>) -> Vec<NoticeResult> {
    let copies = copies.into_iter();
    copies
        .map(|copy| NoticeResult::sent(channel, copy.place))
        .collect()
}
