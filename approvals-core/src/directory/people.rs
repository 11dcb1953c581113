//! The people file, loaded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ssh_key::PublicKey;

use super::{Directory, DirectoryError, Passkey, local_identity};
use crate::digest::sha256;
use crate::id::{GroupName, PersonId};
use crate::principal::{IdentityKey, Standing};

/// The people a file knows; immutable, and cheap to clone and share.
///
/// An account that it does not know belongs to nobody. Load the file again to change anything.
#[derive(Clone)]
pub struct People(Arc<Inner>);

struct Inner {
    digest: [u8; 32],
    version: u64,
    people: BTreeMap<PersonId, Person>,
    by_identity: HashMap<IdentityKey, PersonId>,
    groups: BTreeSet<GroupName>,
}

/// One person of a people file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Person {
    /// The stable id.
    pub id: PersonId,
    /// How people call them. Any text: escape it before drawing it, and never decide by it.
    pub name: Option<String>,
    /// Whether they may act at all.
    pub active: bool,
    /// The groups the file puts them in.
    pub groups: BTreeSet<GroupName>,
    /// Their accounts.
    pub identities: Vec<IdentityKey>,
    /// The keys behind their `ssh` accounts.
    pub ssh_keys: Vec<PublicKey>,
    /// The keys behind their `passkey` accounts.
    pub passkeys: Vec<Passkey>,
}

impl People {
    pub(super) fn new(
        text: &str,
        version: u64,
        people: BTreeMap<PersonId, Person>,
        declared: BTreeSet<GroupName>,
    ) -> Self {
        let mut groups = declared;
        let mut by_identity = HashMap::new();
        for person in people.values() {
            groups.extend(person.groups.iter().cloned());
            for identity in local_identity(&person.id).iter().chain(&person.identities) {
                by_identity.insert(identity.clone(), person.id.clone());
            }
        }
        Self(Arc::new(Inner {
            digest: sha256(&[text.as_bytes()]),
            version,
            people,
            by_identity,
            groups,
        }))
    }

    /// The person an account is linked to; `None` when it is linked to nobody.
    #[must_use]
    pub fn resolve(&self, identity: &IdentityKey) -> Option<&PersonId> {
        self.0.by_identity.get(identity)
    }

    /// What the person may do; a disabled person is in no group.
    #[must_use]
    pub fn standing(&self, person: &PersonId) -> Option<Standing> {
        let person = self.0.people.get(person)?;
        Some(if person.active {
            Standing::active(person.id.clone(), person.groups.iter().cloned())
        } else {
            Standing::disabled(person.id.clone())
        })
    }

    /// Every group that is declared or that somebody is in.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<GroupName> {
        self.0.groups.clone()
    }

    /// How people call somebody. Any text: escape it before drawing it.
    #[must_use]
    pub fn name(&self, person: &PersonId) -> Option<&str> {
        self.0.people.get(person)?.name.as_deref()
    }

    /// Every SSH key with the person it belongs to, of active people and of disabled ones.
    pub fn ssh_keys(&self) -> impl Iterator<Item = (&PersonId, &PublicKey)> {
        self.people()
            .flat_map(|person| person.ssh_keys.iter().map(move |key| (&person.id, key)))
    }

    /// The passkeys of a person, of every site.
    #[must_use]
    pub fn passkeys(&self, person: &PersonId) -> &[Passkey] {
        let person = self.0.people.get(person);
        person.map_or(&[], |person| &person.passkeys)
    }

    /// Everybody, by id.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.0.people.values()
    }

    /// The version the file gives itself.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The SHA-256 of the text it was loaded from.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.0.digest
    }
}

#[async_trait]
impl Directory for People {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        Ok(People::resolve(self, identity).cloned())
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        Ok(People::standing(self, person))
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "People(version {}, {} people, {} groups)",
            self.0.version,
            self.0.people.len(),
            self.0.groups.len()
        )
    }
}
