//! What generated code calls. Not part of the public interface: only the macros of the same
//! version may use it.

/// The first shape of the seam between macros and library.
pub mod v1 {
    pub use inventory;

    pub use crate::action::{
        Binder, Bound, GuardedFn, Kind, Listed, Param, Shown, Treatment, bind,
    };
    pub use crate::error::ApprovalError;
    pub use crate::gate::{ApprovalGate, Handle, ambient};
    pub use crate::guard::{Action, GuardedReturn, refuse, settle};
    pub use crate::permit::{Burned, Permit, Running, Started};

    /// The gate that the guard names.
    #[must_use]
    pub fn given<G: ApprovalGate + ?Sized>(gate: &G) -> Handle {
        crate::gate::given(gate.shared())
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// Every no of the gate.
    pub fn authorize(
        handle: Handle,
        bound: Bound,
    ) -> impl Future<Output = Result<Permit, ApprovalError>> {
        handle.authorize(bound)
    }

    /// Waits for a permit, blocking this thread.
    ///
    /// # Errors
    /// Every no of the gate, and `Misuse` where blocking could hang.
    pub fn authorize_blocking(handle: Handle, bound: Bound) -> Result<Permit, ApprovalError> {
        crate::guard::block_on(handle.authorize(bound))?
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
        #[must_use]
        pub fn record_blocking(self) -> ApprovalError {
            crate::guard::block_on(self.record()).unwrap_or_else(|error| error)
        }
    }
}
