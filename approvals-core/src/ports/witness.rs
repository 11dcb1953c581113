//! Witnesses: others who cosign the heads of the log.

use std::fmt;

use crate::ledger::WitnessKey;

/// Carries a request to one witness, and its answer back: an HTTP client, for one.
///
/// Trusted: for nothing but its key. What comes back is believed only when it carries that key's signature.
///
/// Duties:
/// - `add_checkpoint` sends exactly the bytes it is given, as the body of a POST to `<prefix>/add-checkpoint`
///   ([tlog-witness](https://c2sp.org/tlog-witness)), and follows no redirection;
/// - it ends in a bounded time and reads a bounded answer; calls may come from any thread, one at a time.
pub trait Witness: Send + Sync + fmt::Debug + 'static {
    /// The key that its cosignatures are checked with.
    fn key(&self) -> &WitnessKey;

    /// Asks for a cosignature.
    ///
    /// # Errors
    /// [`WitnessError`] when there is no answer; nothing is cosigned then, as far as is known.
    fn add_checkpoint(&self, request: &str) -> Result<WitnessReply, WitnessError>;
}

/// What a witness answered, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an answer is a status and a body"
)]
pub struct WitnessReply {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most [`WitnessAnswer::MAX_BYTES`](crate::ledger::WitnessAnswer::MAX_BYTES) and one byte of it.
    pub body: Vec<u8>,
}

/// A witness did not answer. The text reaches logs and the status of the gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WitnessError(pub String);
