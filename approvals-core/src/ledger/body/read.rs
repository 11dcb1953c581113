//! From the members of a record back to what happened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Body;
use super::parts::{Actor, ApprovedBody, RefusalBody};
use crate::error::Code;
use crate::id::PersonId;
use crate::ledger::{KeyRevocation, KeyRotation, LogEvent};
use crate::lifecycle::{
    Approved, Attempt, Consumed, Created, Denied, Escalated, Event, Finished, NoticeResult,
    PermitRefused, PostReviewed, ReviewRefused, Reviewed, Voided,
};
use crate::request::{Outcome, PolicyRef};
use crate::sealed::{ActionRecord, FixedRecord};

impl Body {
    pub(super) fn into_log_event(self) -> Option<LogEvent> {
        Some(match self.kind.as_str() {
            "log.genesis" => LogEvent::Genesis {
                vkey: *self.vkey?,
                recovery: self.recovery_vkey.map(|key| *key),
            },
            "key.rotated" => LogEvent::KeyRotated(KeyRotation::new(
                *self.old_vkey?,
                *self.new_vkey?,
                STANDARD.decode(self.endorsement?).ok()?,
            )),
            "key.revoked" => LogEvent::KeyRevoked(KeyRevocation::new(
                *self.vkey?,
                self.last_good_size?,
                *self.new_vkey?,
                STANDARD.decode(self.endorsement?).ok()?,
            )),
            "log.opened" => LogEvent::Opened {
                version: self.version?,
            },
            "policy.loaded" => {
                let policy = self.policy.filter(|policy| names_only(policy))?;
                LogEvent::PolicyLoaded {
                    version: policy.version,
                    digest: policy.digest,
                    text: self.text?,
                }
            }
            "channel.refused" => LogEvent::ChannelRefused(self.refused?.read()),
            "anchor.recorded" => LogEvent::Anchored(self.anchor?.read()?),
            "log.recovered" => {
                let pinned = match self.pinned {
                    Some(head) => Some(head.read()?),
                    None => None,
                };
                LogEvent::Recovered { pinned }
            }
            "policy.changed" => LogEvent::PolicyChanged(Box::new(self.change?.read())),
            "policy.part" => {
                let policy = self.policy.filter(|policy| names_only(policy))?;
                LogEvent::PolicyPart {
                    version: policy.version,
                    digest: policy.digest,
                    text: self.text?,
                }
            }
            "identity.linked" => LogEvent::IdentityLinked {
                person: human(self.actor.as_ref()?)??,
                identity: self.identity?,
            },
            _ => return None,
        })
    }

    pub(super) fn into_event(self) -> Option<Event> {
        let approved = |body: Option<ApprovedBody>| {
            body.map(|body| Approved {
                by: body.by,
                until: body.until,
            })
        };
        Some(match self.kind.as_str() {
            "request.created" => Event::Created(Box::new(Created {
                action: self
                    .action
                    .filter(|action| asks(self.actor.as_ref(), action))
                    .map(|action| FixedRecord::from(*action))?,
                digest: self.digest?,
                policy: *self.policy?,
                requirement: self.requirement.map(|requirement| *requirement),
                asked_at: self.asked_at?,
                use_within_s: self.use_within_s?,
                key: self.key,
                content: self.content?,
            })),
            "request.auto_approved" => Event::AutoApproved(approved(self.approved)?),
            "request.approved" => Event::Approved(approved(self.approved)?),
            "request.denied" => Event::Denied(self.denied()?),
            "request.escalated" => Event::Escalated(Escalated { level: self.level? }),
            "request.expired" => Event::Expired,
            "request.cancelled" => Event::Cancelled,
            "permit.consumed" => Event::Consumed(Consumed {
                digest: self.digest?,
                by: Attempt {
                    boot: self.writer.boot,
                    record: self.id,
                },
            }),
            "permit.refused" => Event::PermitRefused(self.permit_refused()?),
            "breakglass.used" => Event::BreakGlassUsed,
            "breakglass.reviewed" => return self.into_post_review(),
            "review.voided" => Event::Voided(self.voided()?),
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
            "disclosure.erased" => Event::Erased(Box::new(self.erased?.read())),
            _ => return None,
        })
    }

    fn permit_refused(self) -> Option<PermitRefused> {
        let refusal = self.refusal?;
        let of_a_review = refusal.identity.is_some() || refusal.vote.is_some();
        (!of_a_review).then_some(PermitRefused {
            code: refusal.code,
            got: refusal.got,
            burned: refusal.burned,
        })
    }

    fn denied(self) -> Option<Denied> {
        let by = human(self.actor.as_ref()?)?;
        let until = self.until;
        let code = match (&by, self.refusal) {
            (Some(_), None) if until.is_none() => Code::Denied,
            (None, Some(refusal)) if *refusal == RefusalBody::of(refusal.code) => refusal.code,
            _ => return None,
        };
        let reason = self.reason;
        Some(Denied {
            by,
            reason,
            code,
            until,
        })
    }

    fn voided(self) -> Option<Voided> {
        let refusal = self.refusal?;
        let plain = *refusal == RefusalBody::of(refusal.code);
        let person = human(self.actor.as_ref()?)??;
        plain.then(|| Voided::new(person, refusal.code))
    }

    fn into_review(self) -> Option<Event> {
        let person = self.actor.as_ref().map(human).unwrap_or(Some(None))?;
        if self.kind == "review.refused" {
            let refusal = self.refusal.filter(|no| no.got.is_none() && !no.burned)?;
            let refused = ReviewRefused {
                code: refusal.code,
                identity: refusal.identity?,
                person,
                vote: refusal.vote,
            };
            return Some(Event::ReviewRefused(Box::new(refused)));
        }
        let decision = self.decision?;
        Some(Event::Reviewed(Box::new(Reviewed {
            person: person?,
            identity: decision.identity,
            vote: decision.vote?,
            digest: self.digest?,
            assurance: decision.assurance,
            groups: decision.groups,
            evidence: *self.evidence?,
            reason: self.reason,
        })))
    }

    fn into_post_review(self) -> Option<Event> {
        let decision = self.decision.filter(|decision| decision.vote.is_none())?;
        Some(Event::PostReviewed(Box::new(PostReviewed {
            person: human(self.actor.as_ref()?)??,
            identity: decision.identity,
            digest: self.digest?,
            assurance: decision.assurance,
            groups: decision.groups,
            evidence: *self.evidence?,
            reason: self.reason?,
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

/// Whether the actor of a request is the agent that the action names.
fn asks(actor: Option<&Actor>, action: &ActionRecord) -> bool {
    actor.is_some_and(|actor| {
        actor.r#type == "agent" && actor.id.as_deref() == Some(action.agent.as_str())
    })
}

/// Whether nothing is said of rules: where a policy is only named, none has decided.
fn names_only(policy: &PolicyRef) -> bool {
    policy.rules.is_empty() && policy.engines.is_empty()
}

/// The person an actor names; `None` inside for a policy, outside for anything else.
fn human(actor: &Actor) -> Option<Option<PersonId>> {
    match (actor.r#type.as_str(), &actor.id) {
        ("human", Some(id)) => id.parse().ok().map(Some),
        ("policy", None) => Some(None),
        _ => None,
    }
}
