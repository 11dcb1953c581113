//! An action as it stands on record, for whoever asked for it elsewhere and holds no key.

use super::{AgentClaims, Disclosure, FixedRecord, Redacted, SealedAction};
use crate::digest::{ActionDigest, Commitment};
use crate::error::{ApprovalError, Code};
use crate::proposal::Proposal;

/// An action as it stands on record, with what opens it, as far as that is there.
///
/// It may come from anywhere: only [`again`](Self::again) says whether it is what was asked.
#[derive(Debug, Clone)]
pub struct RecordedAction {
    record: FixedRecord,
    digest: ActionDigest,
    disclosures: Vec<Disclosure>,
}

impl RecordedAction {
    /// A record and what may open it; what does not is left out.
    ///
    /// # Errors
    /// `NonCanonical` when the record has no canonical form.
    pub fn new(
        record: impl Into<FixedRecord>,
        mut disclosures: Vec<Disclosure>,
    ) -> Result<Self, ApprovalError> {
        let record = record.into();
        disclosures.retain(|given| record.disclosed().any(|own| *own == given.commitment));
        let digest = record.digest()?;
        Ok(Self {
            record,
            digest,
            disclosures,
        })
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &FixedRecord {
        &self.record
    }

    /// The digest of the record, computed from it.
    #[must_use]
    pub fn digest(&self) -> ActionDigest {
        self.digest
    }

    /// What opens the commitments of shown values and words.
    #[must_use]
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// The digest of a proposal that is sealed just as this one was: it is this one's digest if,
    /// and only if, it is the same proposal.
    ///
    /// Redacted values are bound under a key that is not here, so their commitments are taken over:
    /// whether they are the same must be seen by other means.
    ///
    /// # Errors
    /// `ActionMismatch` when what opens the record is not all there, or a value is redacted on one
    /// side only; `NonCanonical` when two parameters share a name.
    pub fn again(
        &self,
        proposal: &Proposal,
        claims: AgentClaims,
    ) -> Result<ActionDigest, ApprovalError> {
        let mut salts = self.record.salts(&self.disclosures).ok_or_else(|| {
            let message = "what opens the recorded action is not all there; ask again";
            ApprovalError::new(Code::ActionMismatch, message)
        })?;
        let of = (self.record.request_id, self.record.expires_at);
        let redacted = Redacted::As(&self.record);
        SealedAction::sealed(proposal, claims, of, &mut salts, redacted)
            .map(|sealed| sealed.digest())
    }

    /// The proposal with the agent's words as they are on record: those of a later try may differ.
    /// Whether the glass is broken is no matter of words: it stays as it is.
    #[must_use]
    pub fn reworded(&self, mut proposal: Proposal) -> Proposal {
        proposal.rationale = self.words(&self.record.rationale);
        if proposal.break_glass.is_some() && self.record.break_glass.is_some() {
            proposal.break_glass = self.words(&self.record.break_glass);
        }
        proposal
    }

    fn words(&self, commitment: &Option<Commitment>) -> Option<String> {
        let commitment = commitment.as_ref()?;
        let mut disclosures = self.disclosures.iter();
        let found = disclosures.find(|disclosure| disclosure.commitment == *commitment)?;
        found.open()?.2.as_text().map(str::to_owned)
    }
}
