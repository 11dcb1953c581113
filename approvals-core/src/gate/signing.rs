//! What signs a gate's ledger.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::ledger::{LedgerKey, Origin, Secrets, VerifierKey};
use crate::ports::{SignError, Signer};

/// What signs the ledger, and what the log keeps secret beside that key.
#[derive(Debug)]
pub struct Keys {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) secrets: Secrets,
}

/// A ledger key in this process's memory: whoever can read that memory can sign, too.
pub struct LocalSigner {
    key: LedgerKey,
    vkey: VerifierKey,
}

impl LocalSigner {
    /// Signs for the log of this name.
    #[must_use]
    pub fn new(key: LedgerKey, origin: &Origin) -> Self {
        Self {
            vkey: key.vkey(origin),
            key,
        }
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
}
