//! Where the app is installed, kept in a file: without these addresses it can post nowhere.
//!
//! Teams tells them once, at the installation. Whoever can write the file can at most make the app
//! post to another conversation of the same tenant's connectors: an address is checked again when
//! it is used, and no click from a place that is not on record counts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cloud::{Cloud, ServiceUrl};
use crate::config::InvalidConfig;

/// How many conversations are kept: more than one tenant has teams for approvals, and a bound.
const MOST: usize = 10_000;

/// The conversations that the app was added to.
#[derive(Debug)]
pub(crate) struct Places {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    version: u8,
    conversations: BTreeMap<String, Place>,
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// Its connector.
    pub(crate) service: String,
    /// The person, by Entra object id, if it is the chat of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
}

impl Places {
    /// Reads the file; none is there before the first installation.
    pub(crate) fn open(path: PathBuf) -> Result<Self, InvalidConfig> {
        let shown = path.display();
        let known = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                InvalidConfig::new(format!("`{shown}` cannot be read ({error}); delete it, and add the app to its conversations again"))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Known {
                version: 1,
                ..Known::default()
            },
            Err(error) => {
                return Err(InvalidConfig::new(format!("cannot read `{shown}` ({error}); check its permissions")));
            }
        };
        Ok(Self {
            path,
            known: Mutex::new(known),
        })
    }

    /// Remembers a conversation, on disk before it returns.
    pub(crate) fn learn(&self, conversation: &str, place: Place) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.conversations.get(conversation) == Some(&place) {
            return Ok(());
        }
        if known.conversations.len() >= MOST && !known.conversations.contains_key(conversation) {
            return Err(std::io::Error::other("too many conversations are known"));
        }
        let mut next = known.clone();
        next.conversations.insert(conversation.to_owned(), place);
        self.keep(&next)?;
        *known = next;
        Ok(())
    }

    /// Forgets a conversation that the app was removed from.
    pub(crate) fn forget(&self, conversation: &str) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = known.clone();
        if next.conversations.remove(conversation).is_some() {
            self.keep(&next)?;
            *known = next;
        }
        Ok(())
    }

    /// The connector of a conversation, or of any other when this one is not known: a channel has
    /// no address of its own, and its team's is known by the team's.
    pub(crate) fn service(&self, conversation: &str, cloud: &Cloud) -> Option<ServiceUrl> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let root = conversation.split(';').next().unwrap_or_default();
        let own = known.conversations.get(root);
        let place = own.or_else(|| known.conversations.values().next())?;
        ServiceUrl::parse(&place.service, cloud)
    }

    /// The chat with one person, if the app was added to it.
    pub(crate) fn chat_of(&self, person: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = known.conversations.iter();
        let found = all.find(|(_, place)| place.person.as_deref() == Some(person));
        found.map(|(conversation, _)| conversation.clone())
    }

    /// Whether the app was added to this very conversation.
    pub(crate) fn knows(&self, conversation: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.conversations.contains_key(conversation)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.conversations.len()
    }

    fn keep(&self, known: &Known) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(known)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}
