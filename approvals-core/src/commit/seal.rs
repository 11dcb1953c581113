//! Seals what opens commitments, before a store gets it.

use super::engine::Engine;
use super::stage::Stage;
use super::store_error;
use crate::envelope::{Envelope, EnvelopeError};
use crate::error::{ApprovalError, Code};
use crate::id::{Draw, RequestId};
use crate::sealed::Disclosure;

impl Engine {
    /// The disclosures of one step, sealed under the data key of their request.
    ///
    /// A request gets its data key with its first disclosure: here, under the write lock, so that
    /// it never gets two.
    pub(super) fn seal_disclosures(
        &mut self,
        stage: &Stage,
        request: RequestId,
        is_new: bool,
        disclosures: &[Disclosure],
    ) -> Result<Envelope, ApprovalError> {
        if disclosures.is_empty() {
            return Ok(Envelope::default());
        }
        if let Some(key) = stage.disclosure_key {
            self.vault.seal_with(key).map_err(|error| lost(&error))?;
        }
        let mut draw = Draw::default();
        let staged = stage.batch.data_keys.iter().find(|(of, _)| *of == request);
        let have = match staged {
            Some((_, key)) => Some(key.clone()),
            None if is_new => None,
            None => self.store.disclosures(request).map_err(store_error)?.key,
        };
        let (key, new) = match have {
            Some(wrapped) => {
                let key = self.vault.unwrap(request, &wrapped);
                (key.map_err(|error| sealed_away(request, &error))?, None)
            }
            None => {
                let (key, wrapped) = self.vault.new_key(request, &mut draw)?;
                (key, Some(wrapped))
            }
        };
        let sealed = self.vault.seal(request, &key, disclosures, &mut draw)?;
        Ok(Envelope::new(new, sealed))
    }
}

/// Nothing may be sealed under a key that the store knows nothing of.
pub(super) fn lost(error: &EnvelopeError) -> ApprovalError {
    let message = format!("what people are shown cannot be sealed in this store: {error}");
    ApprovalError::new(Code::AuditUnavailable, message)
}

/// What is sealed cannot be shown, and what cannot be shown cannot be decided.
pub(super) fn sealed_away(request: RequestId, error: &EnvelopeError) -> ApprovalError {
    let message = format!("what people are shown of this request cannot be opened: {error}");
    ApprovalError::new(Code::Unrenderable, message).with_request(request)
}
