//! The directory: who people are, which accounts are theirs, and which groups they are in.
//!
//! [`Directory`] is the port; [`People`] answers it from a file:
//!
//! ```toml
//! version = 1
//!
//! [[group]]                # optional: says what a group is for, and that it must not be empty
//! id = "oncall"
//! description = "whoever carries the pager"
//!
//! [[person]]
//! id = "u_dana"            # stable: never an e-mail address or a login
//! name = "Dana Example"
//! groups = ["oncall"]
//! status = "active"        # or "disabled"
//!
//! [[person.identity]]
//! provider = "ssh"
//! key = "ssh-ed25519 AAAA…"
//!
//! [[person.identity]]      # what enrolling a passkey in the inbox shows
//! provider = "passkey"
//! tenant = "approvals.example"
//! credential = "…"
//! key = "…"
//!
//! [[person.identity]]
//! provider = "slack"
//! tenant = "T0123"
//! subject = "U0123"
//! ```
//!
//! Trusted: who can modify the people file can make anybody an approver, so it belongs to an
//! operator and never to the agent's user.

mod key;
mod load;
mod local;
mod passkey;
mod people;
#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;

pub use key::ssh_identity;
pub use load::PeopleError;
pub use local::local_identity;
pub(crate) use passkey::Kind as PasskeyKind;
pub use passkey::{InvalidPasskey, Passkey, PasskeyKey, RpId, passkey_identity};
pub use people::{People, Person};

use crate::id::PersonId;
use crate::principal::{IdentityKey, Standing};

/// Says who an account belongs to and what that person may do now; an error of it is a no.
///
/// It is asked at every review and again before a permit is used, from several tasks at once, so
/// an implementation
/// - answers from what is true now: an answer from a cache is as old as it is wrong, and somebody
///   who left a group must not be counted in it;
/// - matches identities byte for byte, and gives one account to one person only;
/// - returns an error when it does not know, and never an empty answer in its place: `Ok(None)`
///   says that there is no such account or person;
/// - says of a disabled person that they are not active, and does not leave them out.
///
/// # Examples
/// ```
/// use approvals_core::directory::{Directory, DirectoryError};
/// use approvals_core::{IdentityKey, PersonId, Standing};
///
/// /// Refuses everybody while the real directory is away.
/// #[derive(Debug)]
/// struct Away;
///
/// #[async_trait::async_trait]
/// impl Directory for Away {
///     async fn resolve(&self, _: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
///         Err(DirectoryError::new("the directory does not answer; try again later"))
///     }
///     async fn standing(&self, _: &PersonId) -> Result<Option<Standing>, DirectoryError> {
///         Err(DirectoryError::new("the directory does not answer; try again later"))
///     }
/// }
/// ```
#[async_trait]
pub trait Directory: Send + Sync + fmt::Debug {
    /// The person an account is linked to; `None` when it is linked to nobody.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot tell now.
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError>;

    /// Whether the person may act, and in which groups they are; `None` when there is no such
    /// person.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot tell now.
    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError>;
}

/// The directory could not tell; whoever asked must refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DirectoryError {
    message: String,
}

impl DirectoryError {
    /// An error whose message says what to do; it reaches logs, so it holds no secrets.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}
