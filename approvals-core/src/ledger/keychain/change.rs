//! How one key hands a log over to the next, and what is signed for that.

use serde::Serialize;

use crate::canonical;
use crate::ledger::{Frontier, NoteError, VerifierKey};

/// `key.rotated`: the key in force hands the log over to another one.
///
/// The head that first covers the record is signed by both keys, every later one by the new key alone. That head is
/// replaced like any other; what proves the change for ever is the endorsement in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRotation {
    /// The key in force before.
    pub old_vkey: VerifierKey,
    /// The key in force from this record on.
    pub new_vkey: VerifierKey,
    /// The old key's signature of [`KeyRotation::statement`].
    pub endorsement: Vec<u8>,
}

impl KeyRotation {
    /// A rotation that the old key has endorsed.
    #[must_use]
    pub fn new(old_vkey: VerifierKey, new_vkey: VerifierKey, endorsement: Vec<u8>) -> Self {
        Self {
            old_vkey,
            new_vkey,
            endorsement,
        }
    }

    /// The exact bytes that the old key signs: no checkpoint and no other statement begins like them.
    ///
    /// `size` is how many records stand in front of the rotation: the endorsement fits no other place.
    ///
    /// # Errors
    /// [`NoteError::OtherLog`] when the keys are of two logs, [`NoteError::Size`] beyond [`Frontier::MAX_SIZE`].
    pub fn statement(
        old_vkey: &VerifierKey,
        new_vkey: &VerifierKey,
        size: u64,
    ) -> Result<Vec<u8>, NoteError> {
        #[derive(Serialize)]
        struct Statement<'a> {
            log: &'a str,
            new_vkey: &'a VerifierKey,
            old_vkey: &'a VerifierKey,
            size: u64,
        }
        same_log(old_vkey, new_vkey)?;
        let statement = Statement {
            log: old_vkey.name().as_str(),
            new_vkey,
            old_vkey,
            size,
        };
        bytes(b"approvals/key-rotation/v1\0", &statement, size)
    }
}

/// `key.revoked`: the recovery key takes the log from a key that others may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRevocation {
    /// The key that is not trusted any more.
    pub vkey: VerifierKey,
    /// Heads of that key count only up to this size, and only when somebody kept one outside at that time.
    pub last_good_size: u64,
    /// The key in force from this record on.
    pub new_vkey: VerifierKey,
    /// The recovery key's signature of [`KeyRevocation::statement`].
    pub endorsement: Vec<u8>,
}

impl KeyRevocation {
    /// A revocation that the recovery key has signed.
    #[must_use]
    pub fn new(
        vkey: VerifierKey,
        last_good_size: u64,
        new_vkey: VerifierKey,
        endorsement: Vec<u8>,
    ) -> Self {
        Self {
            vkey,
            last_good_size,
            new_vkey,
            endorsement,
        }
    }

    /// The exact bytes that the recovery key signs: they can be signed on a machine that never sees the log.
    ///
    /// # Errors
    /// [`NoteError::OtherLog`] when the keys are of two logs, [`NoteError::Size`] beyond [`Frontier::MAX_SIZE`].
    pub fn statement(
        vkey: &VerifierKey,
        last_good_size: u64,
        new_vkey: &VerifierKey,
    ) -> Result<Vec<u8>, NoteError> {
        #[derive(Serialize)]
        struct Statement<'a> {
            last_good_size: u64,
            log: &'a str,
            new_vkey: &'a VerifierKey,
            vkey: &'a VerifierKey,
        }
        same_log(vkey, new_vkey)?;
        let statement = Statement {
            last_good_size,
            log: vkey.name().as_str(),
            new_vkey,
            vkey,
        };
        bytes(b"approvals/key-revocation/v1\0", &statement, last_good_size)
    }
}

fn same_log(old: &VerifierKey, new: &VerifierKey) -> Result<(), NoteError> {
    if old.name() == new.name() {
        return Ok(());
    }
    Err(NoteError::OtherLog {
        origin: old.name().clone(),
        name: new.name().clone(),
    })
}

fn bytes(domain: &[u8], statement: &impl Serialize, size: u64) -> Result<Vec<u8>, NoteError> {
    let refuse = || NoteError::Size {
        line: size.to_string(),
    };
    if size > Frontier::MAX_SIZE {
        return Err(refuse());
    }
    let bytes = canonical::to_bytes(statement).map_err(|_| refuse())?;
    Ok([domain, &bytes].concat())
}
