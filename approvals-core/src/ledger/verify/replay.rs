//! Replays every request from its records, with the lifecycle that the gate uses.

use std::collections::BTreeMap;

use super::findings::{Findings, Place};
use super::report::Requests;
use super::rule::Rule;
use crate::digest::PolicyDigest;
use crate::id::RequestId;
use crate::ledger::{AuditRecord, Entry, LogEvent, Previous};
use crate::lifecycle::{Created, Event, Phase, RequestState};
use crate::request::Outcome;

#[derive(Debug, Default)]
pub(super) struct Replay {
    policy: Option<(u64, PolicyDigest)>,
    requests: BTreeMap<RequestId, (Previous, Option<RequestState>)>,
    counts: Requests,
}

impl Replay {
    pub(super) fn look(&mut self, here: Previous, record: &AuditRecord, findings: &mut Findings) {
        let place = Place::record(here.seq).of(record.request());
        match &record.entry {
            Entry::Log(LogEvent::PolicyLoaded {
                version, digest, ..
            }) => self.policy_loaded(place, *version, *digest, findings),
            Entry::Request(request, event) => {
                self.follow(*request, event, record, here, findings);
            }
            Entry::Log(_) | Entry::Unknown(_) => {}
        }
    }

    fn policy_loaded(
        &mut self,
        place: Place,
        version: u64,
        digest: PolicyDigest,
        findings: &mut Findings,
    ) {
        if self.policy.is_some_and(|(last, _)| version <= last) {
            let message = format!("policy version {version} came into force after a higher one");
            findings.add(Rule::PolicyVersion, place, message);
        }
        self.policy = Some((version, digest));
    }

    fn follow(
        &mut self,
        request: RequestId,
        event: &Event,
        record: &AuditRecord,
        here: Previous,
        findings: &mut Findings,
    ) {
        let place = Place::record(here.seq).of(Some(request));
        let (previous, mut state) = self
            .requests
            .remove(&request)
            .map_or((None, None), |(previous, state)| (Some(previous), state));
        if record.previous != previous {
            let message = "it does not follow the record of the same request in front of it";
            findings.add(Rule::Previous, place, message);
        }
        let verdict = match &mut state {
            Some(state) => state.apply(event),
            None => RequestState::begin(event, record.at).map(|begun| state = Some(begun)),
        };
        match verdict {
            Ok(()) => self.count(event),
            Err(error) => findings.add(Rule::Lifecycle, place, error.to_string()),
        }
        if let Event::Created(created) = event {
            self.asked(created, place, findings);
        }
        self.requests.insert(request, (here, state));
    }

    fn asked(&self, created: &Created, place: Place, findings: &mut Findings) {
        let action = &created.action;
        if Some(action.request_id) != place.request || action.digest().ok() != Some(created.digest)
        {
            let message = "the digest is not that of the action on record";
            findings.add(Rule::Digest, place, message);
        }
        if self.policy.map(|(_, digest)| digest) != Some(created.policy.digest) {
            let message = "it was asked under a policy that was not in force";
            findings.add(Rule::Policy, place, message);
        }
    }

    fn count(&mut self, event: &Event) {
        let counts = &mut self.counts;
        match event {
            Event::Created(_) => counts.asked += 1,
            Event::AutoApproved(_) => counts.auto_approved += 1,
            Event::Approved(_) => counts.approved += 1,
            Event::Denied(_) => counts.denied += 1,
            Event::Expired => counts.expired += 1,
            Event::Cancelled => counts.cancelled += 1,
            Event::Consumed(_) => counts.used += 1,
            _ => {}
        }
    }

    pub(super) fn requests(&self) -> Requests {
        let live = |(_, state): &&(Previous, Option<RequestState>)| {
            state.as_ref().is_some_and(RequestState::is_live)
        };
        let open = self.requests.values().filter(live).count();
        Requests {
            open: u64::try_from(open).unwrap_or(u64::MAX),
            ..self.counts
        }
    }

    pub(super) fn in_doubt(&self) -> Vec<RequestId> {
        let doubt = |(request, (_, state)): (&RequestId, &(Previous, Option<RequestState>))| {
            matches!(
                state.as_ref()?.phase(),
                Phase::Running(_) | Phase::Finished(Outcome::Unknown)
            )
            .then_some(*request)
        };
        self.requests.iter().filter_map(doubt).collect()
    }
}
