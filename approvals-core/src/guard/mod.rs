//! The guard's runtime: return types, the typed form, and blocking where it is safe.

mod approved;
mod blocking;

pub use approved::{Action, Approved, approve};
pub(crate) use blocking::block_on;

use crate::error::ApprovalError;
use crate::permit::Running;
use crate::request::Outcome;

/// What a guarded function may return: `Result<T, E>` where `E: From<ApprovalError>`.
#[diagnostic::on_unimplemented(
    message = "a guarded function must return `Result<T, E>` where `E: From<ApprovalError>`",
    label = "this return type cannot carry a refusal",
    note = "return `Result<_, ApprovalError>`, `anyhow::Result<_>`, or implement `From<ApprovalError>` for your error type"
)]
pub trait GuardedReturn {
    /// The refusal, as this type carries it.
    fn refuse(error: ApprovalError) -> Self;

    /// Whether the body did what it was asked to.
    fn succeeded(&self) -> bool;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<ApprovalError>> GuardedReturn for Result<T, E> {
    fn refuse(error: ApprovalError) -> Self {
        Err(E::from(error))
    }

    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

/// Ends a guarded call that must not run.
#[must_use]
pub fn refuse<R: GuardedReturn>(error: ApprovalError) -> R {
    R::refuse(error)
}

/// Records how the body ended, and hands its result on once that is durable.
pub async fn settle<R: GuardedReturn>(running: Running, result: R) -> R {
    let outcome = if result.succeeded() {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    };
    match running.finish(outcome).await {
        Ok(()) => result,
        Err(error) => R::refuse(error),
    }
}
