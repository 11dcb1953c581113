//! A home: one directory with everything that a gate needs.
//!
//! | file | what it is | who may write it |
//! |---|---|---|
//! | `approvals.db` | the ledger | the processes that ask and decide |
//! | `store.url` | where the ledger is instead, if it is elsewhere; can hold a password | its owner |
//! | `ledger.key` | the private key that signs the ledger | [`Home::rotate_key`], [`Home::revoke_key`] |
//! | `secrets.key` | what binds redacted values; outlives the ledger key | nobody, ever again |
//! | `disclosure.key` | what opens what people were shown | [`Home::replace_disclosure_key`], after an erasure |
//! | `log.vkey` | the public key that the log began with, under the log's name: what auditors pin | nobody |
//! | `recovery.vkey` | the public half of the key that can revoke the ledger key | nobody |
//! | `recovery.key` | its private half: move it to another place before anything else | nobody |
//! | `policy.toml` | what each action takes | its owner; [`Home::propose_policy`] when it says who must approve that |
//! | `policy.toml.next` | the policy that is proposed, until it is in force | [`Home::propose_policy`] |
//! | `people.toml` | who is who, and in which group | its owner |
//! | `http.toml` | which token is which agent, if `approvals serve` runs here | its owner |
//! | `anchors.toml` | where heads of the log are kept outside of it: the head pin, the witnesses | its owner |
//! | `witness.policy` | who the witnesses are, and how many are enough; only if they are asked | its owner |
//!
//! Trusted: who can write the directory decides what may run, and who can read it can sign a
//! false history, test guesses of redacted values and read what people were shown. Give it to the user who runs the gate and to nobody else.
//!
//! The key in force is nowhere in a file of its own: it follows from `log.vkey` and the records, see [`Home::keys`].

mod anchors;
mod change;
mod disclosure;
mod files;
mod rekey;
#[cfg(test)]
mod scene;
mod starter;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anchors::Anchors;
use approvals_core::anchor::Anchoring;
use approvals_core::gate::{Builder, Gate, Keys, LocalSigner};
use approvals_core::ledger::{KeyError, Origin, Secrets, VerifierKey};
use approvals_core::ports::{Directory, Reader, Signer, Store};
use approvals_core::{ApprovalError, Code, People, Policy, inventory};

pub use disclosure::DisclosureFiles;
pub use rekey::{OldKey, Rekeyed, Revoking};
pub use starter::Starter;

use crate::FilePin;
use crate::failure::store_error;
use crate::url::StoreUrl;

/// A gate's builder with its four decisions made: only options are left.
pub type HomeBuilder = Builder<Policy, Arc<dyn Directory>, Box<dyn Store>, Keys>;

/// A directory with a ledger, the key that signs it, a policy and people; all of it loaded.
///
/// # Examples
/// ```
/// use approvals_store::home::{Home, Starter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let dir = scratch.path().join("approvals");
/// Home::create(&dir, Starter::new("example.com/approvals".parse()?))?;
///
/// let home = Home::open(&dir)?;
/// let gate = home.gate()?.environment("prod").open().await?;
/// assert_eq!(gate.policy().digest(), home.policy().digest());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Home {
    paths: Paths,
    vkey: VerifierKey,
    recovery: VerifierKey,
    policy: Policy,
    people: People,
    store: StoreUrl,
    anchors: Anchors,
}

impl Home {
    /// Makes a new home, with a new key and an empty ledger.
    ///
    /// The directory is made when it is not there. No file is ever overwritten.
    ///
    /// # Errors
    /// - `Misuse` when one of the files is there already; nothing is changed;
    /// - `PolicyInvalid` when a text of the starter cannot be loaded; nothing is written;
    /// - `StoreUnavailable`, `AuditUnavailable` when a file cannot be made.
    pub fn create(directory: impl AsRef<Path>, starter: Starter) -> Result<Self, ApprovalError> {
        let paths = Paths::of(directory.as_ref());
        starter.write(&paths)?;
        Self::open(directory)
    }

    /// Loads a home. Nothing is assumed: what is missing or open to others is refused.
    ///
    /// # Errors
    /// - `StoreUnavailable` when there is no such directory;
    /// - `PolicyInvalid` when the policy or the people file is missing, cannot be loaded, or can
    ///   be written by others than its owner, and likewise the directory they lie in; the same for the
    ///   anchors file, and for the witness policy when the anchors file asks witnesses;
    /// - `AuditUnavailable` when a public key is missing or is none.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, ApprovalError> {
        let paths = Paths::of(directory.as_ref());
        if !paths.directory().is_dir() {
            let message = format!(
                "there is no approvals home at `{}`; name another directory, or make one with `approvals init`",
                paths.directory().display()
            );
            return Err(ApprovalError::new(Code::StoreUnavailable, message));
        }
        let people = People::parse(&files::read_guarded(
            &paths.people(),
            "people file",
            &paths.key(),
        )?)?;
        let text = files::read_guarded(&paths.policy(), "policy", &paths.key())?;
        let policy = Policy::parse(&text, &people.groups(), &inventory())?;
        let vkey = read_vkey(&paths.vkey(), "ledger key")?;
        let recovery = read_vkey(&paths.recovery_vkey(), "recovery key")?;
        let store = paths.store()?;
        let anchors = Anchors::load(&paths, &vkey)?;
        Ok(Self {
            paths,
            vkey,
            recovery,
            policy,
            people,
            store,
            anchors,
        })
    }

    /// The same home, with its ledger elsewhere than it says itself.
    #[must_use]
    pub fn with_store(mut self, url: StoreUrl) -> Self {
        self.store = url;
        self
    }

    /// A gate's builder for this home: add options and channels, and open it.
    ///
    /// # Errors
    /// As [`Home::signer`], [`Home::secrets`] and [`Home::store`].
    pub fn gate(&self) -> Result<HomeBuilder, ApprovalError> {
        self.check_settled()?;
        self.check_policy_settled()?;
        self.gate_signed_by(self.signer()?)
    }

    /// The same for a home whose ledger is signed elsewhere, by a KMS or an HSM.
    ///
    /// # Errors
    /// As [`Home::secrets`] and [`Home::store`].
    pub fn gate_signed_by(
        &self,
        signer: impl Signer + 'static,
    ) -> Result<HomeBuilder, ApprovalError> {
        let secrets = self.secrets()?;
        let builder = Gate::builder()
            .policy(self.policy.clone())
            .people(self.people.clone())
            .store(self.store()?)
            .signer(signer, secrets)
            .disclosure_keys(self.paths.disclosure_keys())
            .genesis_vkey(self.vkey.clone())
            .recovery_vkey(self.recovery.clone());
        let builder = match self.anchors.pinning() {
            Some(pinning) => builder.head_pin(pinning),
            None => builder,
        };
        Ok(match self.anchors.anchoring.clone() {
            Some(anchoring) => builder.anchoring(anchoring),
            None => builder,
        })
    }

    /// Opens the ledger, which must be there: a lost ledger is not mistaken for a new one.
    ///
    /// # Errors
    /// `StoreUnavailable` when it is missing or cannot be opened, `AuditTampered` when it is
    /// damaged; it is then left as it is.
    pub fn store(&self) -> Result<Box<dyn Store>, ApprovalError> {
        self.store.open_existing().map_err(store_error)
    }

    /// Opens the ledger to read it, without a right to write.
    ///
    /// # Errors
    /// As [`Home::store`].
    pub fn reader(&self) -> Result<Box<dyn Reader>, ApprovalError> {
        self.store.reader().map_err(store_error)
    }

    /// Where the ledger is.
    #[must_use]
    pub fn store_url(&self) -> &StoreUrl {
        &self.store
    }

    /// Reads the private key of the ledger. Whether it is the one in force shows when a gate opens.
    ///
    /// # Errors
    /// `AuditUnavailable` when it is missing, open to others or no key.
    pub fn signer(&self) -> Result<LocalSigner, ApprovalError> {
        let signer = LocalSigner::read_file(self.paths.key(), self.origin());
        signer.map_err(|error| damaged_key(&error))
    }

    /// Reads the secrets of the log.
    ///
    /// # Errors
    /// `AuditUnavailable` when they are missing, open to others or none.
    pub fn secrets(&self) -> Result<Secrets, ApprovalError> {
        Secrets::read_file(self.paths.secrets()).map_err(|error| damaged_key(&error))
    }

    /// The public key that the log began with: what auditors pin, whatever key is in force.
    #[must_use]
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// The public half of the key that can revoke the ledger key.
    #[must_use]
    pub fn recovery_vkey(&self) -> &VerifierKey {
        &self.recovery
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.vkey.name()
    }

    /// What each action takes, as it was when the home was loaded.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who is who, as it was when the home was loaded.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Reads one more file of the home, such as the configuration of a channel: none when it is not there.
    ///
    /// # Errors
    /// `PolicyInvalid` when others than its owner can write it or the directory, or it cannot be read;
    /// `StoreUnavailable` when others can read it.
    pub fn read_private(&self, name: &str, what: &str) -> Result<Option<String>, ApprovalError> {
        let path = self.paths.directory().join(name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => files::read_private(&path, what, &self.paths.key()).map(Some),
        }
    }

    /// The file that keeps the newest signed head outside the store, if the home has one.
    #[must_use]
    pub fn head_pin(&self) -> Option<FilePin> {
        self.anchors.pin.as_ref().map(FilePin::new)
    }

    /// Who cosigns the heads of the log, and what waits for them, if anybody does.
    #[must_use]
    pub fn anchoring(&self) -> Option<&Anchoring> {
        self.anchors.anchoring.as_ref()
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.paths.directory()
    }

    /// Where its files are.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }
}

/// Where the files of a home are; whether they exist is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(PathBuf);

impl Paths {
    /// Those of a home in this directory.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// The ledger.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// Says where the ledger is, if it is elsewhere.
    #[must_use]
    pub fn url(&self) -> PathBuf {
        self.0.join("store.url")
    }

    /// Where the ledger is: in this directory, unless `store.url` says otherwise.
    ///
    /// # Errors
    /// - `PolicyInvalid` when others than its owner can write that file, or it cannot be read;
    /// - `StoreUnavailable` when others can read it, or when there is no such URL in it.
    pub fn store(&self) -> Result<StoreUrl, ApprovalError> {
        let path = self.url();
        let text = match path.symlink_metadata() {
            Ok(_) => files::read_private(&path, "address of the store", &self.key())?,
            Err(_) => format!("sqlite:{DATABASE}"),
        };
        let url: Result<StoreUrl, _> = text.trim_end().parse();
        url.map(|url| url.within(self.directory()))
            .map_err(|error| {
                let message = format!("{error} (in `{}`)", path.display());
                ApprovalError::new(Code::StoreUnavailable, message)
            })
    }

    /// The private key that signs the ledger.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("ledger.key")
    }

    /// What the log keeps secret beside its key.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets.key")
    }

    /// The public key that the log began with.
    #[must_use]
    pub fn vkey(&self) -> PathBuf {
        self.0.join("log.vkey")
    }

    /// The private key that can revoke the ledger key, until it is moved elsewhere.
    #[must_use]
    pub fn recovery_key(&self) -> PathBuf {
        self.0.join("recovery.key")
    }

    /// Its public half.
    #[must_use]
    pub fn recovery_vkey(&self) -> PathBuf {
        self.0.join("recovery.vkey")
    }

    /// What each action takes.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// The policy that is proposed, until it is in force.
    #[must_use]
    pub fn next_policy(&self) -> PathBuf {
        self.0.join("policy.toml.next")
    }

    /// Who is who.
    #[must_use]
    pub fn people(&self) -> PathBuf {
        self.0.join("people.toml")
    }

    /// Where heads of the log are kept outside of it.
    #[must_use]
    pub fn anchors(&self) -> PathBuf {
        self.0.join("anchors.toml")
    }

    /// Who the witnesses are, and how many are enough.
    #[must_use]
    pub fn witness_policy(&self) -> PathBuf {
        self.0.join("witness.policy")
    }

    fn all(&self) -> [PathBuf; 12] {
        [
            self.database(),
            self.url(),
            self.key(),
            self.secrets(),
            self.disclosure(),
            self.vkey(),
            self.recovery_key(),
            self.recovery_vkey(),
            self.policy(),
            self.people(),
            self.anchors(),
            self.witness_policy(),
        ]
    }
}

/// The ledger of a home that keeps it itself.
const DATABASE: &str = "approvals.db";

fn read_vkey(path: &Path, what: &str) -> Result<VerifierKey, ApprovalError> {
    let refuse = |why: &dyn std::fmt::Display| {
        let message = format!(
            "`{}` does not hold the public half of the {what} ({why}); restore it from a backup",
            path.display()
        );
        ApprovalError::new(Code::AuditUnavailable, message)
    };
    let text = fs::read_to_string(path).map_err(|error| refuse(&error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    line.parse().map_err(|error| refuse(&error))
}

fn damaged_key(error: &KeyError) -> ApprovalError {
    ApprovalError::new(Code::AuditUnavailable, error.to_string())
}
