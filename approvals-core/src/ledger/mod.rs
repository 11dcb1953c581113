//! The ledger: records, the tree over them, the signed head.
//!
//! The C2SP transparency-log family, nothing invented: an RFC 6962 tree whose leaves are the exact
//! stored record bytes, and one Ed25519 [signed note] with a [checkpoint] per durable batch.
//!
//! [signed note]: https://c2sp.org/signed-note
//! [checkpoint]: https://c2sp.org/tlog-checkpoint

mod anchor;
mod body;
mod channel;
mod key;
mod keychain;
mod note;
mod policy_change;
mod policy_text;
mod receipt;
mod record;
pub(crate) mod tiles;
mod tree;
mod verify;
mod witness;

pub use anchor::WitnessedHead;
pub(crate) use body::{EntryRef, Leaf};
pub use channel::ChannelRefused;
pub use key::{KeyError, LedgerKey, Secrets};
pub use keychain::{KeyChain, KeyEnd, KeyFault, KeyRevocation, KeyRotation, KeySpan};
pub use note::{
    Checkpoint, KeyId, NoteError, NoteSignature, Origin, SignedCheckpoint, VerifierKey, sign_note,
    signature_line,
};
pub use policy_change::PolicyChange;
pub use policy_text::{OtherText, PolicyTexts, policy_records};
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt};
pub use record::{
    AuditRecord, Entry, FormatError, LogEvent, MAX_RECORD, Previous, StoredRecord, Writer,
};
pub use tiles::{Tile, TileError, Tiler};
pub use tree::{
    Frontier, Hash, Nodes, ProofError, consistency_proof, empty_root, inclusion_proof, leaf_hash,
    node_hash, verify_consistency, verify_inclusion,
};
pub use verify::{
    Anchored, Demand, Disclosures, Erased, Finding, Kept, Link, NoDisclosures, Range, Recovered,
    Report, Requests, Reviews, Rule, Section, Signer, Verdict, Verifier,
};
pub use witness::{
    AddCheckpoint, AskError, Cosignature, WitnessAnswer, WitnessKey, WitnessPolicy,
    WitnessPolicyError, Witnessed,
};
