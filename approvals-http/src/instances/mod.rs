//! Instances of agents that a provisioner makes, as the Agent Approval Protocol has them: each an
//! agent of its own, with a token of its own and, if it wants one, a receiver that is told when a
//! request of it is decided. What a receiver is told is only that it may look.
//!
//! Trusted: a provisioner makes agents, under a name and behind people that http.toml gives it; it
//! cannot ask, decide or make agents of anybody else. Who can read `instances.json` can sign what
//! receivers believe, which wakes them and decides nothing.

mod file;
mod provisioner;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use approvals_core::{AgentId, ApprovalError, Code};

pub(crate) use file::{Delivery, Instance};
pub(crate) use provisioner::{Provisioner, ProvisionerText, Provisioning};

use crate::auth::{Caller, TokenHash};
use crate::config::Config;

/// Every instance that was made, kept in one file that only its owner can read.
///
/// An instance whose provisioner is no longer in http.toml is not known any more.
#[derive(Debug, Clone, Default)]
pub struct Instances(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    path: Option<PathBuf>,
    all: Vec<Instance>,
}

impl Instances {
    /// The instances in a file; `text` is what is in it, none when there is no file yet.
    ///
    /// # Errors
    /// `Misuse` when the text is not what was written there.
    pub fn open(path: PathBuf, text: Option<&str>) -> Result<Self, ApprovalError> {
        let all = match text {
            None => Vec::new(),
            Some(text) => file::read(text)?,
        };
        let kept = Kept {
            path: Some(path),
            all,
        };
        Ok(Self(Arc::new(Mutex::new(kept))))
    }

    /// Everything there is; of provisioners that are still there.
    pub(crate) fn all(&self, config: &Config) -> Vec<Instance> {
        let kept = self.locked();
        let known = kept
            .all
            .iter()
            .filter(|one| one.provisioner(config).is_some());
        known.cloned().collect()
    }

    /// The agent that a token belongs to.
    pub(crate) fn caller(&self, token: &TokenHash, config: &Config) -> Option<Caller> {
        let kept = self.locked();
        let instance = kept.all.iter().find(|one| one.token == *token)?;
        let by = instance.provisioner(config)?;
        Some(by.caller(instance.agent.clone()))
    }

    /// Keeps one more: durable when this returns. It writes a small file, while whoever asks waits.
    pub(crate) fn add(&self, instance: Instance) -> Result<(), ApprovalError> {
        let mut kept = self.locked();
        let mut all = kept.all.clone();
        all.push(instance);
        kept.replace(all)
    }

    /// Forgets one, with its token: durable when this returns.
    pub(crate) fn remove(&self, id: &str) -> Result<(), ApprovalError> {
        let mut kept = self.locked();
        let all = kept.all.iter().filter(|one| one.id != id);
        let all = all.cloned().collect();
        kept.replace(all)
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn replace(&mut self, all: Vec<Instance>) -> Result<(), ApprovalError> {
        let Some(path) = &self.path else {
            let message =
                "instances are kept nowhere here; give the server a file with `Server::instances`";
            return Err(ApprovalError::new(Code::Misuse, message));
        };
        file::write(path, &all)?;
        self.all = all;
        Ok(())
    }
}

/// A name for an instance that makes an agent id: the provisioner's, then what was asked for.
pub(crate) fn agent(prefix: &str, name: &str, id: &str) -> Option<AgentId> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let short: String = id.chars().take(8).collect();
    let fits = (1..=60).contains(&name.len()) && name.bytes().all(plain);
    fits.then(|| format!("{prefix}/{name}@{short}").parse().ok())
        .flatten()
}
