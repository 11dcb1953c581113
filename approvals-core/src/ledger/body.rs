//! The members of a record, as they stand in the bytes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::record::{AuditRecord, Entry, FormatError, LogEvent, Previous, Writer};
use super::{Hash, Origin};
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::Code;
use crate::id::{GroupName, PersonId, RecordId, RequestId};
use crate::lifecycle::{
    Approved, Attempt, Consumed, Created, Denied, Event, Finished, NoticeResult, PermitRefused,
    ReviewRefused, Reviewed,
};
use crate::policy::Requirement;
use crate::principal::Assurance;
use crate::request::{IdempotencyKey, Outcome, PolicyRef};
use crate::review::{Evidence, Vote};
use crate::sealed::ActionRecord;

macro_rules! members {
    ($($(#[$meta:meta])* $name:ident : $ty:ty),* $(,)?) => {
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Body {
            v: u8,
            log: String,
            seq: u64,
            at: Timestamp,
            kind: String,
            id: RecordId,
            writer: Writer,
            $(#[serde(default, skip_serializing_if = "Option::is_none")] $(#[$meta])* $name: Option<$ty>,)*
        }

        impl Body {
            fn empty(record: &AuditRecord, log: &Origin) -> Self {
                Self {
                    v: 1,
                    log: log.as_str().to_owned(),
                    seq: record.seq,
                    at: record.at,
                    kind: kind(&record.entry).to_owned(),
                    id: record.id,
                    writer: record.writer,
                    $($name: None,)*
                }
            }
        }
    };
}

members! {
    subject: Subject,
    actor: Actor,
    action: ActionRecord,
    digest: ActionDigest,
    policy: PolicyRef,
    requirement: Requirement,
    use_within_s: u64,
    key: IdempotencyKey,
    approved: ApprovedBody,
    decision: Decision,
    evidence: Evidence,
    reason: Commitment,
    refusal: RefusalBody,
    outcome: OutcomeBody,
    notice: NoticeBody,
    vkey: String,
    version: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    request_id: RequestId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prev: Option<PrevBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrevBody {
    seq: u64,
    leaf: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Actor {
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovedBody {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    by: Vec<PersonId>,
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    vote: Vote,
    assurance: Assurance,
    groups: BTreeSet<GroupName>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusalBody {
    code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vote: Option<Vote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    got: Option<ActionDigest>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    burned: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutcomeBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoticeBody {
    channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

const KINDS: &[&str] = &[
    "request.created",
    "request.auto_approved",
    "review.recorded",
    "review.refused",
    "request.approved",
    "request.denied",
    "request.expired",
    "request.cancelled",
    "permit.consumed",
    "permit.refused",
    "outcome.succeeded",
    "outcome.failed",
    "outcome.unknown",
    "notice.sent",
    "notice.failed",
    "log.genesis",
    "log.opened",
    "policy.loaded",
];

pub(super) fn kind(entry: &Entry) -> &str {
    match entry {
        Entry::Unknown(kind) => kind,
        Entry::Log(LogEvent::Genesis { .. }) => "log.genesis",
        Entry::Log(LogEvent::Opened { .. }) => "log.opened",
        Entry::Log(LogEvent::PolicyLoaded { .. }) => "policy.loaded",
        Entry::Request(_, event) => event.kind(),
    }
}

impl Body {
    pub(super) fn knows(kind: &str) -> bool {
        KINDS.contains(&kind)
    }

    pub(super) fn of(record: &AuditRecord, log: &Origin) -> Self {
        let mut body = Self::empty(record, log);
        match &record.entry {
            Entry::Unknown(_) => {}
            Entry::Log(event) => body.log_event(event),
            Entry::Request(request, event) => {
                let prev = record.previous.map(|previous| PrevBody {
                    seq: previous.seq,
                    leaf: format!("sha256:{}", previous.leaf.to_hex()),
                });
                body.subject = Some(Subject {
                    request_id: *request,
                    prev,
                });
                body.request_event(event);
            }
        }
        body
    }

    fn log_event(&mut self, event: &LogEvent) {
        match event {
            LogEvent::Genesis { vkey } => self.vkey = Some(vkey.clone()),
            LogEvent::Opened { version } => self.version = Some(version.clone()),
            LogEvent::PolicyLoaded {
                version,
                digest,
                text,
            } => {
                self.policy = Some(PolicyRef::new(*version, *digest, Vec::new()));
                self.text.clone_from(text);
            }
        }
    }

    fn request_event(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created(created),
            Event::AutoApproved(approved) | Event::Approved(approved) => {
                self.approved = Some(ApprovedBody {
                    by: approved.by.clone(),
                    until: approved.until,
                });
            }
            Event::Reviewed(review) => self.reviewed(review),
            Event::ReviewRefused(refused) => {
                self.actor = refused.person.as_ref().and_then(person);
                let (identity, vote) = (Some(refused.identity.clone()), Some(refused.vote));
                self.refusal = Some(RefusalBody {
                    code: refused.code,
                    identity,
                    vote,
                    got: None,
                    burned: false,
                });
            }
            Event::Denied(denied) => {
                self.actor = denied.by.as_ref().map_or(
                    Some(Actor {
                        r#type: "policy".to_owned(),
                        id: None,
                    }),
                    person,
                );
                self.reason.clone_from(&denied.reason);
            }
            Event::Expired | Event::Cancelled => {}
            Event::Consumed(consumed) => self.digest = Some(consumed.digest),
            Event::PermitRefused(refused) => {
                self.refusal = Some(RefusalBody {
                    code: refused.code,
                    identity: None,
                    vote: None,
                    got: refused.got,
                    burned: refused.burned,
                });
            }
            Event::Finished(finished) => {
                self.outcome = Some(OutcomeBody {
                    code: finished.code.clone(),
                    duration_us: finished.duration_us,
                })
            }
            Event::Notice(notice) => {
                self.notice = Some(NoticeBody {
                    channel: notice.channel.clone(),
                    place: notice.place.clone(),
                    error: notice.error.clone(),
                });
            }
        }
    }

    fn reviewed(&mut self, review: &Reviewed) {
        self.actor = person(&review.person);
        self.digest = Some(review.digest);
        self.decision = Some(Decision {
            vote: review.vote,
            assurance: review.assurance,
            groups: review.groups.clone(),
        });
        self.evidence = Some(review.evidence.clone());
        self.reason.clone_from(&review.reason);
    }

    fn created(&mut self, created: &Created) {
        self.actor = Some(Actor {
            r#type: "agent".to_owned(),
            id: Some(created.action.agent.to_string()),
        });
        self.action = Some(created.action.clone());
        self.digest = Some(created.digest);
        self.policy = Some(created.policy.clone());
        self.requirement.clone_from(&created.requirement);
        self.use_within_s = Some(created.use_within_s);
        self.key = created.key;
    }

    pub(super) fn into_record(self, log: &Origin) -> Result<AuditRecord, FormatError> {
        if self.v != 1 || self.log != log.as_str() {
            return Err(FormatError(format!(
                "the record is of log `{}`, format {}",
                crate::canonical::clip(&self.log),
                self.v
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
                "a record of kind `{}` lacks a member",
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

    fn into_entry(self) -> Option<Entry> {
        if let (Some(subject), true) = (&self.subject, Self::knows(&self.kind)) {
            let request = subject.request_id;
            return self
                .into_event()
                .map(|event| Entry::Request(request, event));
        }
        Some(match self.kind.as_str() {
            "log.genesis" => Entry::Log(LogEvent::Genesis { vkey: self.vkey? }),
            "log.opened" => Entry::Log(LogEvent::Opened {
                version: self.version?,
            }),
            "policy.loaded" => {
                let policy = self.policy?;
                Entry::Log(LogEvent::PolicyLoaded {
                    version: policy.version,
                    digest: policy.digest,
                    text: self.text,
                })
            }
            kind if Self::knows(kind) => return None,
            kind => Entry::Unknown(kind.to_owned()),
        })
    }

    fn into_event(self) -> Option<Event> {
        let approved = |body: Option<ApprovedBody>| {
            body.map(|body| Approved {
                by: body.by,
                until: body.until,
            })
        };
        Some(match self.kind.as_str() {
            "request.created" => Event::Created(Box::new(Created {
                action: self.action?,
                digest: self.digest?,
                policy: self.policy?,
                requirement: self.requirement,
                use_within_s: self.use_within_s?,
                key: self.key,
            })),
            "request.auto_approved" => Event::AutoApproved(approved(self.approved)?),
            "request.approved" => Event::Approved(approved(self.approved)?),
            "request.denied" => Event::Denied(Denied {
                by: human(self.actor.as_ref()?)?,
                reason: self.reason,
            }),
            "request.expired" => Event::Expired,
            "request.cancelled" => Event::Cancelled,
            "permit.consumed" => Event::Consumed(Consumed {
                digest: self.digest?,
                by: Attempt {
                    boot: self.writer.boot,
                    record: self.id,
                },
            }),
            "permit.refused" => {
                let refusal = self.refusal?;
                Event::PermitRefused(PermitRefused {
                    code: refusal.code,
                    got: refusal.got,
                    burned: refusal.burned,
                })
            }
            "review.recorded" | "review.refused" => return self.into_review(),
            "outcome.succeeded" => self.finished(Outcome::Succeeded)?,
            "outcome.failed" => self.finished(Outcome::Failed)?,
            "outcome.unknown" => self.finished(Outcome::Unknown)?,
            "notice.sent" | "notice.failed" => {
                let notice = self.notice?;
                Event::Notice(NoticeResult {
                    channel: notice.channel,
                    place: notice.place,
                    error: notice.error,
                })
            }
            _ => return None,
        })
    }

    fn into_review(self) -> Option<Event> {
        let person = self.actor.as_ref().map(human).unwrap_or(Some(None))?;
        if self.kind == "review.refused" {
            let refusal = self.refusal?;
            let refused = ReviewRefused {
                code: refusal.code,
                identity: refusal.identity?,
                person,
                vote: refusal.vote?,
            };
            return Some(Event::ReviewRefused(Box::new(refused)));
        }
        let decision = self.decision?;
        Some(Event::Reviewed(Box::new(Reviewed {
            person: person?,
            vote: decision.vote,
            digest: self.digest?,
            assurance: decision.assurance,
            groups: decision.groups,
            evidence: self.evidence?,
            reason: self.reason,
        })))
    }

    fn finished(self, outcome: Outcome) -> Option<Event> {
        let body = self.outcome?;
        Some(Event::Finished(Finished {
            outcome,
            code: body.code,
            duration_us: body.duration_us,
        }))
    }
}

fn person(person: &PersonId) -> Option<Actor> {
    Some(Actor {
        r#type: "human".to_owned(),
        id: Some(person.to_string()),
    })
}

/// The person an actor names; `None` inside for a policy, outside for anything else.
fn human(actor: &Actor) -> Option<Option<PersonId>> {
    match (actor.r#type.as_str(), &actor.id) {
        ("human", Some(id)) => id.parse().ok().map(Some),
        ("policy", None) => Some(None),
        _ => None,
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
