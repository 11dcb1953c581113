//! An action record and its canonical text, printed once.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use super::{ActionRecord, refuse};
use crate::canonical;
use crate::digest::ActionDigest;
use crate::error::ApprovalError;

/// An action record that is shared, beside its canonical text: the bytes that are digested are the
/// bytes that are recorded, and they are printed once.
///
/// The text is always that of the record: there is no way to bring another one along, and whoever
/// changes the record loses it.
#[derive(Debug, Clone)]
pub struct FixedRecord(Arc<Fixed>);

#[derive(Debug, Clone)]
struct Fixed {
    record: ActionRecord,
    text: OnceLock<String>,
}

impl FixedRecord {
    /// The canonical text.
    ///
    /// # Errors
    /// `NonCanonical` when the record has none; it always has one when it was sealed or read here.
    pub fn text(&self) -> Result<&str, ApprovalError> {
        if let Some(text) = self.0.text.get() {
            return Ok(text);
        }
        let room = String::with_capacity(1_024);
        let text = canonical::append(room, &self.0.record).map_err(refuse)?;
        Ok(self.0.text.get_or_init(|| text))
    }

    /// The digest that binds everything in the record.
    ///
    /// # Errors
    /// As [`FixedRecord::text`].
    pub fn digest(&self) -> Result<ActionDigest, ApprovalError> {
        Ok(ActionDigest::of(self.text()?.as_bytes()))
    }
}

impl From<ActionRecord> for FixedRecord {
    fn from(record: ActionRecord) -> Self {
        let text = OnceLock::new();
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
        fixed.text.take();
        &mut fixed.record
    }
}

impl PartialEq for FixedRecord {
    fn eq(&self, other: &Self) -> bool {
        self.0.record == other.0.record
    }
}

impl Eq for FixedRecord {}
