//! One request as the agent that asked for it sees it, in the words of the protocol.

use approvals_core::canonical::{self, Record, Value};
use approvals_core::ledger::{AuditRecord, Entry};
use approvals_core::lifecycle::Event;
use approvals_core::{
    ActionDigest, AgentId, ApprovalError, Card, Code, Gate, Outcome, RequestId, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::guarded::GuardView;
use super::submission::{CONTEXT, SERVER, TIMEOUT, within};
use crate::problem::Problem;

/// A request and where it stands. A status gives no right: only `consume` does, once.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RequestView {
    /// Names the request; says nothing and decides nothing.
    #[schema(pattern = "^[0-9a-f-]{36}$")]
    id: String,
    /// The tool.
    tool: String,
    /// The server that has the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// The arguments, exactly as they were submitted.
    #[schema(value_type = Object)]
    arguments: Value,
    /// How long the agent leaves people to decide.
    timeout: String,
    /// The agent's own words: its claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_reasoning: Option<String>,
    /// What the agent's runtime wants back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    context: Option<Value>,
    /// Where it stands.
    pub(super) status: State,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    /// Until when people may decide.
    #[schema(value_type = String, format = DateTime)]
    pub(super) deadline_at: Moment,
    /// How it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<DecisionView>,
    /// That the approval was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) consumption: Option<ConsumptionView>,
    /// The newest record, to wait for the next one.
    #[serde(skip)]
    pub(super) seq: u64,
    /// What binds the action on record.
    #[serde(skip)]
    pub(super) digest: ActionDigest,
    /// What binds a guarded call, for the agent to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) guard: Option<GuardView>,
}

/// Where a request stands, in the task states of the AuthZEN Access Request and Approval Profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Waits for people.
    Pending,
    /// Approved; it may have been used since.
    Approved,
    /// A person or a rule said no.
    Denied,
    /// Nobody decided in time, or nobody used the approval in time.
    Expired,
    /// Withdrawn.
    Cancelled,
}

/// How a request was decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DecisionView {
    /// The same as the request's.
    status: State,
    /// Why it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(super) decided_at: Moment,
    /// Until when an approval may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Moment>,
}

/// That an approval was used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ConsumptionView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    consumed_at: Moment,
    /// How the run ended, once the agent has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView>,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OutcomeView {
    /// How.
    status: EndView,
    /// When the agent said so.
    #[schema(value_type = String, format = DateTime)]
    reported_at: Moment,
}

/// How a run ended, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndView {
    /// The tool did what it was asked to do.
    Succeeded,
    /// It did not.
    Failed,
    /// Nobody knows: the run was dropped or panicked, or it is not known whether it began.
    Unknown,
    /// The last check before the run failed, and nothing ran.
    NotRun,
}

impl EndView {
    /// What goes on record for a run; none when there was none.
    pub(super) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Succeeded => Some(Outcome::Succeeded),
            Self::Failed => Some(Outcome::Failed),
            Self::Unknown => Some(Outcome::Unknown),
            Self::NotRun => None,
        }
    }
}

/// A time as it is written in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl RequestView {
    /// The request, if it is this agent's own: of anybody else's not even that it is there.
    pub(super) async fn of(gate: &Gate, id: RequestId, agent: &AgentId) -> Result<Self, Problem> {
        let card = gate.card(id).await.map_err(|error| hidden(error, id))?;
        if card.action.agent != *agent {
            return Err(nothing(id));
        }
        let history = gate.journal().history(id).await?;
        let mut view = Self::read(&card, &history)?;
        if card.params.iter().all(|fact| fact.name != TIMEOUT) {
            view.guard = Some(GuardView::of(gate, id, &history).await?);
        }
        Ok(view)
    }

    fn read(card: &Card, history: &[AuditRecord]) -> Result<Self, Problem> {
        let asked = Asked::of(card)?;
        let deadline = match &asked.timeout {
            Some(timeout) => card.created_at.after(within(timeout)?).min(card.expires_at),
            None => card.expires_at,
        };
        let tool = match asked.timeout {
            Some(_) => card.action.function.clone(),
            None => card.action.scope.to_string(),
        };
        let by_policy = || format!("{}s", deadline.since(card.created_at).as_secs());
        let mut view = Self {
            id: uuid(card.request.as_bytes()),
            tool,
            server: asked.server,
            arguments: Value::Record(asked.arguments),
            timeout: asked.timeout.unwrap_or_else(by_policy),
            agent_reasoning: card.rationale.as_ref().map(|words| words.raw().to_owned()),
            context: asked.context,
            status: State::Pending,
            created_at: Moment(card.created_at),
            deadline_at: Moment(deadline),
            decision: None,
            consumption: None,
            seq: 0,
            digest: card.digest,
            guard: None,
        };
        let note = card.denial.as_ref().map(|reason| reason.raw().to_owned());
        for record in history {
            view.seq = record.seq;
            if let Entry::Request(_, event) = &record.entry {
                view.follow(event, Moment(record.at), note.as_ref());
            }
        }
        Ok(view)
    }

    fn follow(&mut self, event: &Event, at: Moment, note: Option<&String>) {
        match event {
            Event::Approved(approved) | Event::AutoApproved(approved) => {
                self.decide(State::Approved, at, None, Some(Moment(approved.until)));
            }
            Event::Denied(_) => self.decide(State::Denied, at, note.cloned(), None),
            Event::Expired => self.decide(State::Expired, at, None, None),
            // What is withdrawn because its time was over for the agent has expired for it.
            Event::Cancelled if at >= self.deadline_at => {
                self.decide(State::Expired, at, None, None);
            }
            Event::Cancelled => self.decide(State::Cancelled, at, None, None),
            Event::Consumed(_) => {
                self.consumption = Some(ConsumptionView {
                    consumed_at: at,
                    outcome: None,
                });
            }
            Event::PermitRefused(refused) if refused.burned => {
                self.consumption = None;
                self.decide(State::Cancelled, at, None, None);
            }
            Event::Finished(finished) => self.end(finished.outcome, at),
            _ => {}
        }
    }

    fn decide(
        &mut self,
        status: State,
        decided_at: Moment,
        note: Option<String>,
        expires_at: Option<Moment>,
    ) {
        self.status = status;
        self.decision = Some(DecisionView {
            status,
            note: note.filter(|note| !note.is_empty()),
            decided_at,
            expires_at,
        });
    }

    fn end(&mut self, outcome: Outcome, reported_at: Moment) {
        let status = match outcome {
            Outcome::Succeeded => EndView::Succeeded,
            Outcome::Failed => EndView::Failed,
            // Nobody knows; the agent may still say.
            Outcome::Unknown => return,
        };
        if let Some(consumption) = &mut self.consumption {
            consumption.outcome = Some(OutcomeView {
                status,
                reported_at,
            });
        }
    }

    /// Whether the agent's own time for people is over, and the request does not know it yet.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        match (self.status, &self.decision) {
            (State::Pending, _) => Moment(now) >= self.deadline_at,
            (State::Approved, Some(decision)) => {
                self.consumption.is_none() && decision.decided_at >= self.deadline_at
            }
            _ => false,
        }
    }
}

/// What was submitted, as the card shows it.
struct Asked {
    arguments: Record,
    timeout: Option<String>,
    server: Option<String>,
    context: Option<Value>,
}

impl Asked {
    fn of(card: &Card) -> Result<Self, Problem> {
        let mut asked = Self {
            arguments: Record::new(),
            timeout: None,
            server: None,
            context: None,
        };
        for (fact, bound) in card.params.iter().zip(&card.action.params) {
            if bound.redacted {
                continue;
            }
            // What was erased cannot be given back.
            let value = fact.value.as_ref().ok_or_else(|| nothing(card.request))?;
            let value =
                canonical::parse(value.raw().as_bytes()).map_err(|_| nothing(card.request))?;
            match (fact.name.as_str(), value) {
                (TIMEOUT, Value::Text(text)) => asked.timeout = Some(text),
                (SERVER, Value::Text(text)) => asked.server = Some(text),
                (CONTEXT, value) => asked.context = Some(value),
                (name, value) => asked
                    .arguments
                    .insert(name, value)
                    .map_err(|_| nothing(card.request))?,
            }
        }
        Ok(asked)
    }
}

/// There is no such request for this agent.
pub(super) fn nothing(id: RequestId) -> Problem {
    let message = "there is no such request of this agent; ask for it again";
    Problem::new(Code::NotFound, message).about(id)
}

fn hidden(error: ApprovalError, id: RequestId) -> Problem {
    match error.code() {
        Code::NotFound => nothing(id),
        _ => error.into(),
    }
}

/// The id in the form that the protocol wants; [`request_id`] reads it back.
pub(crate) fn uuid(id: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*id));
    let mut out = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// Reads an id, in the protocol's form or in ours.
pub(super) fn request_id(text: &str) -> Result<RequestId, Problem> {
    let nothing = || {
        Problem::new(
            Code::NotFound,
            "there is no such request; its id is not one",
        )
    };
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let hex: String = text.chars().filter(|letter| *letter != '-').collect();
    let number = u128::from_str_radix(&hex, 16).map_err(|_| nothing())?;
    let id = RequestId::from_bytes(number.to_be_bytes());
    // One text for each id.
    match uuid(id.as_bytes()) == text {
        true => Ok(id),
        false => Err(nothing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_the_task_states_of_the_access_request_profile() {
        // `failed` is of work that this server does not do, `partial` of requests for several things.
        for (state, text) in [
            (State::Pending, "pending"),
            (State::Approved, "approved"),
            (State::Denied, "denied"),
            (State::Expired, "expired"),
            (State::Cancelled, "cancelled"),
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), text);
        }
        for status in [
            approvals_core::Status::Pending,
            approvals_core::Status::Approved,
            approvals_core::Status::Denied,
            approvals_core::Status::Expired,
            approvals_core::Status::Cancelled,
            approvals_core::Status::Failed,
        ] {
            let states = [
                "pending",
                "approved",
                "denied",
                "expired",
                "cancelled",
                "failed",
            ];
            assert!(states.contains(&status.as_str()), "{status:?}");
        }
    }
}
