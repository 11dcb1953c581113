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
                    *latest = Latest { seq, state };
                }
                newer
            });
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
            receiver: Some(receiver),
        }
    }

    /// The request that is watched.
    pub(crate) fn request(&self) -> RequestId {
        self.request
    }

    /// Returns when the request has a record after `seen`.
    pub(crate) async fn after(&mut self, seen: u64) -> Latest {
        // The sender lives in the map for as long as this receiver does.
        let Some(receiver) = &mut self.receiver else {
            return Latest::default();
        };
        let latest = receiver.wait_for(|latest| latest.seq > seen).await;
        latest
            .map(|latest| Latest::clone(&latest))
            .unwrap_or_default()
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
