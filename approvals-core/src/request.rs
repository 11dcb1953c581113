//! Requests: one ask, and where it stands.

use std::fmt;

use crate::clock::Timestamp;
use crate::digest::{ActionDigest, PolicyDigest};
use crate::id::{PersonId, RuleId};
use crate::policy::{Judged, PolicyName};

/// Where a request stands, in the task states of the AuthZEN Access Request and Approval Profile.
///
/// A status never gives a right: only consuming the permit does, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new status must be handled everywhere"
)]
pub enum Status {
    /// Waits for people.
    Pending,
    /// Approved; it may have been used since.
    Approved,
    /// A person or a rule said no.
    Denied,
    /// Nobody decided in time, or nobody used the approval in time.
    Expired,
    /// Withdrawn by the requester.
    Cancelled,
    /// Approved, and then refused at the last check: nothing ran.
    Failed,
}

impl Status {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reads the stable text; anything else is no status, and so not an approval.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Approved,
            Self::Denied,
            Self::Expired,
            Self::Cancelled,
            Self::Failed,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The policy that a request was made under.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyRef {
    /// The policy's own version.
    pub version: u64,
    /// The exact text.
    pub digest: PolicyDigest,
    /// The rules that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleId>,
    /// The engines that judged beside it, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Judged>,
}

impl PolicyRef {
    /// A reference to a policy and the rules of it that decided.
    #[must_use]
    pub fn new(version: u64, digest: PolicyDigest, rules: Vec<RuleId>) -> Self {
        Self {
            version,
            digest,
            rules,
            engines: Vec::new(),
        }
    }

    /// The policy, whatever rules of it decided.
    #[must_use]
    pub fn name(&self) -> PolicyName {
        PolicyName::new(self.version, self.digest)
    }

    /// The same, with the engines that judged beside the policy.
    #[must_use]
    pub fn beside(mut self, engines: Vec<Judged>) -> Self {
        self.engines = engines;
        self
    }
}

/// What ended up happening to an action that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new outcome must be handled everywhere"
)]
pub enum Outcome {
    /// The body returned `Ok`.
    Succeeded,
    /// The body returned `Err`.
    Failed,
    /// The body may or may not have had its effect: it panicked, was dropped, or its process died.
    Unknown,
}

macro_rules! keyed_fingerprint {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The key with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&ActionDigest::from_bytes(self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::digest::InvalidDigest;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<ActionDigest>()
                    .map(|digest| Self(*digest.as_bytes()))
            }
        }

        crate::id::serde_as_text!($name);
    };
}

keyed_fingerprint!(
    /// Names one call for the requester, so that asking again attaches instead of asking twice.
    ///
    /// A keyed fingerprint: it gives nothing away about the call.
    IdempotencyKey
);
keyed_fingerprint!(
    /// Names what is asked, whoever asks and in whatever words, so that a no to it is remembered.
    ///
    /// A keyed fingerprint: it gives nothing away about the action.
    ContentKey
);

/// Who has approved so far, for cards and listings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The group.
    pub group: crate::id::GroupName,
    /// How many of it are needed.
    pub need: u8,
    /// How well each of them must be proven; a chat service alone vouches for
    /// [`A1`](crate::principal::Assurance::A1).
    pub assurance: crate::principal::Assurance,
    /// Who counts so far.
    pub have: Vec<PersonId>,
    /// The groups whose members may stand in by now, because nobody decided for a while.
    pub also: Vec<crate::id::GroupName>,
    /// The groups whose members may stand in later, and from when on.
    pub later: Vec<(crate::id::GroupName, Timestamp)>,
}

impl Progress {
    /// The groups whose members may decide by now: `oncall or managers`.
    #[must_use]
    pub fn who(&self) -> String {
        let also = self.also.iter().map(|group| format!(" or {group}"));
        std::iter::once(self.group.to_string())
            .chain(also)
            .collect()
    }

    /// So many of a group needed, these people counted.
    #[must_use]
    pub fn new(group: crate::id::GroupName, need: u8, have: Vec<PersonId>) -> Self {
        Self {
            group,
            need,
            assurance: crate::principal::Assurance::A1,
            have,
            also: Vec::new(),
            later: Vec::new(),
        }
    }
}
