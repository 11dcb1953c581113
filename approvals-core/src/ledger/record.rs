//! One record: the leaf of the tree, and what it says.

use crate::canonical::{self, Value};
use crate::clock::Timestamp;
use crate::digest::PolicyDigest;
use crate::id::{BootId, PersonId, RecordId, RequestId};
use crate::lifecycle::Event;

use super::body::{Body, EntryRef, Leaf};
use super::{
    ChannelRefused, Hash, KeyRevocation, KeyRotation, Origin, PolicyChange, SignedCheckpoint,
    VerifierKey,
};

/// The longest record, in bytes; tlog-tiles entries carry a 16-bit length.
pub const MAX_RECORD: usize = 60_000;

/// One thing that happened, where it stands in the log, and who wrote it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// Its place in the log, from 0.
    pub seq: u64,
    /// When it was written; never before the record in front of it.
    pub at: Timestamp,
    /// Names it; a retried write has the same id.
    pub id: RecordId,
    /// Who wrote it.
    pub writer: Writer,
    /// The record of the same request in front of it.
    pub previous: Option<Previous>,
    /// What happened.
    pub entry: Entry,
}

/// One start of one process, and its own count of records: a gap shows a lost write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "part of the record format")]
pub struct Writer {
    /// The start of the process.
    pub boot: BootId,
    /// Its records so far, from 0.
    pub n: u64,
}

impl Writer {
    /// The name of a record that nobody has named before it was written: no other record of any
    /// process has it, since the start of each has a random name of its own.
    pub(crate) fn names(self) -> RecordId {
        let start = u128::from_be_bytes(*self.boot.as_bytes());
        let place = u128::from(self.n) + 1;
        RecordId::from_bytes(start.wrapping_add(place).to_be_bytes())
    }
}

/// Points back to an earlier record and binds its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "part of the record format")]
pub struct Previous {
    /// Its place.
    pub seq: u64,
    /// Its leaf hash.
    pub leaf: Hash,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// One request.
    Request(RequestId, Event),
    /// The log itself.
    Log(LogEvent),
    /// A kind that this version does not know: hashed and reported, never skipped.
    Unknown(String),
}

/// One thing that happened to the log itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEvent {
    /// `log.genesis`: the first record, with the key that signs.
    Genesis {
        /// The key that signs until another one is signed in.
        vkey: VerifierKey,
        /// The key that can revoke the others; without it none can be revoked.
        recovery: Option<VerifierKey>,
    },
    /// `key.rotated`: another key signs from here on, with the word of the one before.
    KeyRotated(KeyRotation),
    /// `key.revoked`: another key signs from here on, and the one before is not trusted any more.
    KeyRevoked(KeyRevocation),
    /// `log.opened`: a process opened the log for writing.
    Opened {
        /// The version of this library.
        version: String,
    },
    /// `policy.loaded`: from here on requests are judged by this policy.
    PolicyLoaded {
        /// Its version.
        version: u64,
        /// What names the exact text.
        digest: PolicyDigest,
        /// The text, or the end of it when it did not fit one record: see
        /// [`LogEvent::PolicyPart`].
        text: String,
    },
    /// `policy.changed`: the policy that comes into force in the next records was approved by those
    /// whom the one before names for that.
    PolicyChanged(Box<PolicyChange>),
    /// `policy.part`: a part of a policy text, right in front of the `policy.loaded` that it
    /// belongs to. No text is too long to be judged again from the log.
    PolicyPart {
        /// The version of the policy.
        version: u64,
        /// What names the exact text, all parts of it together.
        digest: PolicyDigest,
        /// The part.
        text: String,
    },
    /// `identity.linked`: from here on a vote by this account was taken for that person's.
    IdentityLinked {
        /// The person.
        person: PersonId,
        /// The account.
        identity: String,
    },
    /// `channel.refused`: a channel refused by itself what somebody tried to decide through it.
    ChannelRefused(ChannelRefused),
    /// `anchor.recorded`: others have seen the log as it was at this head, and cosigned it.
    Anchored(SignedCheckpoint),
    /// `log.recovered`: an operator set the head pin by hand to the log as it stands in front of this record.
    Recovered {
        /// What the pin held before, when it held a head: more than is here, if the log was rolled back.
        pinned: Option<SignedCheckpoint>,
    },
}

impl LogEvent {
    /// Whether it says only that a process began to write, or that the log was anchored: no news to witnesses, or
    /// each anchor of a new process would call for another one.
    #[must_use]
    pub fn is_upkeep(&self) -> bool {
        matches!(self, Self::Opened { .. } | Self::Anchored(_))
    }

    /// Whether it says which key signs.
    #[must_use]
    pub fn is_about_keys(&self) -> bool {
        matches!(
            self,
            Self::Genesis { .. } | Self::KeyRotated(_) | Self::KeyRevoked(_)
        )
    }
}

/// Bytes that are not a record of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormatError(pub(super) String);

impl AuditRecord {
    /// The exact bytes that are stored and hashed.
    ///
    /// # Errors
    /// [`FormatError`] when they are longer than [`MAX_RECORD`].
    pub fn encode(&self, log: &Origin) -> Result<Vec<u8>, FormatError> {
        let leaf = Leaf {
            seq: self.seq,
            at: self.at,
            id: self.id,
            writer: self.writer,
            previous: self.previous,
            entry: EntryRef::from(&self.entry),
        };
        leaf.encode(log, &mut String::new())
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not a record, or not of this log.
    pub fn decode(bytes: &[u8], log: &Origin) -> Result<Self, FormatError> {
        let body: Body = match serde_json::from_slice(bytes) {
            Ok(body) => body,
            Err(error) => {
                return Self::unknown(bytes, log)
                    .ok_or_else(|| FormatError(format!("not a record: {error}")));
            }
        };
        body.into_record(log)
    }

    /// A record of a kind that this version does not know, when it is one.
    fn unknown(bytes: &[u8], log: &Origin) -> Option<Self> {
        let Value::Record(members) = canonical::parse(bytes).ok()? else {
            return None;
        };
        let text = |name: &str| members.get(name).and_then(Value::as_text);
        let number = |name: &str| match members.get(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let kind = text("kind")?;
        if text("log")? != log.as_str() || Body::knows(kind) {
            return None;
        }
        let writer = serde_json::to_value(members.get("writer")?).ok()?;
        Some(Self {
            seq: number("seq")?,
            at: text("at")?.parse().ok()?,
            id: text("id")?.parse().ok()?,
            writer: serde_json::from_value(writer).ok()?,
            previous: None,
            entry: Entry::Unknown(kind.to_owned()),
        })
    }

    /// The kind, as it stands in the record.
    #[must_use]
    pub fn kind(&self) -> &str {
        EntryRef::from(&self.entry).kind()
    }

    /// The request it is about.
    #[must_use]
    pub fn request(&self) -> Option<RequestId> {
        match &self.entry {
            Entry::Request(request, _) => Some(*request),
            _ => None,
        }
    }
}

/// One record as it is stored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredRecord {
    /// Its place in the log.
    pub seq: u64,
    /// Its leaf hash, as it was when it was written.
    pub leaf: Hash,
    /// The exact bytes.
    pub bytes: Vec<u8>,
}

impl StoredRecord {
    /// A stored record.
    #[must_use]
    pub fn new(seq: u64, leaf: Hash, bytes: Vec<u8>) -> Self {
        Self { seq, leaf, bytes }
    }
}
