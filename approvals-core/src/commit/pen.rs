//! Signing: with a key that may be far away, and never without end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::error::{ApprovalError, Code};
use crate::ledger::{Checkpoint, VerifierKey, signature_line};
use crate::ports::{SignError, Signer};

/// A signer, and how long it may take.
#[derive(Clone)]
pub(super) struct Pen {
    signer: Arc<dyn Signer>,
    patience: Duration,
    /// Where the signer's own timers and sockets live, when the journal was opened inside a runtime.
    runtime: Option<Handle>,
}

impl Pen {
    pub(super) fn new(signer: Arc<dyn Signer>, patience: Duration) -> Self {
        Self {
            signer,
            patience,
            runtime: Handle::try_current().ok(),
        }
    }

    pub(super) fn vkey(&self) -> &VerifierKey {
        self.signer.vkey()
    }

    /// The same pen with another key in it.
    pub(super) fn with(&self, signer: Arc<dyn Signer>) -> Self {
        Self {
            signer,
            ..self.clone()
        }
    }

    /// The pen for another key of the same log, if this process can get it.
    pub(super) fn successor(&self, vkey: &VerifierKey) -> Result<Option<Self>, ApprovalError> {
        let found = self.drive(self.signer.successor(vkey));
        let found = found.ok_or_else(|| self.late())?;
        let found = found.map_err(|error| refuse(&error))?;
        let found = found.filter(|signer| signer.vkey() == vkey);
        Ok(found.map(|signer| self.with(signer)))
    }

    /// The signature of a message, checked; holds this thread meanwhile.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ApprovalError> {
        let signed = self.drive(self.signer.sign(message));
        self.check(message, signed)
    }

    /// Signs a head, for whoever can wait without holding anything.
    pub(super) async fn write(&self, head: &Checkpoint) -> Result<String, ApprovalError> {
        if Handle::try_current().is_err() {
            // Without a runtime there is no timer either.
            return seal(head, &[self]);
        }
        let body = head.body();
        let signing = self.signer.sign(body.as_bytes());
        let signed = tokio::time::timeout(self.patience, signing).await.ok();
        let signature = self.check(body.as_bytes(), signed)?;
        Ok(format!("{body}\n{}", self.line(&signature)))
    }

    fn drive<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let _inside = self.runtime.as_ref().map(Handle::enter);
        wait(work, self.patience)
    }

    /// The signature, if it is one of this key over these bytes.
    fn check(
        &self,
        message: &[u8],
        signed: Option<Result<Vec<u8>, SignError>>,
    ) -> Result<Vec<u8>, ApprovalError> {
        let signature = signed.ok_or_else(|| self.late())?;
        let signature = signature.map_err(|error| refuse(&error))?;
        let verified = self.vkey().verify(message, &signature);
        verified.map_err(|error| refuse(&error))?;
        Ok(signature)
    }

    fn line(&self, signature: &[u8]) -> String {
        let vkey = self.vkey();
        signature_line(vkey.name(), vkey.id(), signature)
    }

    fn late(&self) -> ApprovalError {
        refuse(&format!("no answer within {:?}", self.patience))
    }
}

/// The head as a note with a line of each pen; holds this thread meanwhile.
pub(super) fn seal(head: &Checkpoint, pens: &[&Pen]) -> Result<String, ApprovalError> {
    let body = head.body();
    let mut note = format!("{body}\n");
    for pen in pens {
        note += &pen.line(&pen.sign(body.as_bytes())?);
    }
    Ok(note)
}

fn refuse(why: &dyn std::fmt::Display) -> ApprovalError {
    let message = format!(
        "the ledger could not be signed and nothing was written: {why}; see to its signer and try again"
    );
    ApprovalError::new(Code::AuditUnavailable, message)
}

/// Drives a future on this thread until it is done, or for so long.
///
/// By the thread's own clock: the runtime's timers stand still while whoever drives the runtime
/// waits for this thread to end.
pub(crate) fn wait<T>(work: impl Future<Output = T>, at_most: Duration) -> Option<T> {
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let until = Instant::now().checked_add(at_most);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
        let left = until.map_or(Duration::MAX, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn a_wait_ends_when_the_work_does_or_its_time_is_over() {
        assert_eq!(wait(ready(1), Duration::ZERO), Some(1));
        assert_eq!(wait(pending::<u8>(), SOON), None);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || sender.send(2));
        assert_eq!(wait(receiver, Duration::MAX), Some(Ok(2)));
        other.join().unwrap().unwrap();
    }

    #[test]
    fn work_that_wakes_without_end_is_ended_too() {
        let restless = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!(wait(restless, SOON), None);
    }
}
