//! The account that everybody in a people file has: the one an operator of this machine vouches for.

use crate::id::PersonId;
use crate::principal::{IdentityKey, InvalidIdentity};

/// The account for which an operator of this machine vouches by handing out a one-time link:
/// provider `local`, no tenant, and the person's id.
///
/// It proves as little as the operator's word does (`A1`), and no entry of a people file makes one.
///
/// # Errors
/// [`InvalidIdentity`] never: a person's id is plain text.
pub fn local_identity(person: &PersonId) -> Result<IdentityKey, InvalidIdentity> {
    IdentityKey::new(PROVIDER, "", person.as_str())
}

pub(super) const PROVIDER: &str = "local";
