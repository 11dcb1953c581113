//! Who asks and who decides: agents, requesters, people, identities.

mod agent;
mod identity;

pub use agent::{Agent, Requester};
pub use identity::{Assurance, IdentityKey, InvalidIdentity, Standing};
