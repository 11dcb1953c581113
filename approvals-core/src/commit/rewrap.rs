//! Wrapping the data keys anew under another disclosure key, so that the one before can be destroyed.

use super::engine::Engine;
use super::seal::{lost, sealed_away};
use super::{Journal, Lane, hold, store_error};
use crate::envelope::DisclosureKeyId;
use crate::error::{ApprovalError, Code};
use crate::ports::{Batch, Head};

/// How many data keys one step wraps anew: others write between two steps.
const STEP: usize = 512;

/// The disclosure key that goes, and the one that comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewrap {
    old: DisclosureKeyId,
    new: DisclosureKeyId,
}

impl Journal {
    /// Replaces the disclosure key: `new` seals from here on, and every data key that `old` wrapped
    /// and that was not erased is wrapped by it. Gives how many that were.
    ///
    /// Both keys must lie where the journal's [`DisclosureKeys`](crate::ports::DisclosureKeys) finds
    /// them, for every process that has the store open. It goes on in steps, between which others
    /// write, and is finished by calling it again when it was interrupted. Once it has returned
    /// nothing in the store needs the old key: destroy that, and what was erased is gone from every
    /// copy of the store.
    ///
    /// # Errors
    /// - `Misuse` when the disclosure key of this journal follows from the secrets of the log;
    /// - `AuditUnavailable` when the store is sealed under neither key, or one is not found;
    /// - `Unrenderable` when a data key cannot be unwrapped: it stays as it is;
    /// - `StoreUnavailable` when the store cannot be written.
    pub async fn replace_disclosure_key(
        &self,
        old: DisclosureKeyId,
        new: DisclosureKeyId,
    ) -> Result<u64, ApprovalError> {
        if self.0.vault.is_fixed() {
            let message = "the disclosure key follows from the secrets of the log, so that it cannot be replaced; open the log with disclosure keys of its own";
            return Err(ApprovalError::new(Code::Misuse, message));
        }
        let keys = Rewrap { old, new };
        let mut all = 0;
        loop {
            let wrapped = match &self.0.lane {
                Lane::Inline(engine) => hold(engine).rewrap(keys),
                Lane::Threads { committer, .. } => committer.rewrap(keys).await,
            }?;
            if wrapped == 0 {
                return Ok(all);
            }
            all += wrapped;
        }
    }
}

impl Engine {
    /// One step, in a transaction of its own; the first one makes the new key the one that seals.
    pub(super) fn rewrap(&mut self, keys: Rewrap) -> Result<u64, ApprovalError> {
        let head = self.begin()?;
        let staged = self.stage_rewrap(head, keys);
        let batch = self.or_rollback(staged)?;
        let committed = self.store.commit(&batch);
        committed.map_err(|error| self.failed(&error))?;
        Ok(u64::try_from(batch.data_keys.len()).unwrap_or(u64::MAX))
    }

    fn stage_rewrap(&mut self, head: Head, keys: Rewrap) -> Result<Batch, ApprovalError> {
        if let Some(sealed) = head.disclosure_key
            && ![keys.old, keys.new].contains(&sealed)
        {
            let message = format!(
                "the store is sealed under disclosure key `{sealed}`, which is not the one to be replaced; restore the keys that belong to this store"
            );
            return Err(ApprovalError::new(Code::AuditUnavailable, message));
        }
        self.vault
            .seal_with(keys.new)
            .map_err(|error| lost(&error))?;
        let left = self.store.wrapped_by(keys.old, STEP).map_err(store_error)?;
        let mut batch = Batch::default();
        for (request, wrapped) in left {
            let again = self.vault.rewrap(request, &wrapped);
            let again = again.map_err(|error| sealed_away(request, &error))?;
            batch.data_keys.push((request, again));
        }
        // The log is as long as before, and so the same signature holds.
        batch.head = Head {
            disclosure_key: Some(keys.new),
            store_clock: None,
            ..head
        };
        Ok(batch)
    }
}
