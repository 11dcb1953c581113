//! Why a change of keys, or a head, must not be believed.

use crate::ledger::{KeyId, NoteError};

/// Why a change of keys does not count, or a head is not the word of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The first record names another key.
    #[error(
        "the log began with another key ({found}) than the one it is verified with ({pinned}); pass the key that its owner published when it began"
    )]
    Genesis {
        /// The key that is expected.
        pinned: KeyId,
        /// The key in the record.
        found: KeyId,
    },
    /// The first record names a recovery key that cannot be one.
    #[error(
        "the recovery key is the key of another log, or the one that signs; name one of its own"
    )]
    Recovery,
    /// Somebody else than the key in force hands the log over.
    #[error("key {old} hands the log over, and key {current} is in force")]
    NotInForce {
        /// The key that would hand it over.
        old: KeyId,
        /// The key that could.
        current: KeyId,
    },
    /// The new key is no new key.
    #[error(
        "key {new} has a part in this log already; a key that was replaced never comes back, make a new one"
    )]
    Reused {
        /// The key.
        new: KeyId,
    },
    /// The signature under the change does not verify.
    #[error("the change to key {new} is not signed by key {by}")]
    Endorsement {
        /// The key that would come into force.
        new: KeyId,
        /// The key that would have to sign.
        by: KeyId,
    },
    /// There is no key that could revoke one.
    #[error("the log names no recovery key, so none of its keys can be revoked; begin a new log")]
    NoRecovery,
    /// The revoked key never signed this log.
    #[error("key {vkey} never signed this log")]
    Stranger {
        /// The key.
        vkey: KeyId,
    },
    /// The last good size is not one that the key signed, or was raised.
    #[error(
        "key {vkey} came into force at record {from}, and {size} records are here; the last good size lies between, and only ever falls"
    )]
    LastGood {
        /// The key.
        vkey: KeyId,
        /// Its first record.
        from: u64,
        /// How many records there are.
        size: u64,
    },
    /// The key in force is not affected, and would be replaced all the same.
    #[error("key {current} is not affected and stays in force; name it as the new key")]
    Unaffected {
        /// The key in force.
        current: KeyId,
    },
    /// The head was signed by a key that is not trusted that far.
    #[error(
        "the head over {size} records is signed by key {vkey}, which was revoked in record {at}: not trusted"
    )]
    Untrusted {
        /// The key.
        vkey: KeyId,
        /// What the head covers.
        size: u64,
        /// The record that revoked it.
        at: u64,
    },
    /// The keys are of two logs, or the head is not signed by the key that must have signed it.
    #[error(transparent)]
    Note(#[from] NoteError),
}
