//! Why a key or a file of secrets cannot be used.

use std::io;
use std::path::PathBuf;

use crate::files::Exposed;

/// Why there is no key to sign with, or no secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The system has no randomness.
    #[error(
        "the system gave no random bytes for a key; make its random generator available and try again"
    )]
    Random,
    /// The signing library refused the seed.
    #[error("the seed was refused; make a new key")]
    Refused,
    /// The text is not a private key in PEM.
    #[error(
        "not an unencrypted private key in PEM; make one with `openssl genpkey -algorithm ed25519`, or decrypt \
         yours with `openssl pkey`"
    )]
    Pem,
    /// The PEM holds another kind of key.
    #[error(
        "not an ed25519 key in PKCS#8 version 1; make one with `openssl genpkey -algorithm ed25519`"
    )]
    Algorithm,
    /// The text is not one line of secrets.
    #[error("not one line `approvals-secrets-v1` and 32 bytes in base64; restore it from a backup")]
    Secrets,
    /// The text is not one line of a disclosure key.
    #[error(
        "not one line `approvals-disclosure-key-v1` and 32 bytes in base64; restore it from your backup of the keys"
    )]
    Disclosure,
    /// The file is there already.
    #[error("`{path}` exists and is left as it is; read it, or choose another path for a new {what}", path = .path.display())]
    Exists {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is not there.
    #[error("there is no {what} at `{path}`; restore it from your backup, or make one for a new ledger", path = .path.display())]
    Missing {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is open to others.
    #[error(
        "the {what} is open to other users: {cause}, and make a new one if somebody may have read it"
    )]
    Exposed {
        /// What the file is for.
        what: &'static str,
        /// The file, and what others can do with it.
        cause: Exposed,
    },
    /// The file holds something else.
    #[error("`{path}` holds no {what}: {cause}", path = .path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<KeyError>,
    },
    /// The file cannot be read.
    #[error("cannot read the {what} `{path}`: {cause}; check the path and its owner", path = .path.display())]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the {what} `{path}`: {cause}; check the directory and its free space", path = .path.display())]
    Write {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}
