//! The gate: the one way to a permit, and the one place where reviews are counted.

mod ambient;
mod authorize;
mod builder;
mod call;
mod consume;
mod desk;
mod distant;
mod erase;
mod hold;
mod listing;
mod notices;
mod propose;
mod receipts;
mod refusals;
mod reload;
mod review;
mod signing;
mod wait;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;

pub(crate) use ambient::given;
pub use ambient::{Handle, ambient, clear_default, detach, enter, enter_blocking, install_default};
pub use builder::{Builder, Missing};
pub use call::Call;
pub use refusals::Refusal;
pub use review::Tally;
pub use signing::{Keys, LocalSigner};

use crate::anchor::{AnchorStatus, Anchors};
use crate::clock::{Clock, Timestamp};
use crate::commit::Journal;
use crate::digest::RedactionKey;
use crate::engines::Engines;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::permit::Permit;
use crate::policy::Policy;
use crate::ports::{Directory, Notifier};
use crate::principal::Agent;

/// Asks for approval and gives permits.
///
/// Implemented by [`Gate`], by test gates, and by remote gates whose store, keys and policy live
/// in another process.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an approval gate",
    note = "pass a `Gate`, a reference to one, or an `Arc` of one"
)]
pub trait ApprovalGate: Send + Sync + fmt::Debug {
    /// Waits until the call may run, and gives the single-use right to run it.
    ///
    /// # Errors
    /// Every way to a no, each with its own [`Code`].
    async fn authorize(&self, call: Call) -> Result<Permit, ApprovalError>;

    /// The same gate, to keep.
    fn shared(&self) -> Arc<dyn ApprovalGate>;

    /// Who asks when a call names nobody.
    fn default_agent(&self) -> Option<Agent> {
        None
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        impl<G: ApprovalGate + ?Sized> ApprovalGate for $pointer {
            async fn authorize(&self, call: Call) -> Result<Permit, ApprovalError> {
                (**self).authorize(call).await
            }

            fn shared(&self) -> Arc<dyn ApprovalGate> {
                (**self).shared()
            }

            fn default_agent(&self) -> Option<Agent> {
                (**self).default_agent()
            }
        }
    )*};
}
forward!(Arc<G>, &G);

/// The default gate: policy, store, ledger and people in this process.
///
/// Cheap to clone. Everything a caller or an approver can do goes through it.
///
/// # Examples
/// ```
/// use approvals_core::{Agent, ApprovalError, requires_approval};
/// use approvals_core::testing::TestGate;
///
/// #[requires_approval(scope = "db.export", reason = "weekly export of {table}")]
/// async fn export(table: String) -> Result<u64, ApprovalError> {
///     Ok(table.len() as u64)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ApprovalError> {
/// let gate = TestGate::approving();
/// let rows = gate.enter(Agent::new("bot").on_behalf_of("u_alice"), export("users".into())).await?;
/// assert_eq!(rows, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// Ends before the journal does.
    anchors: Option<Anchors>,
    journal: Journal,
    policy: reload::Held,
    engines: Engines,
    people: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    key: RedactionKey,
    notifiers: Vec<Arc<dyn Notifier>>,
    channels: Vec<String>,
    options: Options,
    attached: std::sync::Mutex<std::collections::HashSet<RequestId>>,
    post: notices::Post,
    refusals: refusals::Refusals,
    /// Whether bytes of what was erased may still lie in the store.
    unscrubbed: AtomicBool,
}

#[derive(Debug, Clone)]
struct Options {
    environment: Option<String>,
    agent: Option<Agent>,
    full_binding: bool,
    patience: Duration,
}

impl Gate {
    /// Starts a gate: [`Builder`] lists what it takes.
    #[must_use]
    pub fn builder() -> Builder<Missing, Missing, Missing, Missing> {
        Builder::default()
    }

    /// The ledger behind it.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// How much of the log its witnesses have cosigned, for a readiness probe; none without witnesses.
    #[must_use]
    pub fn anchoring(&self) -> Option<AnchorStatus> {
        let anchors = self.0.anchors.as_ref()?;
        Some(anchors.status(&*self.0.clock))
    }

    /// Asks the witnesses now, and waits until a quorum has cosigned all there is.
    ///
    /// # Errors
    /// `AuditUnavailable` when there is no quorum in time, `Misuse` for a gate without witnesses.
    pub async fn anchor(&self) -> Result<(), ApprovalError> {
        match &self.0.anchors {
            Some(anchors) => anchors.cover_all().await,
            None => Err(ApprovalError::new(
                Code::Misuse,
                "this gate has no witnesses; name some in `anchors.toml`, or give it some with `Gate::builder().anchoring(..)`",
            )),
        }
    }

    /// The policy that this gate judges by. When another one is on record, nothing is asked or used.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.0.policy.get()
    }

    /// The time, as the gate sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

#[async_trait]
impl ApprovalGate for Gate {
    // As the attribute would write it, but that the box does not keep the call beside the future.
    fn authorize<'life, 'future>(
        &'life self,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Permit, ApprovalError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(authorize::authorize(&self.0, call))
    }

    fn shared(&self) -> Arc<dyn ApprovalGate> {
        Arc::new(self.clone())
    }

    fn default_agent(&self) -> Option<Agent> {
        self.0.options.agent.clone()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("journal", &self.0.journal)
            .finish_non_exhaustive()
    }
}
