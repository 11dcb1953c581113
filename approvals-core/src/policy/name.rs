//! Which policy is meant, exactly.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::PolicyDigest;

/// A policy by its version and its exact text; what people approve when it is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyName {
    /// The version that it gives itself.
    pub version: u64,
    /// What names the exact text.
    pub digest: PolicyDigest,
}

impl PolicyName {
    /// The policy of this version with this text.
    #[must_use]
    pub fn new(version: u64, digest: PolicyDigest) -> Self {
        Self { version, digest }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}, {}", self.version, self.digest)
    }
}
