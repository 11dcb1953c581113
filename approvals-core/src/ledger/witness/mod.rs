//! Witnesses: others who look at every head of the log and cosign it only when it extends the one before.
//!
//! A signature of the log's own key does not show a rollback or a second history; a cosignature of somebody
//! else does. The bytes are those of C2SP [tlog-cosignature](https://c2sp.org/tlog-cosignature),
//! [tlog-policy](https://c2sp.org/tlog-policy) and [tlog-witness](https://c2sp.org/tlog-witness), read strictly.
//! No I/O and no clock: who asks a witness, and when, is decided elsewhere.

mod cosignature;
mod parse;
mod policy;
mod protocol;

pub use cosignature::{Cosignature, WitnessKey};
pub use parse::WitnessPolicyError;
pub use policy::{WitnessPolicy, Witnessed};
pub use protocol::{AddCheckpoint, AskError, WitnessAnswer};

#[cfg(test)]
pub(super) mod tests {
    pub(in crate::ledger) use super::cosignature::tests::{Signing, head};
}
