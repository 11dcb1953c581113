//! The members that are records themselves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::Code;
use crate::id::{GroupName, PersonId, RequestId};
use crate::ledger::{ChannelRefused, PolicyChange, SignedCheckpoint};
use crate::lifecycle::Erased;
use crate::policy::PolicyName;
use crate::principal::Assurance;
use crate::review::Vote;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct Subject {
    pub(super) request_id: RequestId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prev: Option<PrevBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct PrevBody {
    pub(super) seq: u64,
    pub(super) leaf: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct Actor {
    pub(super) r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct ApprovedBody {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) by: Vec<PersonId>,
    pub(super) until: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct Decision {
    pub(super) identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vote: Option<Vote>,
    pub(super) assurance: Assurance,
    pub(super) groups: BTreeSet<GroupName>,
}

#[derive(PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct RefusalBody {
    pub(super) code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vote: Option<Vote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) got: Option<ActionDigest>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) burned: bool,
}

impl RefusalBody {
    pub(super) fn of(code: Code) -> Self {
        Self {
            code,
            identity: None,
            vote: None,
            got: None,
            burned: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct OutcomeBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) duration_us: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct NoticeBody {
    pub(super) channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct ChannelBody {
    channel: String,
    code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "is_none")]
    passed_over: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl ChannelBody {
    pub(super) fn of(refused: &ChannelRefused) -> Self {
        Self {
            channel: refused.channel.clone(),
            code: refused.code,
            identity: refused.identity.clone(),
            request_id: refused.request,
            passed_over: refused.passed_over,
        }
    }

    pub(super) fn read(self) -> ChannelRefused {
        ChannelRefused {
            channel: self.channel,
            code: self.code,
            identity: self.identity,
            request: self.request_id,
            passed_over: self.passed_over,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct ErasedBody {
    pub(super) commitments: Vec<Commitment>,
    pub(super) basis: Commitment,
    pub(super) authority: RequestId,
    pub(super) digest: ActionDigest,
    pub(super) opened: String,
}

impl ErasedBody {
    pub(super) fn of(erased: &Erased) -> Self {
        Self {
            commitments: erased.commitments.clone(),
            basis: erased.basis.clone(),
            authority: erased.authority,
            digest: erased.digest,
            opened: erased.opened.clone(),
        }
    }

    pub(super) fn read(self) -> Erased {
        let authority = (self.authority, self.digest);
        Erased::new(self.commitments, self.basis, authority, self.opened)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct ChangeBody {
    old: PolicyName,
    new: PolicyName,
    authority: RequestId,
    digest: ActionDigest,
    opened: Vec<String>,
}

impl ChangeBody {
    pub(super) fn of(change: &PolicyChange) -> Self {
        Self {
            old: change.old,
            new: change.new,
            authority: change.authority,
            digest: change.digest,
            opened: change.opened.clone(),
        }
    }

    pub(super) fn read(self) -> PolicyChange {
        let authority = (self.authority, self.digest);
        PolicyChange::new((self.old, self.new), authority, self.opened)
    }
}

/// A signed head, with what it says written out for those who read no notes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::ledger) struct HeadBody {
    size: u64,
    root: String,
    note: String,
}

impl HeadBody {
    pub(super) fn of(note: &SignedCheckpoint) -> Self {
        Self {
            size: note.claim().size,
            root: note.claim().root.to_base64(),
            note: note.as_str().to_owned(),
        }
    }

    /// The note, if it says what stands beside it.
    pub(super) fn read(self) -> Option<SignedCheckpoint> {
        let note = SignedCheckpoint::parse(&self.note).ok()?;
        let said = note.claim();
        (said.size == self.size && said.root.to_base64() == self.root).then_some(note)
    }
}
