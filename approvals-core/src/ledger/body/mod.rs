//! The members of a record, as they stand in the bytes.

mod line;
mod parts;
mod read;
mod write;

use serde::Deserialize;

use super::record::{AuditRecord, Entry, FormatError, LogEvent, MAX_RECORD, Previous, Writer};
use super::{Hash, Origin, VerifierKey};
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::id::{RecordId, RequestId};
use crate::lifecycle::Event;
use crate::policy::Requirement;
use crate::request::{ContentKey, IdempotencyKey, PolicyRef};
use crate::review::Evidence;
use crate::sealed::ActionRecord;
use parts::{
    Actor, ApprovedBody, ChangeBody, ChannelBody, Decision, ErasedBody, HeadBody, NoticeBody,
    OutcomeBody, PrevBody, RefusalBody, Subject,
};

macro_rules! members {
    ($($(#[$meta:meta])* $name:ident : $ty:ty),* $(,)?) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Body {
            v: u8,
            log: String,
            seq: u64,
            at: Timestamp,
            kind: String,
            id: RecordId,
            writer: Writer,
            $(#[serde(default)] $(#[$meta])* $name: Option<$ty>,)*
        }

        impl Body {
            /// The members that are there, beside those that every record has.
            fn present(&self) -> impl Iterator<Item = &'static str> {
                [$(self.$name.as_ref().map(|_| stringify!($name)),)*].into_iter().flatten()
            }
        }
    };
}

members! {
    subject: Subject,
    actor: Actor,
    action: Box<ActionRecord>,
    digest: ActionDigest,
    policy: Box<PolicyRef>,
    requirement: Box<Requirement>,
    asked_at: Timestamp,
    use_within_s: u64,
    level: u32,
    key: IdempotencyKey,
    content: ContentKey,
    approved: ApprovedBody,
    decision: Box<Decision>,
    evidence: Box<Evidence>,
    reason: Commitment,
    refusal: Box<RefusalBody>,
    until: Timestamp,
    outcome: OutcomeBody,
    notice: Box<NoticeBody>,
    erased: Box<ErasedBody>,
    change: Box<ChangeBody>,
    vkey: Box<VerifierKey>,
    recovery_vkey: Box<VerifierKey>,
    old_vkey: Box<VerifierKey>,
    new_vkey: Box<VerifierKey>,
    last_good_size: u64,
    endorsement: String,
    version: String,
    text: String,
    anchor: Box<HeadBody>,
    pinned: Box<HeadBody>,
    identity: String,
    refused: ChannelBody,
}

/// Every kind, and the members it can have: one that it cannot have would say something to other
/// readers of the log, and nothing here.
const KINDS: &[(&str, &[&str])] = &[
    (
        "request.created",
        &[
            "subject",
            "actor",
            "action",
            "digest",
            "policy",
            "requirement",
            "asked_at",
            "use_within_s",
            "key",
            "content",
        ],
    ),
    ("request.auto_approved", &["subject", "approved"]),
    (
        "review.recorded",
        &[
            "subject", "actor", "digest", "decision", "evidence", "reason",
        ],
    ),
    ("review.voided", &["subject", "actor", "refusal"]),
    ("review.refused", &["subject", "actor", "refusal"]),
    ("request.approved", &["subject", "approved"]),
    (
        "request.denied",
        &["subject", "actor", "reason", "refusal", "until"],
    ),
    ("request.escalated", &["subject", "level"]),
    ("request.expired", &["subject"]),
    ("request.cancelled", &["subject"]),
    ("permit.consumed", &["subject", "digest"]),
    ("permit.refused", &["subject", "refusal"]),
    ("breakglass.used", &["subject"]),
    (
        "breakglass.reviewed",
        &[
            "subject", "actor", "digest", "decision", "evidence", "reason",
        ],
    ),
    ("outcome.succeeded", &["subject", "outcome"]),
    ("outcome.failed", &["subject", "outcome"]),
    ("outcome.unknown", &["subject", "outcome"]),
    ("notice.sent", &["subject", "notice"]),
    ("notice.failed", &["subject", "notice"]),
    ("log.genesis", &["vkey", "recovery_vkey"]),
    ("log.opened", &["version"]),
    ("key.rotated", &["old_vkey", "new_vkey", "endorsement"]),
    (
        "key.revoked",
        &["vkey", "last_good_size", "new_vkey", "endorsement"],
    ),
    ("policy.changed", &["change"]),
    ("policy.part", &["policy", "text"]),
    ("policy.loaded", &["policy", "text"]),
    ("anchor.recorded", &["anchor"]),
    ("log.recovered", &["pinned"]),
    ("identity.linked", &["actor", "identity"]),
    ("disclosure.erased", &["subject", "erased"]),
    ("channel.refused", &["refused"]),
];

/// One record to be written: what [`AuditRecord`] says, without holding it.
pub(crate) struct Leaf<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) id: RecordId,
    pub(crate) writer: Writer,
    pub(crate) previous: Option<Previous>,
    pub(crate) entry: EntryRef<'a>,
}

/// What it is about.
#[derive(Clone, Copy)]
pub(crate) enum EntryRef<'a> {
    Request(RequestId, &'a Event),
    Log(&'a LogEvent),
    Unknown(&'a str),
}

impl<'a> EntryRef<'a> {
    pub(super) fn kind(self) -> &'a str {
        match self {
            Self::Unknown(kind) => kind,
            Self::Request(_, event) => event.kind(),
            Self::Log(LogEvent::Genesis { .. }) => "log.genesis",
            Self::Log(LogEvent::Opened { .. }) => "log.opened",
            Self::Log(LogEvent::KeyRotated(_)) => "key.rotated",
            Self::Log(LogEvent::KeyRevoked(_)) => "key.revoked",
            Self::Log(LogEvent::PolicyChanged(_)) => "policy.changed",
            Self::Log(LogEvent::PolicyPart { .. }) => "policy.part",
            Self::Log(LogEvent::PolicyLoaded { .. }) => "policy.loaded",
            Self::Log(LogEvent::Anchored(_)) => "anchor.recorded",
            Self::Log(LogEvent::Recovered { .. }) => "log.recovered",
            Self::Log(LogEvent::IdentityLinked { .. }) => "identity.linked",
            Self::Log(LogEvent::ChannelRefused(_)) => "channel.refused",
        }
    }
}

impl<'a> From<&'a Entry> for EntryRef<'a> {
    fn from(entry: &'a Entry) -> Self {
        match entry {
            Entry::Request(request, event) => Self::Request(*request, event),
            Entry::Log(event) => Self::Log(event),
            Entry::Unknown(kind) => Self::Unknown(kind),
        }
    }
}

impl Leaf<'_> {
    /// The exact bytes that are stored and hashed.
    /// They are printed in a room that is used again for the next one.
    pub(crate) fn encode(&self, log: &Origin, room: &mut String) -> Result<Vec<u8>, FormatError> {
        self.print(log, room)
            .map_err(|error| FormatError(error.to_string()))?;
        let bytes = room.as_bytes();
        if bytes.len() > MAX_RECORD {
            return Err(FormatError(format!(
                "the record takes {} bytes and may take {MAX_RECORD}; pass fewer parameters",
                bytes.len()
            )));
        }
        Ok(bytes.to_vec())
    }
}

impl Body {
    pub(super) fn knows(kind: &str) -> bool {
        KINDS.iter().any(|(known, _)| *known == kind)
    }

    pub(super) fn into_record(self, log: &Origin) -> Result<AuditRecord, FormatError> {
        if self.v != 1 || self.log != log.as_str() {
            return Err(FormatError(format!(
                "the record is of log `{}`, format {}",
                crate::canonical::clip(&self.log),
                self.v
            )));
        }
        if let Some(stray) = self.stray() {
            return Err(FormatError(format!(
                "a record of kind `{}` cannot have a member `{stray}`",
                self.kind
            )));
        }
        let (seq, at, id, writer, kind) =
            (self.seq, self.at, self.id, self.writer, self.kind.clone());
        let previous = self
            .subject
            .as_ref()
            .and_then(|subject| subject.prev.as_ref())
            .map(previous)
            .transpose()?;
        let entry = self.into_entry().ok_or_else(|| {
            FormatError(format!(
                "a record of kind `{}` lacks a member, or has one that cannot be",
                crate::canonical::clip(&kind)
            ))
        })?;
        let record = AuditRecord {
            seq,
            at,
            id,
            writer,
            previous,
            entry,
        };
        // One kind, one shape: what was read must be what would be written.
        if record.kind() == kind {
            Ok(record)
        } else {
            Err(FormatError(format!(
                "kind `{}` and its members disagree",
                crate::canonical::clip(&kind)
            )))
        }
    }

    /// A member that a record of its kind cannot have.
    fn stray(&self) -> Option<&'static str> {
        let (_, members) = KINDS.iter().find(|(kind, _)| *kind == self.kind)?;
        self.present().find(|name| !members.contains(name))
    }

    fn into_entry(self) -> Option<Entry> {
        if let (Some(subject), true) = (&self.subject, Self::knows(&self.kind)) {
            let request = subject.request_id;
            return self
                .into_event()
                .map(|event| Entry::Request(request, event));
        }
        if Self::knows(&self.kind) {
            self.into_log_event().map(Entry::Log)
        } else {
            Some(Entry::Unknown(self.kind))
        }
    }
}

fn previous(body: &PrevBody) -> Result<Previous, FormatError> {
    let hex = body.leaf.strip_prefix("sha256:").unwrap_or_default();
    let leaf = Hash::from_hex(hex).map_err(|error| FormatError(error.to_string()))?;
    Ok(Previous {
        seq: body.seq,
        leaf,
    })
}
