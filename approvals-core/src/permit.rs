//! Permits: the single-use right to run one action now.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::action::Bound;
use crate::digest::ActionDigest;
use crate::error::{ApprovalError, Code};
use crate::id::{RecordId, RequestId};
use crate::lifecycle::Finished;
use crate::request::Outcome;

/// A future that is already under way: dropping it stops nobody.
pub type Queued<T> = Pin<Box<dyn Future<Output = Result<T, ApprovalError>> + Send>>;

/// What a gate does with the permits it gave. Calls queue their work at once; the futures only
/// tell when it is durable.
pub trait PermitPort: Send + Sync {
    /// Uses the permit up; durable before the body may run.
    ///
    /// `attempt` names this one try: presented again it is the same try, and only it may report
    /// on the run.
    fn consume(&self, request: RequestId, attempt: RecordId, digest: ActionDigest) -> Queued<()>;

    /// Records that the last check failed and the body did not run.
    fn burn(&self, request: RequestId, attempt: RecordId, got: ActionDigest) -> Queued<()>;

    /// Records how the body ended; nothing when this try did not use the permit up.
    fn finish(&self, request: RequestId, attempt: RecordId, finished: Finished) -> Queued<()>;

    /// Records that the permit was never used.
    fn abandon(&self, request: RequestId);
}

/// Computes the digest of live arguments with the salts of the approved ones.
pub type Reseal = Box<dyn FnOnce(Bound) -> Result<ActionDigest, ApprovalError> + Send>;

/// The right to run one approved action, once.
///
/// It cannot be cloned, serialized or made from its parts; using it consumes it, in the type
/// system and in the store. Dropped unused, it is withdrawn, and that is recorded.
///
/// ```compile_fail
/// fn twice(permit: approvals_core::Permit) {
///     let again = permit.clone();
/// }
/// ```
#[must_use = "an unused permit is withdrawn"]
pub struct Permit {
    right: Right,
    reseal: Reseal,
}

/// What a permit, and each stage of its use, holds on to.
struct Right {
    request: RequestId,
    digest: ActionDigest,
    port: Arc<dyn PermitPort>,
    attempt: RecordId,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unused,
    /// The store has been asked, and has not answered.
    Starting(Instant),
    Started(Instant),
    Settled,
}

impl Permit {
    /// Asserts that the request is approved for exactly this digest.
    ///
    /// Trusted: only gates call it, after the store said so. It is worth nothing by itself: the
    /// store is asked again, and once, by [`Permit::start`].
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn assertion(
        request: RequestId,
        digest: ActionDigest,
        port: Arc<dyn PermitPort>,
        reseal: Reseal,
    ) -> Result<Self, ApprovalError> {
        let right = Right {
            request,
            digest,
            port,
            attempt: RecordId::random()?,
            stage: Stage::Unused,
        };
        Ok(Self { right, reseal })
    }

    /// The request it was given for.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.right.request
    }

    /// What binds the action.
    #[must_use]
    pub fn digest(&self) -> ActionDigest {
        self.right.digest
    }

    /// Uses the permit up, durably; from here on the action counts as started.
    ///
    /// # Errors
    /// `AlreadyConsumed`, `Expired`, `Denied`, `Cancelled`, `NotEligible`, `PolicyChanged` as the
    /// store finds it now; `AuditUnavailable` or `StoreUnavailable` when it cannot be recorded.
    pub async fn start(mut self) -> Result<Started, ApprovalError> {
        let right = &mut self.right;
        let consumed = right
            .port
            .consume(right.request, right.attempt, right.digest);
        // From here on the right may be gone, whatever becomes of this future.
        right.stage = Stage::Starting(Instant::now());
        consumed.await?;
        right.stage = Stage::Started(Instant::now());
        Ok(Started {
            right: self.right,
            reseal: self.reseal,
        })
    }
}

/// A permit that is used up: the body runs next, or never.
#[must_use = "the permit is used up; check the live arguments and run the body"]
pub struct Started {
    right: Right,
    reseal: Reseal,
}

impl Started {
    /// Compares what is about to run with what was approved. Nothing may come between this and
    /// the body, so it does not wait for anything.
    ///
    /// # Errors
    /// [`Burned`] when they differ: the permit is gone and the body must not run.
    pub fn check(mut self, live: Bound) -> Result<Running, Burned> {
        let approved = self.right.digest;
        match (self.reseal)(live) {
            Ok(got) if got == approved => Ok(Running { right: self.right }),
            other => {
                // What has no digest cannot be what was approved.
                let got = other.unwrap_or(ActionDigest::from_bytes([0; 32]));
                self.right.stage = Stage::Settled;
                Err(Burned {
                    request: self.right.request,
                    attempt: self.right.attempt,
                    got,
                    port: Some(Arc::clone(&self.right.port)),
                })
            }
        }
    }
}

/// A permit that was used up for something else than what was approved; nothing ran.
#[must_use = "the refusal must be recorded"]
pub struct Burned {
    request: RequestId,
    attempt: RecordId,
    got: ActionDigest,
    port: Option<Arc<dyn PermitPort>>,
}

impl Burned {
    /// Records the refusal, and gives it to the caller.
    pub async fn record(mut self) -> ApprovalError {
        let message = "an argument changed between approval and run, so nothing ran; pass values, not shared state";
        let recorded = match self.queue() {
            Some(queued) => queued.await,
            None => Ok(()),
        };
        match recorded {
            Ok(()) => ApprovalError::new(Code::ActionMismatch, message).with_request(self.request),
            Err(error) => error,
        }
    }

    fn queue(&mut self) -> Option<Queued<()>> {
        let port = self.port.take()?;
        Some(port.burn(self.request, self.attempt, self.got))
    }
}

impl Drop for Burned {
    fn drop(&mut self) {
        // Queued at once, also when nobody waits: the log must not leave it in doubt.
        drop(self.queue());
    }
}

/// A body that is running. Dropped without an outcome, the outcome is `unknown`.
#[must_use = "the outcome must be recorded"]
pub struct Running {
    right: Right,
}

impl Running {
    /// Records how the body ended.
    ///
    /// # Errors
    /// `AuditUnavailable` or `StoreUnavailable` when it cannot be recorded; the action did run.
    pub async fn finish(mut self, outcome: Outcome) -> Result<(), ApprovalError> {
        let right = &mut self.right;
        let finished = Finished {
            outcome,
            code: None,
            duration_us: right.ran_for(),
        };
        right.stage = Stage::Settled;
        let recorded = right
            .port
            .finish(right.request, right.attempt, finished)
            .await;
        recorded.map_err(|error| {
            let message = format!(
                "the action ran, and how it ended could not be recorded yet: {}; do not run it again, see `approvals show`",
                error.message()
            );
            ApprovalError::new(error.code(), message).with_request(right.request)
        })
    }
}

impl Right {
    fn ran_for(&self) -> Option<u64> {
        match self.stage {
            Stage::Started(since) => u64::try_from(since.elapsed().as_micros()).ok(),
            _ => None,
        }
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        let code = match self.stage {
            Stage::Settled => return,
            Stage::Unused => return self.port.abandon(self.request),
            Stage::Starting(_) => "not_started",
            Stage::Started(_) if std::thread::panicking() => "panicked",
            Stage::Started(_) => "dropped",
        };
        let finished = Finished {
            outcome: Outcome::Unknown,
            code: Some(code.to_owned()),
            duration_us: self.ran_for(),
        };
        // Queued at once; there is nobody left to wait for it. It does nothing when this try did
        // not use the permit up, and then the permit is withdrawn.
        drop(self.port.finish(self.request, self.attempt, finished));
        if matches!(self.stage, Stage::Starting(_)) {
            self.port.abandon(self.request);
        }
    }
}

macro_rules! debug_by_request {
    ($($name:ident => $($path:ident).+),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.$($path).+)
            }
        }
    )*};
}
debug_by_request!(Permit => right.request, Started => right.request, Running => right.request, Burned => request);
