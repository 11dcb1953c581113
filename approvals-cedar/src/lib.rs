//! Cedar policies beside an approvals policy.
//!
//! ```cedar
//! @id("prod-deploy") @require("oncall:1, security:1")
//! forbid(principal, action in Action::"deploy", resource) when { context.env == "prod" };
//! ```
//!
//! [`CedarEngine`] judges every proposal by a policy set that was strictly validated against its
//! schema, and every doubt is a no. It can only tighten: nothing runs that the TOML policy would
//! not let run. See `docs/policy.md` of the project for the schema it takes.
//!
//! Trusted: who can modify the two texts can take away what they add to the TOML policy, and
//! nothing of what that policy asks. Name the engine in the TOML policy (`[[engine]]`), and its
//! texts cannot be changed or left out without a newer policy.

mod context;
mod engine;
mod error;
mod load;
mod shape;
mod typing;

pub use engine::{CedarEngine, CedarRule};
pub use error::{CedarError, CedarFinding, CedarText};

/// The page about policies: its code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/policy.md")]
mod documentation {}
