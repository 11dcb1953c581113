//! What a journal is opened with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::envelope::{DisclosureKeys, Vault};
use crate::error::ApprovalError;
use crate::ledger::{Secrets, VerifierKey};
use crate::ports::{Pinning, Signer};

use super::pen::Pen;
use super::seal::lost;

/// What a journal is opened with: the key that signs, the secrets of the log, and what is known of it outside.
///
/// A gate opens its own; this is for tools that change the keys of a log.
pub struct Opening {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) secrets: Secrets,
    pub(super) patience: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) genesis: Option<VerifierKey>,
    pub(super) recovery: Option<VerifierKey>,
    pub(super) pinning: Option<Pinning>,
    pub(super) disclosure_keys: Option<Arc<dyn DisclosureKeys>>,
}

impl Opening {
    /// With this key and these secrets.
    #[must_use]
    pub fn new(signer: impl Signer + 'static, secrets: Secrets) -> Self {
        Self::shared(Arc::new(signer), secrets, Arc::new(SystemClock))
    }

    pub(crate) fn shared(signer: Arc<dyn Signer>, secrets: Secrets, clock: Arc<dyn Clock>) -> Self {
        Self {
            signer,
            secrets,
            patience: Duration::from_secs(2),
            clock,
            genesis: None,
            recovery: None,
            pinning: None,
            disclosure_keys: None,
        }
    }

    /// How long a batch waits for its signature before it is given up and nothing is written; 2 s unless set.
    #[must_use]
    pub fn signer_patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    /// The key that the log must have begun with; otherwise its own word is taken for that.
    #[must_use]
    pub fn genesis_vkey(mut self, vkey: VerifierKey) -> Self {
        self.genesis = Some(vkey);
        self
    }

    /// The key that a new log names as the one that can revoke the others, and that an old one must have named.
    #[must_use]
    pub fn recovery_vkey(mut self, vkey: VerifierKey) -> Self {
        self.recovery = Some(vkey);
        self
    }

    /// Another clock than the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where the newest head is kept beside the store.
    #[must_use]
    pub fn head_pin(mut self, pinning: Pinning) -> Self {
        self.pinning = Some(pinning);
        self
    }

    /// Where the disclosure key is kept; otherwise it is derived from the secrets, and can never be replaced.
    #[must_use]
    pub fn disclosure_keys(mut self, keys: Arc<dyn DisclosureKeys>) -> Self {
        self.disclosure_keys = Some(keys);
        self
    }

    /// What seals and opens the envelopes of this log.
    pub(super) fn vault(&self) -> Result<Vault, ApprovalError> {
        let log = self.signer.vkey().name().as_str();
        match &self.disclosure_keys {
            Some(keys) => Vault::with_keys(log, Arc::clone(keys)).map_err(|error| lost(&error)),
            None => Ok(Vault::new(log, self.secrets.disclosure_key())),
        }
    }

    pub(super) fn pen(&self) -> Pen {
        Pen::new(Arc::clone(&self.signer), self.patience)
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}
