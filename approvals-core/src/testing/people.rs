//! A directory in which everybody exists.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::id::{GroupName, PersonId};
use crate::ports::{Directory, DirectoryError};
use crate::principal::{IdentityKey, Standing};

/// Everybody exists and is active; accounts of provider `test` are people of the same name.
#[derive(Debug, Clone, Default)]
pub struct Everybody {
    groups: BTreeMap<PersonId, Vec<GroupName>>,
    disabled: Vec<PersonId>,
}

impl Everybody {
    /// Nobody is in any group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This person is in this group, too.
    #[must_use]
    pub fn member(mut self, person: PersonId, group: GroupName) -> Self {
        self.groups.entry(person).or_default().push(group);
        self
    }

    /// This person may no longer act.
    #[must_use]
    pub fn without(mut self, person: PersonId) -> Self {
        self.disabled.push(person);
        self
    }
}

#[async_trait]
impl Directory for Everybody {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        Ok((identity.provider() == "test")
            .then(|| identity.subject().parse().ok())
            .flatten())
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        if self.disabled.contains(person) {
            return Ok(Some(Standing::disabled(person.clone())));
        }
        let groups = self.groups.get(person).cloned().unwrap_or_default();
        Ok(Some(Standing::active(person.clone(), groups)))
    }
}
