//! Putting a policy into force.

use super::engine::Engine;
use super::stage::Stage;
use super::steps::empty;
use super::{Answer, Reply, store_error};
use crate::clock::Timestamp;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::ledger::{
    AuditRecord, Entry, LogEvent, Origin, PolicyChange, PolicyTexts, policy_records,
};
use crate::lifecycle::{DIFF, NEW, OLD, ReplaceFacts, replaced_under};
use crate::policy::Policy;
use crate::ports::Reader;

/// How many records about the log itself are read at a time.
const PAGE: usize = 64;

impl Engine {
    /// Puts a policy into force that whoever opens the gate brings along. One in force that says who
    /// must approve its replacement is not replaced that way.
    pub(super) fn policy(&mut self, stage: &mut Stage, policy: Policy, now: Timestamp) -> Reply {
        if stage
            .policy
            .is_some_and(|(_, digest)| digest == policy.digest())
        {
            return Ok(empty());
        }
        newer(stage, &policy)?;
        if let Some(old) = self.in_force(stage)?
            && old.change().is_some()
        {
            let message = format!(
                "the policy in force ({}) says who must approve its replacement, and nobody has approved {}; put the file of the one in force back, and ask with `approvals policy propose FILE`",
                old.name(),
                policy.name()
            );
            return Err(ApprovalError::new(Code::PolicyInvalid, message));
        }
        self.preface(stage, now)?;
        self.load(stage, policy, now)?;
        Ok(empty())
    }

    /// Records the replacement, who approved it, and the new policy together: a crash leaves all of
    /// it or nothing.
    pub(super) fn replace(
        &mut self,
        stage: &mut Stage,
        policy: Policy,
        authority: RequestId,
        now: Timestamp,
    ) -> Reply {
        newer(stage, &policy)?;
        let Some(old) = self.in_force(stage)? else {
            let message =
                "there is no policy in force that could be replaced; open a gate with this one";
            return Err(ApprovalError::new(Code::PolicyInvalid, message));
        };
        let state = self.known(stage, authority)?.map(|known| known.state);
        let opened = match &state {
            // Both names stand in the log, and so do both texts, so that what differs between them
            // is no secret either.
            Some(state) => self.opened_params(state, &[OLD, NEW, DIFF])?,
            None => Vec::new(),
        };
        let wish = ReplaceFacts::new((old, policy), state, self.boot, opened);
        let digest = match replaced_under(&wish) {
            Ok(approved) => approved.digest(),
            Err(refusal) => {
                let refusal = Some(refusal);
                return Ok(Answer { refusal, ..empty() });
            }
        };
        let names = (wish.old.name(), wish.new.name());
        let change = PolicyChange::new(names, (authority, digest), wish.opened);
        self.preface(stage, now)?;
        let seq = stage.frontier.size();
        stage.log_event(LogEvent::PolicyChanged(Box::new(change)), now, &self.log)?;
        self.load(stage, wish.new, now)?;
        Ok(Answer { seq, ..empty() })
    }

    fn load(&self, stage: &mut Stage, policy: Policy, now: Timestamp) -> Result<(), ApprovalError> {
        let (version, digest) = (policy.version(), policy.digest());
        for event in policy_records(version, digest, policy.text()) {
            stage.log_event(event, now, &self.log)?;
        }
        stage.policy = Some((version, digest));
        stage.loaded = Some(policy);
        Ok(())
    }

    /// The policy in force, read from the log.
    fn in_force(&mut self, stage: &Stage) -> Result<Option<Policy>, ApprovalError> {
        if stage.policy.is_none() || stage.loaded.is_some() {
            return Ok(stage.loaded.clone());
        }
        on_record(&mut *self.store, stage.base, &self.log).map(Some)
    }
}

fn newer(stage: &Stage, policy: &Policy) -> Result<(), ApprovalError> {
    match stage.policy {
        Some((last, _)) if policy.version() <= last => {
            let message = format!(
                "the policy has version {} and version {last} was in force with another text; raise `version` above {last}",
                policy.version()
            );
            Err(ApprovalError::new(Code::PolicyInvalid, message))
        }
        _ => Ok(()),
    }
}

/// The last policy that the log says was loaded. A text that cannot be read says nothing of who
/// may replace it, and so nobody may.
fn on_record(reader: &mut dyn Reader, size: u64, log: &Origin) -> Result<Policy, ApprovalError> {
    let unreadable = |why: &str| {
        let message = format!(
            "the policy in force cannot be read from the log ({why}), so nobody knows who must approve its replacement; run `approvals verify`, and use the version that wrote it"
        );
        ApprovalError::new(Code::AuditTampered, message)
    };
    let events = last_policy(reader, size, log)?;
    let mut texts = PolicyTexts::default();
    let text = events
        .iter()
        .rev()
        .filter_map(|event| texts.look(event))
        .last();
    let text = text.ok_or_else(|| unreadable("it is not there"))?;
    let text = text.map_err(|other| unreadable(&other.to_string()))?;
    Policy::on_record(&text).map_err(|error| {
        let error = error.to_string();
        unreadable(error.lines().next().unwrap_or_default())
    })
}

/// The records that put the last policy into force, newest first.
fn last_policy(
    reader: &mut dyn Reader,
    size: u64,
    log: &Origin,
) -> Result<Vec<LogEvent>, ApprovalError> {
    let (mut events, mut before) = (Vec::new(), size);
    loop {
        let page = reader.log_records(before, PAGE).map_err(store_error)?;
        let Some(oldest) = page.last() else {
            return Ok(events);
        };
        before = oldest.seq;
        for stored in &page {
            let record = AuditRecord::decode(&stored.bytes, log)
                .map_err(|error| super::tampered(stored.seq, &error.to_string()))?;
            let Entry::Log(event) = record.entry else {
                continue;
            };
            match event {
                LogEvent::PolicyLoaded { .. } if events.is_empty() => events.push(event),
                LogEvent::PolicyPart { .. } if !events.is_empty() => events.push(event),
                _ if !events.is_empty() => return Ok(events),
                _ => {}
            }
        }
    }
}
