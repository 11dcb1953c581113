//! Rehearsals: what another policy would have said of what was asked, from the records alone.
//!
//! Nothing is asked, recorded or decided here. Values that are no longer disclosed are counted and
//! never guessed.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::engines::Engines;
use crate::error::Code;
use crate::id::RequestId;
use crate::ledger::{AuditRecord, Entry};
use crate::lifecycle::{Created, Denied, Event};
use crate::policy::{
    Allowance, Ceiling, Evaluation, Forbidden, Policy, Rates, Recorded, Strictness,
};
use crate::request::PolicyRef;
use crate::sealed::FixedRecord;

/// Finds in a log what was asked, and what the answer was then. Feed it every record, in order.
#[derive(Debug, Default)]
pub struct Past {
    /// Asked, with the answer in the next record.
    open: HashMap<RequestId, (Box<Created>, Timestamp)>,
}

/// One ask on record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// The request.
    pub request: RequestId,
    /// What was asked; [`Recorded::of`] opens it.
    pub action: FixedRecord,
    /// The time for which policy was asked.
    pub at: Timestamp,
    /// The time of the record, by which rates count.
    pub recorded_at: Timestamp,
    /// The policy that was asked, and the engines.
    pub policy: PolicyRef,
    /// What they answered. Of what ran by itself the record does not say how often it might have.
    pub answer: Answered,
}

/// An answer as a record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a record holds one of four answers"
)]
pub enum Answered {
    /// It ran by itself.
    Auto,
    /// It was refused; `Frozen` when that ended with a calendar.
    Deny(Code),
    /// Nobody was asked, because people had denied it, or too much else, shortly before.
    Remembered(Code),
    /// People were asked.
    Require(crate::policy::Requirement),
}

impl Past {
    /// The ask that is complete with this record, if one is.
    pub fn look(&mut self, record: &AuditRecord) -> Option<Asked> {
        let Entry::Request(request, event) = &record.entry else {
            return None;
        };
        match event {
            Event::Created(created) => match &created.requirement {
                Some(requirement) => {
                    let answer = Answered::Require(requirement.clone());
                    Some(Asked::of(created, record.at, answer))
                }
                None => {
                    self.open.insert(*request, (created.clone(), record.at));
                    None
                }
            },
            Event::AutoApproved(_) => self.answered(*request, Answered::Auto),
            Event::Denied(Denied {
                by: None,
                code,
                until,
                ..
            }) => {
                let answer = match until {
                    None => Answered::Deny(*code),
                    Some(_) => Answered::Remembered(*code),
                };
                self.answered(*request, answer)
            }
            _ => None,
        }
    }

    fn answered(&mut self, request: RequestId, answer: Answered) -> Option<Asked> {
        let (created, at) = self.open.remove(&request)?;
        Some(Asked::of(&created, at, answer))
    }
}

impl Asked {
    fn of(created: &Created, recorded_at: Timestamp, answer: Answered) -> Self {
        Self {
            request: created.action.request_id,
            action: created.action.clone(),
            at: created.asked_at,
            recorded_at,
            policy: created.policy.clone(),
            answer,
        }
    }

    /// Whether something else than policy may have refused it: of that a record says only the code.
    fn refused_beside_policy(&self) -> bool {
        match self.answer {
            // The agent had broken the glass before, and nobody had reviewed that yet.
            Answered::Deny(Code::PolicyDenied) => self.action.break_glass.is_some(),
            Answered::Deny(code) => code != Code::Frozen,
            Answered::Remembered(_) => true,
            Answered::Auto | Answered::Require(_) => false,
        }
    }

    /// The recorded answer as a policy would give it now. Of what ran by itself, only that.
    fn evaluation(&self, policy: &Policy) -> Evaluation {
        let rules = self.policy.rules.clone();
        match &self.answer {
            Answered::Require(requirement) => Evaluation::Require(requirement.clone()),
            Answered::Deny(Code::Frozen) => Evaluation::Deny(Forbidden::frozen(rules, None)),
            Answered::Deny(_) | Answered::Remembered(_) => Evaluation::Deny(Forbidden::by(rules)),
            Answered::Auto => {
                let otherwise = policy.default_requirement().clone();
                Evaluation::Allow(Allowance::new(rules, Vec::new(), otherwise))
            }
        }
    }
}

/// Says of one ask after the other what a policy would have answered, its rates included: what it
/// would have let through counts against what comes later.
#[derive(Debug)]
pub struct Rehearsal {
    policy: Policy,
    engines: Engines,
    rates: Rates,
}

/// What a policy would have said of one ask.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rehearsed {
    /// What was answered then.
    pub was: Evaluation,
    /// What would have been answered.
    pub would: Evaluation,
    /// How the one stands to the other; none when that depends on a value that is not disclosed,
    /// or when something beside policy may have refused it then.
    pub how: Option<Strictness>,
    /// Whether a rule would have let it through by itself, had its rate not been reached.
    pub past_rate: bool,
}

impl Rehearsal {
    /// A rehearsal of this policy and these engines, with nothing counted yet. To count as the
    /// policy would have, begin with what was asked [`LONGEST_RATE`](Self::LONGEST_RATE) before.
    #[must_use]
    pub fn new(policy: Policy, engines: Engines) -> Self {
        Self {
            policy,
            engines,
            rates: Rates::default(),
        }
    }

    /// No rate counts longer than this.
    pub const LONGEST_RATE: std::time::Duration = Rates::LONGEST;

    /// The policy that is rehearsed.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What would have been answered. Asks come in the order of the log.
    pub async fn judge(&mut self, asked: &Asked, recorded: &Recorded) -> Rehearsed {
        let judgement = self
            .engines
            .judge(&self.policy, recorded.proposal(), asked.at)
            .await;
        let why = self.policy.explain_recorded(recorded, asked.at);
        // An engine may look at any value.
        let engines_guess = !judgement.engines.is_empty() && !recorded.undisclosed().is_empty();
        let denied = matches!(judgement.evaluation, Evaluation::Deny(_));
        let unsure = why.undisclosed || engines_guess || (asked.refused_beside_policy() && !denied);
        let (would, past_rate) = match judgement.evaluation {
            Evaluation::Allow(allowance) => self.allowed(allowance, asked.recorded_at, unsure),
            other => (other, false),
        };
        let was = asked.evaluation(&self.policy);
        let how = (!unsure).then(|| would.compared_to(&was));
        Rehearsed {
            was,
            would,
            how,
            past_rate,
        }
    }

    /// What is let through while its rates have room, which are used up by it.
    fn allowed(
        &mut self,
        mut allowance: Allowance,
        at: Timestamp,
        unsure: bool,
    ) -> (Evaluation, bool) {
        let ceilings = std::mem::take(&mut allowance.ceilings);
        let has_room = |ceiling: &Ceiling| ceiling.has_room(self.rates.count(ceiling, at));
        if !ceilings.iter().all(has_room) {
            return (Evaluation::Require(allowance.otherwise), true);
        }
        if !unsure {
            self.rates.add(ceilings.iter(), at);
        }
        (Evaluation::Allow(allowance), false)
    }
}
