//! Witnesses over HTTP: a client of C2SP [tlog-witness](https://c2sp.org/tlog-witness).
//!
//! A witness looks at the heads of many logs and cosigns one only when it extends what it cosigned before. Its
//! word is what shows that a store was put back, cut or rewritten, also to those who trust nobody here.
//!
//! This crate carries the core's requests and brings the answers back, and nothing else: one connection for each
//! request, no redirection, a bounded wait and a bounded answer. What an answer means is judged by
//! [`approvals_core::ledger::AddCheckpoint::read`].
//!
//! Trusted: nothing that comes over the network. A cosignature counts by its own signature, so that an address may
//! be plain `http`, too: who sits in between reads hashes, and can keep a quorum from forming, which denies.
//!
//! # Examples
//! ```
//! use approvals_anchor::witnesses;
//! use approvals_core::anchor::Anchoring;
//! use approvals_core::ledger::{WitnessKey, WitnessPolicy};
//!
//! let key = WitnessKey::ed25519("witness.example/w1".parse()?, [7; 32]);
//! let policy = WitnessPolicy::parse(format!("witness w1 {key} https://witness.example/w1\nquorum w1\n"))?;
//! let anchoring = Anchoring::new(policy.clone(), witnesses(&policy)?)?.quorum();
//! # drop(anchoring);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod http;

use std::sync::Arc;

use approvals_core::ledger::WitnessPolicy;
use approvals_core::ports::Witness;

pub use address::AddressError;
pub use http::HttpWitness;

/// A client for every witness of a policy that has an address there; the others are only believed.
///
/// # Errors
/// [`AddressError`] for the first address that cannot be one of a witness.
pub fn witnesses(policy: &WitnessPolicy) -> Result<Vec<Arc<dyn Witness>>, AddressError> {
    let client = |(key, address): (_, Option<&str>)| {
        let made = HttpWitness::new(Clone::clone(key), address?);
        Some(made.map(|witness| Arc::new(witness) as Arc<dyn Witness>))
    };
    policy.witnesses().filter_map(client).collect()
}
