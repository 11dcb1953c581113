//! Under construction.

extern crate self as approvals_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod action;
pub mod anchor;
pub mod canonical;
pub mod card;
pub mod clock;
mod commit;
pub mod digest;
pub mod directory;
pub mod engines;
pub mod envelope;
pub mod erasure;
pub mod error;
pub mod files;
pub mod gate;
mod guard;
pub mod id;
pub mod ledger;
pub mod lifecycle;
pub mod memory;
pub mod permit;
pub mod policy;
pub mod policy_change;
pub mod ports;
pub mod principal;
pub mod proposal;
pub mod rehearse;
pub mod request;
pub mod review;
pub mod scope;
pub mod sealed;
pub mod secret;
pub mod sshsig;
pub mod terminal;
pub mod testing;
pub mod text;
pub mod webauthn;

/// Makes a struct an action that runs through [`approve`] and [`Approved::run`].
///
/// # Examples
/// ```
/// use approvals_core::Action;
///
/// #[derive(Action)]
/// #[action(scope = "iam.grant", reason = "give {role} to {user}", environment = "prod")]
/// struct Grant {
///     user: String,
///     role: String,
///     #[action(redact)]
///     one_time_code: String,
/// }
/// # drop(Grant { user: String::new(), role: String::new(), one_time_code: String::new() });
/// ```
pub use approvals_macros::Action;
/// Lets a function run only after people, or a rule, approved exactly this call of it.
///
/// # Examples
/// ```
/// use approvals_core::testing::TestGate;
/// use approvals_core::{Agent, ApprovalError, requires_approval};
///
/// #[requires_approval(
///     scope = "k8s.scale",
///     reason = "scale {service} to {replicas}",
///     resource = "deployment {service}",
///     skip(client)
/// )]
/// async fn scale(client: &str, service: &str, replicas: u32) -> Result<u32, ApprovalError> {
///     Ok(replicas)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ApprovalError> {
/// let gate = TestGate::approving();
/// let agent = Agent::new("bot").on_behalf_of("u_alice");
/// assert_eq!(gate.enter(agent, scale("client", "web", 3)).await?, 3);
/// assert_eq!(gate.assert_asked("k8s.scale").not_covered, ["client"]);
/// # Ok(())
/// # }
/// ```
pub use approvals_macros::requires_approval;

pub use action::{GuardedFn, inventory, inventory_json};
pub use card::Card;
pub use clock::{Clock, SystemClock, Timestamp};
pub use commit::{
    Adopted, Journal, Loss, Opening, Relation, StoredLog, StoredNodes, key_chain, receipt, relate,
    verify, verify_source,
};
pub use digest::{ActionDigest, PolicyDigest};
pub use directory::People;
pub use error::{ApprovalError, Code};
pub use gate::{ApprovalGate, Gate, clear_default, install_default};
pub use guard::{Action, Approved, approve};
pub use id::{AgentId, GroupName, PersonId, RequestId, RuleId};
pub use memory::ForgetfulStore;
pub use permit::Permit;
pub use policy::{Evaluation, Policy, Requirement};
pub use principal::{Agent, Assurance, IdentityKey, Requester, Standing};
pub use proposal::Proposal;
pub use request::{Outcome, Status};
pub use review::{Review, VerifiedApprover, Vote};
pub use scope::{Scope, ScopePattern};
pub use text::Untrusted;

/// The README, the design and its reasons: their code compiles.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../DESIGN.md")]
    mod design {}
}
