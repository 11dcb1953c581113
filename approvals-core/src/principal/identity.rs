//! Accounts, people's standing, and how well an identity is proven.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::id::{GroupName, PersonId};

/// How strongly a decision is tied to a person.
///
/// In the spirit of the authenticator assurance levels of [NIST SP 800-63B].
///
/// [NIST SP 800-63B]: https://pages.nist.gov/800-63-4/sp800-63b.html
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three levels are part of the policy format"
)]
pub enum Assurance {
    /// A chat service vouches for the click.
    A1,
    /// A fresh login with a second factor.
    A2,
    /// A signature by the person's own key over exactly this decision.
    A3,
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One account of somebody: provider, tenant and the subject that never changes hands.
///
/// Compared byte for byte: no case folding, no trimming, and never by e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    provider: String,
    tenant: String,
    subject: String,
}

impl IdentityKey {
    /// The account of `subject` at a provider; `tenant` is empty where the provider has none.
    ///
    /// # Errors
    /// [`InvalidIdentity`] when a part is a wildcard or pattern, is longer than 256 bytes, holds
    /// white space or control characters, or when provider or subject is empty.
    pub fn new(provider: &str, tenant: &str, subject: &str) -> Result<Self, InvalidIdentity> {
        for (part, text) in [
            ("provider", provider),
            ("tenant", tenant),
            ("subject", subject),
        ] {
            let empty = text.is_empty() && part != "tenant";
            let bad = text.len() > 256
                || text
                    .chars()
                    .any(|c| c.is_control() || c.is_whitespace() || "*?!,".contains(c));
            if empty || bad {
                return Err(InvalidIdentity {
                    part,
                    text: crate::canonical::clip(text),
                });
            }
        }
        Ok(Self {
            provider: provider.to_owned(),
            tenant: tenant.to_owned(),
            subject: subject.to_owned(),
        })
    }

    /// Who vouches for the account: `ssh`, `slack`, `entra`, `oidc`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The workspace, directory or issuer the account lives in; may be empty.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The immutable name of the account there.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// `provider:tenant:subject`; a colon inside the first two is written `%3A`, so that no two
/// accounts share a text.
impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.provider, &self.tenant] {
            for c in part.chars() {
                match c {
                    ':' => f.write_str("%3A")?,
                    '%' => f.write_str("%25")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char(':')?;
        }
        f.write_str(&self.subject)
    }
}

/// A text that cannot be part of an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` cannot be the {part} of an identity; write one exact, immutable id, without wildcards or spaces"
)]
pub struct InvalidIdentity {
    part: &'static str,
    text: String,
}

/// What the directory says about one person now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The person.
    pub person: PersonId,
    /// Whether the person may act at all; a disabled person may not.
    pub active: bool,
    /// The groups the person is in.
    pub groups: BTreeSet<GroupName>,
}

impl Standing {
    /// The standing of an active person in these groups.
    #[must_use]
    pub fn active(person: PersonId, groups: impl IntoIterator<Item = GroupName>) -> Self {
        Self {
            person,
            active: true,
            groups: groups.into_iter().collect(),
        }
    }

    /// The standing of a person who may no longer act.
    #[must_use]
    pub fn disabled(person: PersonId) -> Self {
        Self {
            person,
            active: false,
            groups: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_accounts_share_a_text() {
        let text = |provider, tenant, subject| {
            let identity = IdentityKey::new(provider, tenant, subject).unwrap();
            identity.to_string()
        };
        assert_eq!(text("slack", "T1", "U1"), "slack:T1:U1");
        assert_eq!(text("ssh", "", "SHA256:x"), "ssh::SHA256:x");
        let oidc = text("oidc", "https://id.example", "u:1");
        assert_eq!(oidc, "oidc:https%3A//id.example:u:1");
        assert_ne!(text("a", "b:c", "d"), text("a", "b", "c:d"));
        assert_ne!(text("a:b", "c", "d"), text("a", "b:c", "d"));
        assert_ne!(text("a", "b%3Ac", "d"), text("a", "b:c", "d"));
    }

    #[test]
    fn threat_21_identities_match_byte_for_byte() {
        let alice = IdentityKey::new("slack", "T1", "U1").unwrap();
        for (tenant, subject) in [("T2", "U1"), ("T1", "u1"), ("T1", "U1x")] {
            assert_ne!(IdentityKey::new("slack", tenant, subject).unwrap(), alice);
        }
        for subject in ["", "*", "U1 ", " U1", "U?", "!U1", "a,b", "U\u{200b}\n"] {
            assert!(
                IdentityKey::new("slack", "T1", subject).is_err(),
                "{subject:?}"
            );
        }
    }
}
