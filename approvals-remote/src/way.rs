//! Calls that are made again until they are answered, or their time is over.

use std::time::Duration;

use approvals_core::{ApprovalError, Code, id};
use reqwest::Method;
use tokio::time::Instant;

use crate::web::{Call, Web};

/// How long the first pause is between two tries, and how long the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The server, and how patient to be with it.
pub(crate) struct Way {
    pub(crate) web: Web,
    /// How long a call may stay unanswered.
    pub(crate) patience: Duration,
}

impl Way {
    /// Makes a call until it is answered. What may have got through is made again under the same
    /// key, so that it counts once.
    pub(crate) async fn through(&self, call: &Call) -> Result<Vec<u8>, ApprovalError> {
        self.until(call, Instant::now() + self.patience).await
    }

    /// The same until another time.
    pub(crate) async fn until(
        &self,
        call: &Call,
        until: Instant,
    ) -> Result<Vec<u8>, ApprovalError> {
        let mut pause = PAUSES.0;
        loop {
            let trouble = match self.web.send(call).await {
                Ok(body) => return Ok(body),
                Err(trouble) => trouble,
            };
            let Some(at_least) = trouble.again else {
                return Err(trouble.error);
            };
            let next = jittered(pause).max(at_least);
            if Instant::now() + next >= until {
                return Err(trouble.error);
            }
            tracing::debug!(error = %trouble.error, "asking again");
            tokio::time::sleep(next).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Withdraws a request; what is settled stays as it is.
    pub(crate) async fn withdraw(&self, path: &str) {
        let call = Call::new(Method::DELETE, path);
        if let Err(error) = self.through(&call).await
            && error.code() != Code::NotFound
        {
            tracing::warn!(%error, "a request could not be withdrawn; it ends when its time is over");
        }
    }
}

/// Between a half and the whole of a pause, so that many do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let [random] = id::random::<1>().unwrap_or([128]);
    pause / 2 + pause * u32::from(random) / 512
}
