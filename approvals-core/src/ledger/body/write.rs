//! From what happened to the bytes of its record.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::line::Line;
use super::parts::{ChangeBody, ChannelBody, ErasedBody, HeadBody};
use super::{EntryRef, Leaf};
use crate::canonical::NonCanonical;
use crate::clock::Timestamp;
use crate::digest::{ActionDigest, Commitment};
use crate::error::{ApprovalError, Code};
use crate::id::{GroupName, PersonId, RequestId};
use crate::ledger::{ChannelRefused, LogEvent, Origin, VerifierKey};
use crate::lifecycle::{
    Approved, Created, Denied, Erased, Event, Finished, NoticeResult, PostReviewed, Reviewed,
};
use crate::policy::PolicyName;
use crate::principal::Assurance;
use crate::request::PolicyRef;
use crate::review::{Evidence, Vote};

/// What a record says beside what every record says, by the names of its members.
#[derive(Default)]
struct Members<'a> {
    created: Option<&'a Created>,
    actor: Option<(&'static str, Option<&'a str>)>,
    anchor: Option<HeadBody>,
    approved: Option<&'a Approved>,
    change: Option<ChangeBody>,
    decision: Option<Decision<'a>>,
    digest: Option<ActionDigest>,
    endorsement: Option<&'a [u8]>,
    erased: Option<&'a Erased>,
    evidence: Option<&'a Evidence>,
    identity: Option<&'a str>,
    last_good_size: Option<u64>,
    level: Option<u32>,
    new_vkey: Option<&'a VerifierKey>,
    notice: Option<&'a NoticeResult>,
    old_vkey: Option<&'a VerifierKey>,
    outcome: Option<&'a Finished>,
    pinned: Option<HeadBody>,
    policy: Option<PolicyName>,
    reason: Option<&'a Commitment>,
    recovery_vkey: Option<&'a VerifierKey>,
    refusal: Option<Refusal<'a>>,
    refused: Option<&'a ChannelRefused>,
    subject: Option<RequestId>,
    text: Option<&'a str>,
    until: Option<Timestamp>,
    version: Option<&'a str>,
    vkey: Option<&'a VerifierKey>,
}

struct Decision<'a> {
    assurance: Assurance,
    groups: &'a BTreeSet<GroupName>,
    identity: &'a str,
    vote: Option<Vote>,
}

struct Refusal<'a> {
    burned: bool,
    code: Code,
    got: Option<ActionDigest>,
    identity: Option<&'a str>,
    vote: Option<Vote>,
}

impl Refusal<'_> {
    fn of(code: Code) -> Self {
        Self {
            burned: false,
            code,
            got: None,
            identity: None,
            vote: None,
        }
    }
}

impl Leaf<'_> {
    pub(super) fn print(&self, log: &Origin, room: &mut String) -> Result<(), NonCanonical> {
        let members = match self.entry {
            EntryRef::Unknown(_) => Members::default(),
            EntryRef::Log(event) => Members::of_log(event),
            EntryRef::Request(request, event) => Members {
                subject: Some(request),
                ..Members::of_request(event)
            },
        };
        Line::print(room, |line| {
            members.until_id(line, self.at);
            members.until_log(line, self, log);
            members.until_seq(line);
            members.to_the_end(line, self);
        })
    }
}

impl<'a> Members<'a> {
    fn of_log(event: &'a LogEvent) -> Self {
        let mut members = Self::default();
        let policy = |version: &u64, digest| Some(PolicyName::new(*version, digest));
        match event {
            LogEvent::Genesis { vkey, recovery } => {
                members.vkey = Some(vkey);
                members.recovery_vkey = recovery.as_ref();
            }
            LogEvent::KeyRotated(rotation) => {
                members.old_vkey = Some(&rotation.old_vkey);
                members.new_vkey = Some(&rotation.new_vkey);
                members.endorsement = Some(&rotation.endorsement);
            }
            LogEvent::KeyRevoked(revocation) => {
                members.vkey = Some(&revocation.vkey);
                members.last_good_size = Some(revocation.last_good_size);
                members.new_vkey = Some(&revocation.new_vkey);
                members.endorsement = Some(&revocation.endorsement);
            }
            LogEvent::Opened { version } => members.version = Some(version),
            LogEvent::PolicyLoaded {
                version,
                digest,
                text,
            }
            | LogEvent::PolicyPart {
                version,
                digest,
                text,
            } => {
                members.policy = policy(version, *digest);
                members.text = Some(text);
            }
            LogEvent::PolicyChanged(change) => members.change = Some(ChangeBody::of(change)),
            LogEvent::IdentityLinked {
                person: of,
                identity,
            } => {
                members.actor = person(of);
                members.identity = Some(identity);
            }
            LogEvent::ChannelRefused(refused) => members.refused = Some(refused),
            LogEvent::Anchored(note) => members.anchor = Some(HeadBody::of(note)),
            LogEvent::Recovered { pinned } => {
                members.pinned = pinned.as_ref().map(HeadBody::of);
            }
        }
        members
    }

    fn of_request(event: &'a Event) -> Self {
        let mut members = Self::default();
        match event {
            Event::Created(created) => members.set_created(created),
            Event::AutoApproved(approved) | Event::Approved(approved) => {
                members.approved = Some(approved);
            }
            Event::Reviewed(review) => members.set_reviewed(review),
            Event::Voided(voided) => {
                members.actor = person(&voided.person);
                members.refusal = Some(Refusal::of(voided.code));
            }
            Event::ReviewRefused(refused) => {
                members.actor = refused.person.as_ref().and_then(person);
                members.refusal = Some(Refusal {
                    identity: Some(&refused.identity),
                    vote: refused.vote,
                    ..Refusal::of(refused.code)
                });
            }
            Event::Denied(denied) => members.set_denied(denied),
            Event::Escalated(escalated) => members.level = Some(escalated.level),
            Event::Expired | Event::Cancelled | Event::BreakGlassUsed => {}
            Event::PostReviewed(review) => members.set_post_reviewed(review),
            Event::Consumed(consumed) => members.digest = Some(consumed.digest),
            Event::PermitRefused(refused) => {
                members.refusal = Some(Refusal {
                    got: refused.got,
                    burned: refused.burned,
                    ..Refusal::of(refused.code)
                });
            }
            Event::Finished(finished) => members.outcome = Some(finished),
            Event::Erased(erased) => members.erased = Some(erased),
            Event::Notice(notice) => members.notice = Some(notice),
        }
        members
    }

    fn set_created(&mut self, created: &'a Created) {
        self.actor = Some(("agent", Some(created.action.agent.as_str())));
        self.digest = Some(created.digest);
        self.created = Some(created);
    }

    fn set_denied(&mut self, denied: &'a Denied) {
        self.actor = denied.by.as_ref().map_or(Some(("policy", None)), person);
        self.reason = denied.reason.as_ref();
        // A person's no is one: only a rule's has kinds.
        self.refusal = denied.by.is_none().then(|| Refusal::of(denied.code));
        self.until = denied.until;
    }

    fn set_reviewed(&mut self, review: &'a Reviewed) {
        self.actor = person(&review.person);
        self.digest = Some(review.digest);
        self.decision = Some(Decision {
            identity: &review.identity,
            vote: Some(review.vote),
            assurance: review.assurance,
            groups: &review.groups,
        });
        self.evidence = Some(&review.evidence);
        self.reason = review.reason.as_ref();
    }

    fn set_post_reviewed(&mut self, review: &'a PostReviewed) {
        self.actor = person(&review.person);
        self.digest = Some(review.digest);
        self.decision = Some(Decision {
            identity: &review.identity,
            vote: None,
            assurance: review.assurance,
            groups: &review.groups,
        });
        self.evidence = Some(&review.evidence);
        self.reason = Some(&review.reason);
    }

    /// `action` to `evidence`.
    fn until_id(&self, line: &mut Line, at: Timestamp) {
        if let Some(created) = self.created {
            let refuse = |error: ApprovalError| NonCanonical::new(error.to_string());
            line.onto("action", |text| {
                created.action.print_onto(text).map_err(refuse)
            });
        }
        if let Some((kind, id)) = self.actor {
            line.record("actor", |actor| {
                if let Some(id) = id {
                    actor.text("id", id);
                }
                actor.text("type", kind);
            });
        }
        some(&self.anchor, |anchor| line.value("anchor", anchor));
        if let Some(approved) = self.approved {
            line.record("approved", |line| {
                if !approved.by.is_empty() {
                    line.texts("by", approved.by.iter().map(PersonId::as_str));
                }
                line.shown("until", &approved.until);
            });
        }
        if let Some(created) = self.created {
            line.shown("asked_at", &created.asked_at);
        }
        line.shown("at", &at);
        some(&self.change, |change| line.value("change", change));
        if let Some(created) = self.created {
            line.sha256("content", created.content.as_bytes());
        }
        some(&self.decision, |decision| {
            line.record("decision", |line| decision.print(line));
        });
        some(&self.digest, |digest| {
            line.sha256("digest", digest.as_bytes());
        });
        some(&self.endorsement, |bytes| {
            line.text("endorsement", &STANDARD.encode(bytes));
        });
        some(&self.erased, |erased| {
            line.value("erased", &ErasedBody::of(erased));
        });
        some(&self.evidence, |evidence| line.value("evidence", evidence));
    }

    /// `id` to `log`.
    fn until_log(&self, line: &mut Line, leaf: &Leaf<'_>, log: &Origin) {
        line.shown("id", &leaf.id);
        some(&self.identity, |identity| line.text("identity", identity));
        if let Some(key) = self.created.and_then(|created| created.key) {
            line.sha256("key", key.as_bytes());
        }
        line.text("kind", leaf.entry.kind());
        some(&self.last_good_size, |size| {
            line.number("last_good_size", *size);
        });
        some(&self.level, |level| line.number("level", (*level).into()));
        line.text("log", log.as_str());
    }

    /// `new_vkey` to `requirement`.
    fn until_seq(&self, line: &mut Line) {
        some(&self.new_vkey, |key| line.shown("new_vkey", key));
        some(&self.notice, |notice| {
            line.record("notice", |line| {
                line.text("channel", &notice.channel);
                some(&notice.error, |error| line.text("error", error));
                some(&notice.place, |place| line.text("place", place));
            });
        });
        some(&self.old_vkey, |key| line.shown("old_vkey", key));
        some(&self.outcome, |finished| {
            line.record("outcome", |line| {
                some(&finished.code, |code| line.text("code", code));
                some(&finished.duration_us, |us| line.number("duration_us", *us));
            });
        });
        some(&self.pinned, |pinned| line.value("pinned", pinned));
        if let Some(created) = self.created {
            line.record("policy", |line| judged(line, &created.policy));
        }
        some(&self.policy, |policy| {
            line.record("policy", |line| {
                line.sha256("digest", policy.digest.as_bytes());
                line.number("version", policy.version);
            });
        });
        some(&self.reason, |reason| line.text("reason", reason.as_str()));
        some(&self.recovery_vkey, |key| line.shown("recovery_vkey", key));
        some(&self.refusal, |refusal| {
            line.record("refusal", |line| refusal.print(line));
        });
        some(&self.refused, |refused| {
            line.value("refused", &ChannelBody::of(refused));
        });
        let asked = self
            .created
            .and_then(|created| created.requirement.as_ref());
        some(&asked, |requirement| line.value("requirement", requirement));
    }

    /// `seq` to `writer`.
    fn to_the_end(&self, line: &mut Line, leaf: &Leaf<'_>) {
        line.number("seq", leaf.seq);
        some(&self.subject, |request| {
            line.record("subject", |line| {
                some(&leaf.previous, |previous| {
                    line.record("prev", |line| {
                        line.sha256("leaf", previous.leaf.as_bytes());
                        line.number("seq", previous.seq);
                    });
                });
                line.shown("request_id", request);
            });
        });
        some(&self.text, |text| line.text("text", text));
        some(&self.until, |until| line.shown("until", until));
        if let Some(created) = self.created {
            line.number("use_within_s", created.use_within_s);
        }
        line.number("v", 1);
        some(&self.version, |version| line.text("version", version));
        some(&self.vkey, |key| line.shown("vkey", key));
        line.record("writer", |line| {
            line.shown("boot", &leaf.writer.boot);
            line.number("n", leaf.writer.n);
        });
    }
}

impl Decision<'_> {
    fn print(&self, line: &mut Line) {
        line.value("assurance", &self.assurance);
        line.texts("groups", self.groups.iter().map(GroupName::as_str));
        line.text("identity", self.identity);
        some(&self.vote, |vote| line.value("vote", vote));
    }
}

impl Refusal<'_> {
    fn print(&self, line: &mut Line) {
        if self.burned {
            line.value("burned", &true);
        }
        line.value("code", &self.code);
        some(&self.got, |got| line.sha256("got", got.as_bytes()));
        some(&self.identity, |identity| line.text("identity", identity));
        some(&self.vote, |vote| line.value("vote", vote));
    }
}

fn judged(line: &mut Line, policy: &PolicyRef) {
    line.sha256("digest", policy.digest.as_bytes());
    if !policy.engines.is_empty() {
        line.value("engines", &policy.engines);
    }
    if !policy.rules.is_empty() {
        line.texts("rules", policy.rules.iter().map(crate::id::RuleId::as_str));
    }
    line.number("version", policy.version);
}

fn some<T>(member: &Option<T>, print: impl FnOnce(&T)) {
    if let Some(member) = member {
        print(member);
    }
}

fn person(person: &PersonId) -> Option<(&'static str, Option<&str>)> {
    Some(("human", Some(person.as_str())))
}
