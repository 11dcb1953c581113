//! An action record and its canonical text, printed once.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ActionRecord, refuse};
use crate::canonical;
use crate::digest::ActionDigest;
use crate::error::ApprovalError;

/// An action record that is shared, beside its canonical text until that is on record: the bytes that
/// are digested are the bytes that are recorded, and they are printed once.
///
/// The text is always that of the record: there is no way to bring another one along, and whoever
/// changes the record loses it.
#[derive(Debug, Clone)]
pub struct FixedRecord(Arc<Fixed>);

#[derive(Debug)]
struct Fixed {
    record: ActionRecord,
    text: Mutex<Option<Box<str>>>,
}

impl FixedRecord {
    /// Seals a record: prints it and digests the text.
    pub(super) fn seal(record: ActionRecord) -> Result<(Self, ActionDigest), ApprovalError> {
        let room = 512 + 96 * record.params.len();
        let text = canonical::append(String::with_capacity(room), &record).map_err(refuse)?;
        let digest = ActionDigest::of(text.as_bytes());
        let text = Mutex::new(Some(text.into_boxed_str()));
        Ok((Self(Arc::new(Fixed { record, text })), digest))
    }

    /// Prints the canonical text behind another one.
    ///
    /// # Errors
    /// `NonCanonical` when the record has none; it always has one when it was sealed or read here.
    pub(crate) fn print_onto(&self, mut out: String) -> Result<String, ApprovalError> {
        match &*self.text() {
            Some(text) => {
                out.push_str(text);
                Ok(out)
            }
            None => canonical::append(out, &self.0.record).map_err(refuse),
        }
    }

    /// Drops the text: once it is on record, nobody waits with it in memory.
    pub(crate) fn forget_text(&self) {
        self.text().take();
    }

    /// The digest that binds everything in the record.
    ///
    /// # Errors
    /// `NonCanonical` when the record has no canonical text; it always has one when it was sealed or read here.
    pub fn digest(&self) -> Result<ActionDigest, ApprovalError> {
        if let Some(text) = &*self.text() {
            return Ok(ActionDigest::of(text.as_bytes()));
        }
        let text = self.print_onto(String::with_capacity(1_000))?;
        Ok(ActionDigest::of(text.as_bytes()))
    }

    fn text(&self) -> MutexGuard<'_, Option<Box<str>>> {
        self.0.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Fixed {
    fn clone(&self) -> Self {
        Self {
            record: self.record.clone(),
            text: Mutex::default(),
        }
    }
}

impl From<ActionRecord> for FixedRecord {
    fn from(record: ActionRecord) -> Self {
        let text = Mutex::default();
        Self(Arc::new(Fixed { record, text }))
    }
}

impl Deref for FixedRecord {
    type Target = ActionRecord;

    fn deref(&self) -> &ActionRecord {
        &self.0.record
    }
}

impl DerefMut for FixedRecord {
    fn deref_mut(&mut self) -> &mut ActionRecord {
        let fixed = Arc::make_mut(&mut self.0);
        // INVARIANT: a text never outlives the record that it was printed from.
        fixed.text = Mutex::default();
        &mut fixed.record
    }
}

impl PartialEq for FixedRecord {
    fn eq(&self, other: &Self) -> bool {
        self.0.record == other.0.record
    }
}

impl Eq for FixedRecord {}
