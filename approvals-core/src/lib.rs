//! Under construction.

extern crate self as approvals_core;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod action;
pub mod canonical;
pub mod card;
pub mod clock;
mod commit;
pub mod digest;
pub mod directory;
pub mod error;
pub mod gate;
mod guard;
pub mod id;
pub mod ledger;
pub mod lifecycle;
pub mod memory;
pub mod permit;
pub mod policy;
pub mod ports;
pub mod principal;
pub mod proposal;
pub mod request;
pub mod review;
pub mod scope;
pub mod sealed;
pub mod sshsig;
pub mod terminal;
pub mod testing;
pub mod text;

pub use approvals_macros::{Action, requires_approval};

pub use action::{GuardedFn, inventory, inventory_json};
pub use card::Card;
pub use clock::{Clock, SystemClock, Timestamp};
pub use commit::{Journal, verify};
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
