//! Reading what is sealed.

use super::{Journal, fold, seal::sealed_away};
use crate::envelope::Envelope;
use crate::error::ApprovalError;
use crate::id::RequestId;
use crate::lifecycle::RequestState;
use crate::sealed::Disclosure;

impl Journal {
    /// What opens the commitments of one request, opened; what the store no longer has, or has
    /// not as it was sealed, is missing.
    ///
    /// # Errors
    /// `Unrenderable` when the data key of the request cannot be unwrapped, `StoreUnavailable`
    /// when the store cannot be read.
    pub async fn disclosures(&self, request: RequestId) -> Result<Vec<Disclosure>, ApprovalError> {
        let envelope = self.read(move |reader| reader.disclosures(request)).await?;
        self.opened(request, &envelope)
    }

    /// One request and what opens it, as they were together.
    pub(crate) async fn whole(
        &self,
        request: RequestId,
    ) -> Result<Option<(RequestState, Vec<Disclosure>)>, ApprovalError> {
        let mut looks = 0;
        loop {
            looks += 1;
            // What opens it comes first: an erasure in between then shows as one, not as damage.
            let look = self.read(move |reader| {
                let envelope = reader.disclosures(request)?;
                Ok((envelope, reader.records_of(request)?))
            });
            let (envelope, records) = look.await?;
            let Some((state, _)) = fold::fold(&records, request, &self.0.log)? else {
                return Ok(None);
            };
            let disclosures = self.opened(request, &envelope)?;
            let has = |wanted| disclosures.iter().any(|have| have.commitment == wanted);
            // A reason that was given in between is on record and not in the envelope: look again.
            if looks > 1 || state.erased().is_some() || state.disclosed().into_iter().all(has) {
                return Ok(Some((state, disclosures)));
            }
        }
    }

    fn opened(
        &self,
        request: RequestId,
        envelope: &Envelope,
    ) -> Result<Vec<Disclosure>, ApprovalError> {
        let opened = self.0.vault.open(request, envelope);
        opened.map_err(|error| sealed_away(request, &error))
    }
}
