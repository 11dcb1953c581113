//! What is kept of instances, and how.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use approvals_core::{AgentId, ApprovalError, Code};
use serde::{Deserialize, Serialize};

use super::Provisioner;
use crate::auth::TokenHash;
use crate::config::Config;

/// One instance. Its token is not kept, only its hash; its signing secret must be.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instance {
    /// Names it: a UUID.
    pub(crate) id: String,
    /// What its maker calls it.
    pub(crate) name: String,
    /// The agent that it is.
    pub(crate) agent: AgentId,
    /// The prefix of the provisioner that made it.
    pub(super) agents: String,
    /// The call that made it: its key and its body, hashed.
    pub(crate) made_by: String,
    pub(crate) made_of: String,
    #[serde(with = "hash")]
    pub(crate) token: TokenHash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Delivery>,
}

/// Where an instance's receiver is, and what signs for it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    pub(crate) url: String,
    pub(crate) registration_id: String,
    pub(crate) signing_secret: String,
}

impl Instance {
    /// An instance by its id and name, its agent and the prefix it was made under, and the call that
    /// made it.
    pub(crate) fn new(
        (id, name): (String, String),
        (agent, agents): (AgentId, String),
        (made_by, made_of): (String, String),
        token: TokenHash,
        delivery: Option<Delivery>,
    ) -> Self {
        Self {
            id,
            name,
            agent,
            agents,
            made_by,
            made_of,
            token,
            delivery,
        }
    }

    /// Who made it, if http.toml still says so.
    pub(crate) fn provisioner<'a>(&self, config: &'a Config) -> Option<&'a Provisioner> {
        config
            .provisioners
            .values()
            .find(|by| by.agents == self.agents)
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delivery(..)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    instances: Vec<Instance>,
}

pub(super) fn read(text: &str) -> Result<Vec<Instance>, ApprovalError> {
    let read: Result<Document, _> = serde_json::from_str(text);
    match read {
        Ok(document) if document.version == VERSION => Ok(document.instances),
        // Nothing of the text: there are secrets in it.
        _ => Err(ApprovalError::new(
            Code::Misuse,
            "instances.json is not what was written there; restore it, or remove it and make the instances anew",
        )),
    }
}

/// Puts a new file in the place of the old one: a crash leaves one of them, whole.
pub(super) fn write(path: &Path, instances: &[Instance]) -> Result<(), ApprovalError> {
    let document = Document {
        version: VERSION,
        instances: instances.to_vec(),
    };
    put(path, &document).map_err(|error| {
        let message = format!("the instance cannot be kept ({error}), and so was not made; look at the state directory");
        ApprovalError::new(Code::StoreUnavailable, message)
    })
}

fn put(path: &Path, document: &Document) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    // Only its owner can open it, from its first byte on.
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    match cfg!(unix) {
        true => File::open(parent)?.sync_all(),
        false => Ok(()),
    }
}

const VERSION: u32 = 1;

/// A hash of a token as text.
mod hash {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::auth::TokenHash;

    pub(super) fn serialize<S: Serializer>(
        hash: &TokenHash,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TokenHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
