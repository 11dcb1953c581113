//! Who waits for which request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::id::RequestId;

#[derive(Default)]
pub(super) struct Waits(Mutex<HashMap<RequestId, watch::Sender<u64>>>);

impl Waits {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has a new last record.
    pub(super) fn wake(&self, request: RequestId, seq: u64) {
        if let Some(sender) = self.lock().get(&request) {
            sender.send_if_modified(|last| {
                let newer = seq > *last;
                *last = (*last).max(seq);
                newer
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// Waits for the next change of one request.
pub(crate) struct Watch {
    waits: Arc<Waits>,
    request: RequestId,
    receiver: watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn new(waits: &Arc<Waits>, request: RequestId) -> Self {
        let receiver = waits
            .lock()
            .entry(request)
            .or_insert_with(|| watch::Sender::new(0))
            .subscribe();
        Self {
            waits: Arc::clone(waits),
            request,
            receiver,
        }
    }

    /// Returns when the request has a record after `seen`.
    pub(crate) async fn after(&mut self, seen: u64) {
        // The sender lives in the map for as long as this receiver does.
        let _ = self.receiver.wait_for(|last| *last > seen).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waits = self.waits.lock();
        if waits
            .get(&self.request)
            .is_some_and(|sender| sender.receiver_count() <= 1)
        {
            waits.remove(&self.request);
        }
    }
}
