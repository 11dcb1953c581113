//! Who waits for which request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::id::RequestId;
use crate::lifecycle::RequestState;

/// The last record of a request, and its state when this process wrote that record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latest {
    pub(crate) seq: u64,
    pub(crate) state: Option<Arc<RequestState>>,
    /// How often somebody said that there may be more.
    hints: u64,
}

#[derive(Default)]
pub(super) struct Waits(Mutex<HashMap<RequestId, watch::Sender<Latest>>>);

impl Waits {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, watch::Sender<Latest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has a new last record.
    pub(super) fn wake(&self, request: RequestId, seq: u64, state: Option<Arc<RequestState>>) {
        if let Some(sender) = self.lock().get(&request) {
            sender.send_if_modified(|latest| {
                let newer = seq > latest.seq;
                if newer {
                    (latest.seq, latest.state) = (seq, state);
                }
                newer
            });
        }
    }

    /// A request may have a new last record: whoever waits for it is to look.
    pub(super) fn hint(&self, request: RequestId) {
        if let Some(sender) = self.lock().get(&request) {
            sender.send_modify(|latest| latest.hints += 1);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// Waits for the next change of one request.
///
/// Only changes after it was made are told: make it first, and look at the request then.
pub(crate) struct Watch {
    waits: Arc<Waits>,
    request: RequestId,
    hints: u64,
    /// Present until the watch is dropped.
    receiver: Option<watch::Receiver<Latest>>,
}

impl Watch {
    pub(super) fn new(waits: &Arc<Waits>, request: RequestId) -> Self {
        let receiver = waits
            .lock()
            .entry(request)
            .or_insert_with(|| watch::Sender::new(Latest::default()))
            .subscribe();
        Self {
            waits: Arc::clone(waits),
            request,
            hints: 0,
            receiver: Some(receiver),
        }
    }

    /// The request that is watched.
    pub(crate) fn request(&self) -> RequestId {
        self.request
    }

    /// Returns when the request has a record after `seen`, or may have one: then without a state.
    pub(crate) async fn after(&mut self, seen: u64) -> Latest {
        // The sender lives in the map for as long as this receiver does.
        let Some(receiver) = &mut self.receiver else {
            return Latest::default();
        };
        let hints = self.hints;
        let latest = receiver.wait_for(|latest| latest.seq > seen || latest.hints > hints);
        let mut latest = latest
            .await
            .map(|latest| Latest::clone(&latest))
            .unwrap_or_default();
        self.hints = latest.hints;
        if latest.seq <= seen {
            latest.state = None;
        }
        latest
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waits = self.waits.lock();
        // Let go inside the lock: of two that go at once, the second one sees that it is the last.
        self.receiver = None;
        if waits
            .get(&self.request)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            waits.remove(&self.request);
        }
    }
}
