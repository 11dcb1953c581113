//! From what happened to the members of its record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Body;
use super::parts::{
    Actor, ApprovedBody, ChangeBody, Decision, ErasedBody, HeadBody, NoticeBody, OutcomeBody,
    RefusalBody,
};
use crate::id::PersonId;
use crate::ledger::LogEvent;
use crate::lifecycle::{Created, Denied, Event, PostReviewed, Reviewed};
use crate::request::PolicyRef;

impl Body {
    pub(super) fn log_event(&mut self, event: &LogEvent) {
        match event {
            LogEvent::Genesis { vkey, recovery } => {
                self.vkey = Some(vkey.clone());
                self.recovery_vkey.clone_from(recovery);
            }
            LogEvent::KeyRotated(rotation) => {
                self.old_vkey = Some(rotation.old_vkey.clone());
                self.new_vkey = Some(rotation.new_vkey.clone());
                self.endorsement = Some(STANDARD.encode(&rotation.endorsement));
            }
            LogEvent::KeyRevoked(revocation) => {
                self.vkey = Some(revocation.vkey.clone());
                self.last_good_size = Some(revocation.last_good_size);
                self.new_vkey = Some(revocation.new_vkey.clone());
                self.endorsement = Some(STANDARD.encode(&revocation.endorsement));
            }
            LogEvent::Opened { version } => self.version = Some(version.clone()),
            LogEvent::PolicyLoaded {
                version,
                digest,
                text,
            } => {
                self.policy = Some(PolicyRef::new(*version, *digest, Vec::new()));
                self.text = Some(text.clone());
            }
            LogEvent::PolicyChanged(change) => self.change = Some(ChangeBody::of(change)),
            LogEvent::PolicyPart {
                version,
                digest,
                text,
            } => {
                self.policy = Some(PolicyRef::new(*version, *digest, Vec::new()));
                self.text = Some(text.clone());
            }
            LogEvent::IdentityLinked {
                person: of,
                identity,
            } => {
                self.actor = person(of);
                self.identity = Some(identity.clone());
            }
            LogEvent::Anchored(note) => self.anchor = Some(HeadBody::of(note)),
            LogEvent::Recovered { pinned } => self.pinned = pinned.as_ref().map(HeadBody::of),
        }
    }

    pub(super) fn request_event(&mut self, event: &Event) {
        match event {
            Event::Created(created) => self.created(created),
            Event::AutoApproved(approved) | Event::Approved(approved) => {
                self.approved = Some(ApprovedBody {
                    by: approved.by.clone(),
                    until: approved.until,
                });
            }
            Event::Reviewed(review) => self.reviewed(review),
            Event::Voided(voided) => {
                self.actor = person(&voided.person);
                self.refusal = Some(RefusalBody::of(voided.code));
            }
            Event::ReviewRefused(refused) => {
                self.actor = refused.person.as_ref().and_then(person);
                let (identity, vote) = (Some(refused.identity.clone()), refused.vote);
                self.refusal = Some(RefusalBody {
                    identity,
                    vote,
                    ..RefusalBody::of(refused.code)
                });
            }
            Event::Denied(denied) => self.set_denied(denied),
            Event::Escalated(escalated) => self.level = Some(escalated.level),
            Event::Expired | Event::Cancelled | Event::BreakGlassUsed => {}
            Event::PostReviewed(review) => self.post_reviewed(review),
            Event::Consumed(consumed) => self.digest = Some(consumed.digest),
            Event::PermitRefused(refused) => {
                self.refusal = Some(RefusalBody {
                    got: refused.got,
                    burned: refused.burned,
                    ..RefusalBody::of(refused.code)
                });
            }
            Event::Finished(finished) => {
                self.outcome = Some(OutcomeBody {
                    code: finished.code.clone(),
                    duration_us: finished.duration_us,
                })
            }
            Event::Erased(erased) => self.erased = Some(ErasedBody::of(erased)),
            Event::Notice(notice) => {
                self.notice = Some(NoticeBody {
                    channel: notice.channel.clone(),
                    place: notice.place.clone(),
                    error: notice.error.clone(),
                });
            }
        }
    }

    fn set_denied(&mut self, denied: &Denied) {
        let policy = Actor {
            r#type: "policy".to_owned(),
            id: None,
        };
        self.actor = denied.by.as_ref().map_or(Some(policy), person);
        self.reason.clone_from(&denied.reason);
        // A person's no is one: only a rule's has kinds.
        self.refusal = denied.by.is_none().then(|| RefusalBody::of(denied.code));
        self.until = denied.until;
    }

    fn reviewed(&mut self, review: &Reviewed) {
        self.actor = person(&review.person);
        self.digest = Some(review.digest);
        self.decision = Some(Decision {
            identity: review.identity.clone(),
            vote: Some(review.vote),
            assurance: review.assurance,
            groups: review.groups.clone(),
        });
        self.evidence = Some(review.evidence.clone());
        self.reason.clone_from(&review.reason);
    }

    fn post_reviewed(&mut self, review: &PostReviewed) {
        self.actor = person(&review.person);
        self.digest = Some(review.digest);
        self.decision = Some(Decision {
            identity: review.identity.clone(),
            vote: None,
            assurance: review.assurance,
            groups: review.groups.clone(),
        });
        self.evidence = Some(review.evidence.clone());
        self.reason = Some(review.reason.clone());
    }

    fn created(&mut self, created: &Created) {
        self.actor = Some(Actor {
            r#type: "agent".to_owned(),
            id: Some(created.action.agent.to_string()),
        });
        self.action = Some(Box::new(created.action.clone()));
        self.digest = Some(created.digest);
        self.policy = Some(created.policy.clone());
        self.requirement.clone_from(&created.requirement);
        self.asked_at = Some(created.asked_at);
        self.use_within_s = Some(created.use_within_s);
        self.key = created.key;
        self.content = Some(created.content);
    }
}

fn person(person: &PersonId) -> Option<Actor> {
    Some(Actor {
        r#type: "human".to_owned(),
        id: Some(person.to_string()),
    })
}
