//! What generated code calls. Not part of the public interface: only the macros of the same
//! version may use it.

/// The first shape of the seam between macros and library.
pub mod v1 {
    use std::future::Future;

    pub use inventory;

    pub use crate::action::{Binder, Bound, GuardedFn, Kind, Listed, Param, Shown, Treatment, bind};
    pub use crate::error::ApprovalError;
    pub use crate::gate::{ApprovalGate, Handle, ambient};
    pub use crate::guard::{Action, GuardedReturn};
    pub use crate::permit::{Burned, Permit, Running, Started};
    use crate::request::Outcome;

    /// The gate that the guard names.
    pub fn given<G: ApprovalGate + ?Sized>(gate: &G) -> Handle {
        crate::gate::given(gate.shared())
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// Every no of the gate.
    pub async fn authorize(handle: Handle, bound: Bound) -> Result<Permit, ApprovalError> {
        handle.authorize(bound).await
    }

    /// Waits for a permit, blocking this thread.
    ///
    /// # Errors
    /// Every no of the gate, and `Misuse` where blocking could hang.
    pub fn authorize_blocking(handle: Handle, bound: Bound) -> Result<Permit, ApprovalError> {
        crate::guard::block_on(handle.authorize(bound))?
    }

    /// Ends a guarded call that must not run.
    pub fn refuse<R: GuardedReturn>(error: ApprovalError) -> R {
        R::refuse(error)
    }

    /// Records how the body ended, and hands its result on once that is durable.
    pub async fn settle<R: GuardedReturn>(running: Running, result: R) -> R {
        let outcome = if result.succeeded() { Outcome::Succeeded } else { Outcome::Failed };
        match running.finish(outcome).await {
            Ok(()) => result,
            Err(error) => R::refuse(error),
        }
    }

    /// Records how the body ended, blocking this thread.
    pub fn settle_blocking<R: GuardedReturn>(running: Running, result: R) -> R {
        match crate::guard::block_on(settle(running, result)) {
            Ok(result) => result,
            Err(error) => R::refuse(error),
        }
    }

    impl Permit {
        /// Uses the permit up, blocking this thread.
        ///
        /// # Errors
        /// As [`Permit::start`].
        pub fn start_blocking(self) -> Result<Started, ApprovalError> {
            crate::guard::block_on(self.start())?
        }
    }

    impl Burned {
        /// Records the refusal, blocking this thread.
        pub fn record_blocking(self) -> ApprovalError {
            crate::guard::block_on(self.record()).unwrap_or_else(|error| error)
        }
    }

    /// Keeps an async body's type known where its own return type cannot be named.
    pub fn output_of<F: Future>(future: F) -> F {
        future
    }
}
