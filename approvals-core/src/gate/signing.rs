//! What signs a gate's ledger.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::commit::Opening;
use crate::envelope::DisclosureKeys;
use crate::ledger::{KeyError, LedgerKey, Origin, Secrets, VerifierKey};
use crate::ports::{Pinning, SignError, Signer};

/// What signs the ledger, and what the log keeps secret beside that key.
#[derive(Debug)]
pub struct Keys {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) secrets: Secrets,
}

/// What is known outside of a log, and how long its key may take to sign.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) patience: Option<Duration>,
    pub(super) genesis: Option<VerifierKey>,
    pub(super) recovery: Option<VerifierKey>,
    pub(super) pinning: Option<Pinning>,
    pub(super) disclosure_keys: Option<Arc<dyn DisclosureKeys>>,
}

impl Known {
    pub(super) fn opening(self, keys: Keys, clock: &Arc<dyn Clock>) -> Opening {
        let mut opening = Opening::shared(keys.signer, keys.secrets, Arc::clone(clock));
        if let Some(at_most) = self.patience {
            opening = opening.signer_patience(at_most);
        }
        if let Some(vkey) = self.genesis {
            opening = opening.genesis_vkey(vkey);
        }
        if let Some(vkey) = self.recovery {
            opening = opening.recovery_vkey(vkey);
        }
        if let Some(keys) = self.disclosure_keys {
            opening = opening.disclosure_keys(keys);
        }
        if let Some(pinning) = self.pinning {
            opening = opening.head_pin(pinning);
        }
        opening
    }
}

/// A ledger key in this process's memory: whoever can read that memory can sign, too.
pub struct LocalSigner {
    key: LedgerKey,
    vkey: VerifierKey,
    file: Option<PathBuf>,
}

impl LocalSigner {
    /// Signs for the log of this name.
    #[must_use]
    pub fn new(key: LedgerKey, origin: &Origin) -> Self {
        Self {
            vkey: key.vkey(origin),
            key,
            file: None,
        }
    }

    /// Signs with the key in a file; when the key is replaced there, this process goes on with the new one.
    ///
    /// # Errors
    /// As [`LedgerKey::read_file`].
    pub fn read_file(path: impl Into<PathBuf>, origin: &Origin) -> Result<Self, KeyError> {
        let path = path.into();
        let signer = Self::new(LedgerKey::read_file(&path)?, origin);
        Ok(Self {
            file: Some(path),
            ..signer
        })
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner")
            .field("vkey", &self.vkey)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for LocalSigner {
    fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(message).to_vec())
    }

    async fn successor(&self, vkey: &VerifierKey) -> Result<Option<Arc<dyn Signer>>, SignError> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let found = Self::read_file(path, vkey.name());
        let found = found.map_err(|error| SignError(error.to_string()))?;
        let found = (found.vkey == *vkey).then_some(found);
        Ok(found.map(|signer| Arc::new(signer) as Arc<dyn Signer>))
    }
}
