//! What a new home starts with.

use std::fs;
use std::path::{Path, PathBuf};

use approvals_core::envelope::DisclosureKey;
use approvals_core::ledger::{LedgerKey, Origin, Secrets, VerifierKey};
use approvals_core::{ApprovalError, Code, People, Policy, inventory};

use super::{Paths, damaged_key, files};
use crate::failure::store_error;
use crate::url::StoreUrl;

/// What a new home starts with: the name of its log, a policy, and people.
///
/// # Examples
/// ```
/// use approvals_store::home::{Home, Starter};
///
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("approvals");
/// let people = r#"
///     version = 1
///     [[person]]
///     id = "u_dana"
///     groups = ["approvers"]
/// "#;
/// Home::create(&dir, Starter::new("example.com/approvals".parse()?).people(people))?;
/// assert!(Home::create(&dir, Starter::new("example.com/approvals".parse()?)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is written by `Home::create`"]
pub struct Starter {
    origin: Origin,
    policy: String,
    people: String,
    recovery: Option<VerifierKey>,
    store: Option<StoreUrl>,
}

impl Starter {
    /// A log of this name, one approval of the group `approvers` for every action, and a person
    /// in it who has no account yet.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            policy: include_str!("starter_policy.toml").to_owned(),
            people: include_str!("starter_people.toml").to_owned(),
            recovery: None,
            store: None,
        }
    }

    /// Another policy.
    pub fn policy(mut self, text: impl Into<String>) -> Self {
        self.policy = text.into();
        self
    }

    /// Other people.
    pub fn people(mut self, text: impl Into<String>) -> Self {
        self.people = text.into();
        self
    }

    /// The public half of a recovery key that was made elsewhere, and whose private half never comes here.
    /// Otherwise one is made in the home, to be moved away.
    pub fn recovery_vkey(mut self, vkey: VerifierKey) -> Self {
        self.recovery = Some(vkey);
        self
    }

    /// A ledger elsewhere: in another file, or in a database for several machines.
    pub fn store(mut self, url: StoreUrl) -> Self {
        self.store = Some(url);
        self
    }

    /// Writes the files of a new home, or none.
    pub(super) fn write(&self, paths: &Paths) -> Result<(), ApprovalError> {
        // A text that could not be loaded is refused before anything is there.
        let people = People::parse(&self.people)?;
        Policy::parse(&self.policy, &people.groups(), &inventory())?;
        if let Some(vkey) = self
            .recovery
            .as_ref()
            .filter(|vkey| *vkey.name() != self.origin)
        {
            let message = format!(
                "the recovery key is one of the log `{}`, and this log is `{}`; pass the vkey that was made for this log",
                vkey.name(),
                self.origin
            );
            return Err(ApprovalError::new(Code::Misuse, message));
        }
        files::make_directory(paths.directory())?;
        if let Some(path) = paths
            .all()
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
        {
            return Err(exists(&path));
        }
        let mut made = Vec::new();
        let written = self.write_each(paths, &mut made);
        if written.is_err() {
            for path in made {
                // Nothing was recorded or signed with it; what stays is named at the next try.
                let _ = fs::remove_file(path);
            }
        }
        written
    }

    fn write_each(&self, paths: &Paths, made: &mut Vec<PathBuf>) -> Result<(), ApprovalError> {
        let key = LedgerKey::create_file(paths.key()).map_err(|error| damaged_key(&error))?;
        made.push(paths.key());
        Secrets::create_file(paths.secrets()).map_err(|error| damaged_key(&error))?;
        made.push(paths.secrets());
        DisclosureKey::create_file(paths.disclosure()).map_err(|error| damaged_key(&error))?;
        made.push(paths.disclosure());
        let vkey = format!("{}\n", key.vkey(&self.origin));
        let recovery = match &self.recovery {
            Some(vkey) => vkey.clone(),
            None => {
                let key = LedgerKey::create_file(paths.recovery_key());
                made.push(paths.recovery_key());
                key.map_err(|error| damaged_key(&error))?.vkey(&self.origin)
            }
        };
        let recovery = format!("{recovery}\n");
        for (path, text) in [
            (paths.vkey(), &vkey),
            (paths.recovery_vkey(), &recovery),
            (paths.people(), &self.people),
            (paths.policy(), &self.policy),
            (
                paths.anchors(),
                &include_str!("starter_anchors.toml").to_owned(),
            ),
        ] {
            files::create(&path, text)?;
            made.push(path);
        }
        if let Some(url) = &self.store {
            files::create(&paths.url(), &format!("{}\n", url.secret_text()))?;
            made.push(paths.url());
        }
        let url = paths.store()?;
        let new = url.file().is_some_and(|path| !path.exists());
        made.extend(url.file().filter(|_| new).map(Path::to_owned));
        let mut store = url.open().map_err(store_error)?;
        match store.head().map_err(store_error)?.frontier.size() {
            0 => Ok(()),
            size => Err(ApprovalError::new(
                Code::Misuse,
                format!(
                    "there is a ledger of {size} records in `{url}` already; copy the home that belongs to it, or name another store"
                ),
            )),
        }
    }
}

fn exists(path: &Path) -> ApprovalError {
    let message = format!(
        "`{}` is there already and is left as it is; open this home, or make a new one in an empty directory",
        path.display()
    );
    ApprovalError::new(Code::Misuse, message)
}
