//! The typed form: an action as a value that can only be reached through its approval.

use std::fmt;
use std::future::Future;

use super::{GuardedReturn, refuse, settle};
use crate::action::{Binder, GuardedFn, bind};
use crate::error::ApprovalError;
use crate::gate::ambient;
use crate::id::RequestId;
use crate::permit::Permit;

/// An action as a value. Derive it: `#[derive(Action)] #[action(scope = "db.drop")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an action",
    note = "add `#[derive(Action)]` and `#[action(scope = \"..\")]` to it"
)]
pub trait Action {
    /// What the compiler saw.
    #[doc(hidden)]
    const GUARDED: &'static GuardedFn;

    /// Binds the fields.
    #[doc(hidden)]
    fn bind(&self, binder: &mut Binder<'_>);
}

/// An approved action: the only way to its fields, once.
///
/// No public constructor, no `Clone`, no serde: whoever holds one holds the approval, and
/// [`Approved::run`] uses it up. Dropped unused, it is withdrawn, and that is recorded.
///
/// # Examples
/// ```
/// use approvals_core::testing::TestGate;
/// use approvals_core::{Action, Agent, ApprovalError, Approved, approve};
///
/// #[derive(Action)]
/// #[action(scope = "db.drop", reason = "drop {table}")]
/// struct DropTable {
///     table: String,
/// }
///
/// async fn drop_table(command: Approved<DropTable>) -> Result<usize, ApprovalError> {
///     command.run(|DropTable { table }| async move { Ok(table.len()) }).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ApprovalError> {
/// let gate = TestGate::approving();
/// let dropped = gate
///     .enter(Agent::new("bot").on_behalf_of("u_alice"), async {
///         drop_table(approve(DropTable { table: "old".into() }).await?).await
///     })
///     .await?;
/// assert_eq!(dropped, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "an approved action that is not run is withdrawn"]
pub struct Approved<A> {
    action: A,
    permit: Permit,
}

/// Asks for an action, and gives it back approved.
///
/// # Errors
/// Every no of the gate; see [`ApprovalError`].
pub async fn approve<A: Action>(action: A) -> Result<Approved<A>, ApprovalError> {
    let bound = bind(A::GUARDED, |binder| action.bind(binder));
    let permit = ambient().authorize(bound).await?;
    Ok(Approved { action, permit })
}

impl<A: Action> Approved<A> {
    /// Uses the approval up and runs the body with the action that was approved.
    ///
    /// Returns what the body returns, once its outcome is recorded, or the refusal.
    pub async fn run<R, F, Fut>(self, body: F) -> R
    where
        R: GuardedReturn,
        F: FnOnce(A) -> Fut,
        Fut: Future<Output = R>,
    {
        let started = match self.permit.start().await {
            Ok(started) => started,
            Err(error) => return refuse(error),
        };
        let action = self.action;
        match started.check(bind(A::GUARDED, |binder| action.bind(binder))) {
            Ok(running) => settle(running, body(action).await).await,
            Err(burned) => refuse(burned.record().await),
        }
    }

    /// The request it was approved in.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.permit.request()
    }
}

impl<A> fmt::Debug for Approved<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // INVARIANT: not even Debug reaches the action before it runs.
        write!(f, "Approved({})", self.permit.request())
    }
}
