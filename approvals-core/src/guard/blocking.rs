//! Blocking for sync functions: safe, or an error; never a hang.

use std::future::Future;
use std::panic::catch_unwind;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};

use crate::error::{ApprovalError, Code};

/// Runs a future to its end on this thread.
///
/// # Errors
/// `Misuse` on a current-thread runtime, where whoever should decide could never run, and where
/// the runtime does not allow blocking.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, ApprovalError> {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            // Inside a `LocalSet` blocking is not allowed, and tokio tells by panicking.
            catch_unwind(|| tokio::task::block_in_place(|| ())).map_err(|_| unsafe_here())?;
            Ok(tokio::task::block_in_place(|| runtime.block_on(future)))
        }
        Ok(_) => Err(unsafe_here()),
        Err(_) => {
            let runtime = Builder::new_current_thread().enable_time().build();
            let runtime = runtime.map_err(|error| {
                ApprovalError::new(
                    Code::Misuse,
                    format!("a runtime to wait on could not be started: {error}"),
                )
            })?;
            Ok(runtime.block_on(future))
        }
    }
}

fn unsafe_here() -> ApprovalError {
    ApprovalError::new(
        Code::Misuse,
        "a guarded sync function cannot wait here without stopping the runtime; make it `async`, or run it on a multi-thread runtime outside a `LocalSet`",
    )
}
