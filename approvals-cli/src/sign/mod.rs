//! The approver's own key: which one it is, whose it is, and signing with it.

mod openssh;

use std::fs;
use std::path::{Path, PathBuf};

use approvals_core::directory::ssh_identity;
use approvals_core::review::{PostStatement, Statement};
use approvals_core::{Code, People, PersonId, sshsig};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};

use crate::failure::Failure;

/// A key that can sign, here or through OpenSSH.
pub(crate) struct SigningKey {
    path: PathBuf,
    public: PublicKey,
    /// The private key, where it lies open in its file.
    open: Option<String>,
}

impl SigningKey {
    /// The key at `path`, or the first of the usual ones.
    pub(crate) fn find(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) => Self::read(path),
            None => Self::read(&usual()?),
        }
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = read(path)?;
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            return Ok(Self {
                path: path.to_owned(),
                public,
                open: None,
            });
        }
        if let Ok(private) = PrivateKey::from_openssh(&text) {
            let public = private.public_key().clone();
            let open = (!private.is_encrypted() && signs_here(&public)).then_some(text);
            return Ok(Self {
                path: path.to_owned(),
                public,
                open,
            });
        }
        // Another private format: OpenSSH can sign with it, and the public half says whose it is.
        let beside = read(&with_pub(path)).ok();
        match beside.and_then(|text| PublicKey::from_openssh(text.trim()).ok()) {
            Some(public) => Ok(Self {
                path: path.to_owned(),
                public,
                open: None,
            }),
            None => Err(Failure::usage(&format!(
                "`{}` is not an SSH key; name a private key or a `.pub` file with `--key`",
                path.display()
            ))),
        }
    }

    /// Whose key it is: who is named, else the person it is linked to.
    ///
    /// Naming somebody proves nothing; the gate refuses it unless the key is that person's.
    pub(crate) fn person(
        &self,
        people: &People,
        named: Option<&PersonId>,
    ) -> Result<PersonId, Failure> {
        if let Some(person) = named {
            return Ok(person.clone());
        }
        let identity = ssh_identity(&self.public).ok();
        let person = identity.and_then(|identity| people.resolve(&identity).cloned());
        person.ok_or_else(|| {
            let message = format!(
                "the key `{}` ({}) is linked to no person; add it to the person's identities in people.toml, or name another one with `--key`",
                self.path.display(),
                self.public.fingerprint(HashAlg::Sha256)
            );
            Failure::new(Code::IdentityUnresolved, message)
        })
    }

    /// Signs the statement; may ask for a passphrase, a PIN or a touch.
    pub(crate) fn sign(&self, statement: &Statement) -> Result<String, Failure> {
        match &self.open {
            Some(key) => Ok(sshsig::sign(statement, key)?),
            None => openssh::sign(&self.path, &statement.bytes()?),
        }
    }

    /// Signs the statement of a review after the use, in the same way.
    pub(crate) fn sign_post(&self, statement: &PostStatement) -> Result<String, Failure> {
        match &self.open {
            Some(key) => Ok(sshsig::sign_post(statement, key)?),
            None => openssh::sign(&self.path, &statement.bytes()?),
        }
    }
}

fn signs_here(public: &PublicKey) -> bool {
    matches!(
        public.algorithm(),
        Algorithm::Ed25519
            | Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256
            }
    )
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let message = format!(
            "cannot read the key `{}` ({error}); name another one with `--key`",
            path.display()
        );
        Failure::usage(&message)
    })
}

/// The first key that people usually have.
fn usual() -> Result<PathBuf, Failure> {
    let folder = std::env::home_dir().unwrap_or_default().join(".ssh");
    let found = USUAL
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let message = format!(
            "there is no {} in `{}`; name your key with `--key`",
            USUAL.join(", "),
            folder.display()
        );
        Failure::usage(&message)
    })
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

const USUAL: &[&str] = &["id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk"];
