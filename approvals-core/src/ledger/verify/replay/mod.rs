//! Replays every request from the log alone, by the functions that the gate decided with.
//!
//! A record either follows from a command that the gate could have been given then (somebody
//! asked, voted, used it, or time ran out), or is what must stand behind such a record. The
//! lifecycle is asked again, and must say what the log says.

mod asked;
mod book;
mod changed;
mod denied;
mod erased;
mod evidence;
mod glass;
mod links;
mod opened;
mod policies;
mod used;
mod voted;

use std::sync::Arc;

use super::findings::{Findings, Place};
use super::report::{Erased, Link, Requests, Reviews};
use super::rule::Rule;
use crate::clock::Timestamp;
use crate::directory::People;
use crate::error::Code;
use crate::id::{BootId, RequestId};
use crate::ledger::{AuditRecord, Entry, LogEvent, Previous};
use crate::lifecycle::{Command, Event, Phase, RequestState, decide};
use crate::policy::Rates;
use crate::request::Outcome;
use book::{Book, Closed, End, Known, Open};
use denied::Remembered;
use erased::Erasures;
use glass::Glasses;
use links::Links;
use opened::Missing;
use policies::Policies;

pub use opened::{Disclosures, Kept, NoDisclosures};

#[derive(Debug, Default)]
pub(super) struct Replay {
    policies: Policies,
    links: Links,
    rates: Rates,
    denials: Remembered,
    book: Book,
    glasses: Glasses,
    missing: Missing,
    erasures: Erasures,
    /// Whether the word of a channel is taken for how well an identity was proven.
    channels_trusted: bool,
    counts: Counts,
}

/// What a report counts.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: Requests,
    reviews: Reviews,
    undisclosed: u64,
}

/// One record of one request, and where to say what is wrong with it.
struct Scene<'a> {
    request: RequestId,
    at: Timestamp,
    /// The process that wrote it.
    boot: BootId,
    here: Previous,
    findings: &'a mut Findings,
}

impl Scene<'_> {
    fn find(&mut self, rule: Rule, message: impl Into<String>) {
        let place = Place::record(self.here.seq).of(Some(self.request));
        self.findings.add(rule, place, message);
    }
}

impl Replay {
    pub(super) fn compare_with(&mut self, people: &People) {
        self.links.compare_with(people);
    }

    pub(super) fn trust_channels(&mut self) {
        self.channels_trusted = true;
    }

    pub(super) fn look(
        &mut self,
        here: Previous,
        record: &AuditRecord,
        source: &mut dyn Disclosures,
        findings: &mut Findings,
    ) {
        self.policies.go_on_from_change(&record.entry, findings);
        match &record.entry {
            Entry::Log(event) => {
                self.log_event(event, record.writer.boot, Place::record(here.seq), findings);
            }
            Entry::Request(request, event) => {
                let mut scene = Scene {
                    request: *request,
                    at: record.at,
                    boot: record.writer.boot,
                    here,
                    findings,
                };
                self.follow(event, record.previous, source, &mut scene);
            }
            Entry::Unknown(_) => {}
        }
    }

    /// What is not replayed any more still says why a value is not there today.
    pub(super) fn look_ahead(&mut self, record: &AuditRecord) {
        if let Entry::Request(request, Event::Erased(erased)) = &record.entry {
            self.missing.erased(&erased.commitments, *request);
        }
    }

    fn log_event(&mut self, event: &LogEvent, boot: BootId, place: Place, findings: &mut Findings) {
        if let LogEvent::PolicyChanged(change) = event {
            let state = self.book.state(change.authority).cloned().map(Arc::new);
            self.policies.changed(change, state, boot, place);
        }
        self.policies.look(event, place, findings);
        self.links.look(event, place, findings);
    }

    fn follow(
        &mut self,
        event: &Event,
        previous: Option<Previous>,
        source: &mut dyn Disclosures,
        scene: &mut Scene<'_>,
    ) {
        let known = self.book.take(scene.request);
        let follows = match &known {
            Known::New => previous.is_none(),
            Known::Open(open) => previous == Some(open.last),
            Known::Closed(closed) => closed.is_behind(previous),
        };
        if !follows {
            let message = "it does not follow the record of the same request in front of it";
            scene.find(Rule::Previous, message);
        }
        match (known, event) {
            (Known::New, _) => self.begin(event, source, scene),
            (known, Event::Erased(erased)) => self.erased(known, erased, source, scene),
            (Known::Open(open), _) => self.go_on(open, event, scene),
            (Known::Closed(closed), _) => self.too_late(closed, event, scene),
        }
    }

    fn begin(&mut self, event: &Event, source: &mut dyn Disclosures, scene: &mut Scene<'_>) {
        let begun = RequestState::begin(event, scene.at);
        let (Ok(state), Event::Created(created)) = (begun, event) else {
            let message = format!("`{}` of a request that was never made", event.kind());
            scene.find(Rule::Lifecycle, message);
            self.book.close(scene.request, scene.here, End::Broken);
            return;
        };
        self.counts.requests.asked += 1;
        let (asked, expected) = self.asked(created, source, scene);
        let open = Open {
            last: scene.here,
            state,
            asked: Arc::new(asked),
            expected,
        };
        self.book.keep(scene.request, Box::new(open));
    }

    fn go_on(&mut self, mut open: Box<Open>, event: &Event, scene: &mut Scene<'_>) {
        open.last = scene.here;
        let counts = match open.expected.take() {
            Some(expected) if expected == *event => true,
            Some(expected) => {
                unlike(&expected, event, scene);
                // Of the same kind, it is that step, done wrongly; it is not judged once more.
                expected.kind() == event.kind() || self.judge(&mut open, event, scene)
            }
            None => self.judge(&mut open, event, scene),
        };
        if counts {
            match open.state.apply(event) {
                Ok(()) => {
                    self.count(event);
                    self.glasses.note(&open, event);
                    self.denials.note(&open, event, scene.at);
                }
                Err(error) => scene.find(rule_of_impossible(&open, event), error.to_string()),
            }
        }
        self.book.keep(scene.request, open);
    }

    /// Judges a record that nothing in front of it asks for. Whether it changes where the request
    /// stands: a vote that does not count does not.
    fn judge(&mut self, open: &mut Open, event: &Event, scene: &mut Scene<'_>) -> bool {
        match event {
            Event::Reviewed(vote) => return self.voted(open, vote, scene),
            Event::PostReviewed(review) => return self.post_reviewed(open, review, scene),
            Event::Consumed(consumed) => self.used(open, consumed, scene),
            Event::BreakGlassUsed => {
                let message = "it says that the glass was broken, and no use in front of it did";
                scene.find(Rule::BreakGlass, message);
                return false;
            }
            Event::Created(_) => scene.find(Rule::SingleUse, "the request was made twice"),
            Event::AutoApproved(_) => {
                let message =
                    "it is let through by a rule, and the policy in force has no such rule for it";
                scene.find(Rule::Auto, message);
            }
            Event::Approved(_) => {
                let message = "it is approved, and what is on record does not meet its quorum";
                scene.find(Rule::Quorum, message);
            }
            Event::Denied(_) => {
                scene.find(Rule::Denial, "it is denied, and nobody on record denied it")
            }
            Event::Expired | Event::Escalated(_) => {
                must_follow(open, &Command::Due(scene.request), event, scene)
            }
            Event::Cancelled => must_follow(open, &Command::Cancel(scene.request), event, scene),
            Event::PermitRefused(refused) if refused.burned => {
                let other = refused.got.is_some_and(|got| got != open.state.digest());
                // Without witnesses for its use nothing ran either, whatever was about to.
                let unseen = refused.code == Code::AuditUnavailable && refused.got.is_none();
                if !other && !unseen {
                    let message =
                        "the run was stopped at the last check, which found no difference";
                    scene.find(Rule::Lifecycle, message);
                }
            }
            // It only takes a vote away; without it, what follows is judged by those that are left.
            Event::Voided(voided) if !is_void(voided.code) => {
                let message = format!(
                    "a vote is void for no reason that makes votes void: `{}`",
                    voided.code
                );
                scene.find(Rule::Lifecycle, message);
            }
            Event::Voided(_)
            | Event::PermitRefused(_)
            | Event::ReviewRefused(_)
            | Event::Finished(_)
            | Event::Erased(_)
            | Event::Notice(_) => {}
        }
        true
    }

    /// A record of a request that has ended: nothing but refusals and notices can follow.
    fn too_late(&mut self, closed: Closed, event: &Event, scene: &mut Scene<'_>) {
        let end = closed.end();
        let harmless = match event {
            Event::ReviewRefused(_) | Event::Notice(_) => true,
            Event::PermitRefused(refused) => !refused.burned,
            _ => false,
        };
        if !harmless && end != End::Broken {
            let rule = match event {
                Event::Created(_) => Rule::SingleUse,
                Event::Consumed(_) if end.was_used() => Rule::SingleUse,
                _ => Rule::Lifecycle,
            };
            let message = format!("`{}` cannot follow `{}`", event.kind(), end.as_str());
            scene.find(rule, message);
        }
        self.book.close(scene.request, scene.here, end);
    }

    fn count(&mut self, event: &Event) {
        let counts = &mut self.counts.requests;
        match event {
            Event::AutoApproved(_) => counts.auto_approved += 1,
            Event::Approved(_) => counts.approved += 1,
            Event::Denied(_) => counts.denied += 1,
            Event::Expired => counts.expired += 1,
            Event::Cancelled => counts.cancelled += 1,
            Event::Consumed(_) => counts.used += 1,
            _ => {}
        }
    }

    /// Says what should have followed and did not, and what is missing for good.
    pub(super) fn finish(mut self, findings: &mut Findings) -> Replayed {
        self.policies.finish(findings);
        let mut missing = self.missing;
        missing.finish(findings);
        let (mut in_doubt, mut live) = (Vec::new(), 0);
        for (request, open) in self.book.open() {
            if let Some(expected) = &open.expected {
                let place = Place::record(open.last.seq).of(Some(request));
                let message = format!("`{}` must follow here, and does not", expected.kind());
                findings.add(rule_of(expected), place, message);
            }
            live += u64::from(open.state.is_live());
            let doubt = matches!(
                open.state.phase(),
                Phase::Running(_) | Phase::Finished(Outcome::Unknown)
            );
            in_doubt.extend(doubt.then_some(request));
        }
        Replayed {
            requests: Requests {
                open: live,
                ..self.counts.requests
            },
            reviews: self.counts.reviews,
            undisclosed: self.counts.undisclosed,
            in_doubt,
            unreviewed: self.glasses.into_open(),
            links: self.links.into_listed(),
            erased: self.erasures.into_listed(),
        }
    }
}

/// What the replay has to say beside its findings.
pub(super) struct Replayed {
    pub(super) requests: Requests,
    pub(super) reviews: Reviews,
    pub(super) undisclosed: u64,
    pub(super) in_doubt: Vec<RequestId>,
    pub(super) unreviewed: Vec<RequestId>,
    pub(super) links: Vec<Link>,
    pub(super) erased: Vec<Erased>,
}

/// Whether an approval can end for this reason.
fn is_void(code: Code) -> bool {
    matches!(
        code,
        Code::NotEligible | Code::PolicyChanged | Code::PolicyDenied | Code::Frozen
    )
}

/// Finds when the lifecycle would not have done this then.
fn must_follow(open: &Open, command: &Command, event: &Event, scene: &mut Scene<'_>) {
    let step = decide(Some(&open.state), command, scene.at);
    if step.events == [event.clone()] {
        return;
    }
    if matches!(event, Event::Escalated(_)) && open.state.is_live() {
        let message = "more people may decide, and nobody had waited that long";
        scene.find(Rule::Deadline, message);
    } else if step.events == [Event::Expired] {
        let message = format!("`{}` after the request ran out of time", event.kind());
        scene.find(Rule::Deadline, message);
    } else if *event == Event::Expired && open.state.is_live() {
        scene.find(
            Rule::Deadline,
            "it ended as out of time before its deadline",
        );
    } else {
        let message = format!("`{}` cannot follow here", event.kind());
        scene.find(Rule::Lifecycle, message);
    }
}

/// Finds what differs from the record that had to stand here.
fn unlike(expected: &Event, event: &Event, scene: &mut Scene<'_>) {
    match (expected, event) {
        (
            Event::Approved(want) | Event::AutoApproved(want),
            Event::Approved(got) | Event::AutoApproved(got),
        ) if expected.kind() == event.kind() && want.by == got.by => {
            let message = format!(
                "it may be used until {}, and its policy says until {}",
                got.until, want.until
            );
            scene.find(Rule::Deadline, message);
        }
        _ if expected.kind() == event.kind() => {
            let message = format!(
                "`{}` does not say what follows from the records in front of it",
                event.kind()
            );
            scene.find(rule_of(expected), message);
        }
        _ => {
            let message = format!(
                "`{}` must stand here, and `{}` does",
                expected.kind(),
                event.kind()
            );
            scene.find(rule_of(expected), message);
        }
    }
}

/// The rule that is broken when such a record is not where it must be.
fn rule_of(expected: &Event) -> Rule {
    match expected {
        Event::AutoApproved(_) => Rule::Auto,
        Event::Approved(_) => Rule::Quorum,
        Event::Denied(_) => Rule::Denial,
        Event::BreakGlassUsed => Rule::BreakGlass,
        _ => Rule::Lifecycle,
    }
}

fn rule_of_impossible(open: &Open, event: &Event) -> Rule {
    let used = matches!(open.state.phase(), Phase::Running(_) | Phase::Finished(_));
    match event {
        Event::Created(_) => Rule::SingleUse,
        Event::Consumed(_) if used => Rule::SingleUse,
        _ => Rule::Lifecycle,
    }
}
