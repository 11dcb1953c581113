//! What a guarded function of a program elsewhere binds, beside what the protocol knows: the fields
//! that `approvals-remote` sends and reads.

use std::collections::BTreeSet;

use approvals_core::action::{Action, BoundParam};
use approvals_core::canonical::{Record, Value};
use approvals_core::digest::{SchemaDigest, from_hex};
use approvals_core::gate::Call;
use approvals_core::ledger::{AuditRecord, Entry};
use approvals_core::lifecycle::Event;
use approvals_core::sealed::{ActionRecord, AgentClaims, RecordedAction};
use approvals_core::{ActionDigest, Agent, Code, Gate, RequestId, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::submission::argument_name;
use crate::problem::Problem;

/// A guarded call, as its guard bound it. Its values are the submission's `arguments`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Guarded {
    /// The guarded function, by its path.
    #[schema(max_length = 256)]
    function: String,
    /// Names its exact signature.
    #[schema(value_type = String, pattern = "^sha256:[0-9a-f]{64}$")]
    schema: SchemaDigest,
    /// Every parameter that is bound, in the order of the signature.
    #[schema(max_items = 64)]
    params: Vec<GuardedParam>,
    /// What the approval does not cover, by name.
    #[serde(default)]
    #[schema(max_items = 64)]
    not_covered: Vec<String>,
    /// The author's words around the arguments.
    #[serde(default)]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// What is acted upon, in the author's words.
    #[serde(default)]
    #[schema(nullable = false)]
    resource: Option<String>,
    /// Where; never another environment than the one the server is configured for.
    #[serde(default)]
    #[schema(nullable = false)]
    environment: Option<String>,
    /// For whom.
    #[serde(default)]
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// Why the agent breaks the glass, as it says.
    #[serde(default)]
    #[schema(nullable = false)]
    break_glass: Option<String>,
    /// What the agent says about itself: unverified.
    #[serde(default)]
    #[schema(value_type = Object)]
    claims: AgentClaims,
}

/// One bound parameter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GuardedParam {
    /// Its name.
    name: String,
    /// What stands for its value, which stays with the agent; none for a value among the arguments.
    #[serde(default)]
    #[schema(nullable = false, pattern = "^[0-9a-f]{64}$")]
    redacted: Option<String>,
}

impl Guarded {
    /// Reads the member of a submission.
    pub(super) fn parse(member: &Value) -> Result<Self, Problem> {
        let guarded: Self = super::read(&member.to_bytes())?;
        let most = guarded.params.len().max(guarded.not_covered.len());
        let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        let plain =
            (1..=256).contains(&guarded.function.len()) && guarded.function.bytes().all(visible);
        if most > 64 || !plain {
            let message = "`guard` has a function that is not 1 to 256 visible ASCII characters, or more than 64 parameters; guard something smaller";
            return Err(Problem::malformed(message));
        }
        let names = guarded.params.iter().map(|param| &param.name);
        let mut names = names.chain(&guarded.not_covered);
        names.try_for_each(|name| argument_name(name))?;
        Ok(guarded)
    }

    /// The call that the gate is asked about.
    pub(super) fn into_call(
        self,
        scope: Scope,
        arguments: &Record,
        agent: Agent,
        environment: Option<&str>,
    ) -> Result<Call, Problem> {
        if let (Some(said), Some(here)) = (self.environment.as_deref(), environment)
            && said != here
        {
            let message = "this server is configured for another environment than the one that is asked for; ask the server of that environment";
            return Err(Problem::new(Code::PolicyDenied, message));
        }
        let mut action = Action::new(scope, self.function, self.schema);
        action.params = bound(&self.params, arguments)?;
        action.not_covered = self.not_covered;
        action.resource = self.resource;
        action.environment = self.environment;
        let mut agent = claiming(agent, self.claims);
        if let Some(tenant) = self.tenant {
            agent = agent.tenant(tenant);
        }
        if let Some(why) = self.break_glass {
            agent = agent.break_glass(why);
        }
        Ok(Call::new(action, self.reason, agent))
    }
}

/// The parameters in the order of the signature. Each argument is one of them, and none is missing.
fn bound(params: &[GuardedParam], arguments: &Record) -> Result<Vec<BoundParam>, Problem> {
    let wrong = || {
        let message = "`guard.params` and `arguments` do not name the same values; name each shown one in both, and each redacted one under `guard.params` alone";
        Problem::malformed(message)
    };
    let mut names = BTreeSet::new();
    let bound = params.iter().map(|param| {
        if !names.insert(param.name.as_str()) {
            return Err(wrong());
        }
        match (&param.redacted, arguments.get(&param.name)) {
            (None, Some(value)) => Ok(BoundParam::new(&param.name, value.clone())),
            (Some(stands), None) if from_hex(stands).is_some() => Ok(BoundParam::redacted(
                &param.name,
                Value::Text(stands.clone()),
            )),
            _ => Err(wrong()),
        }
    });
    let bound: Vec<BoundParam> = bound.collect::<Result<_, _>>()?;
    let shown = params.iter().filter(|param| param.redacted.is_none());
    match shown.count() == arguments.len() {
        true => Ok(bound),
        false => Err(wrong()),
    }
}

/// The agent with what it says about itself.
fn claiming(agent: Agent, claims: AgentClaims) -> Agent {
    type Say = fn(Agent, String) -> Agent;
    let said: [(Option<String>, Say); 6] = [
        (claims.software, Agent::software),
        (claims.model, Agent::model),
        (claims.provider, Agent::provider),
        (claims.run, Agent::run),
        (claims.conversation, Agent::conversation),
        (claims.tool_call, Agent::tool_call),
    ];
    said.into_iter()
        .fold(agent, |agent, (text, say)| match text {
            Some(text) => say(agent, text),
            None => agent,
        })
}

/// What binds a guarded call, and what opens it: the agent compares it with its own arguments.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct GuardView {
    /// What people are shown and sign: SHA-256 over the canonical form of `record`.
    #[schema(value_type = String)]
    pub(super) digest: ActionDigest,
    /// The action as it stands on record, every value bound.
    #[schema(value_type = Object)]
    record: ActionRecord,
    /// What opens the commitments of shown values and words.
    disclosures: Vec<String>,
    /// Which kind of no it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Who said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied_by: Option<String>,
}

impl GuardView {
    pub(super) async fn of(
        gate: &Gate,
        id: RequestId,
        history: &[AuditRecord],
    ) -> Result<Self, Problem> {
        let sealed: RecordedAction = gate.sealed(id).await?;
        let denied = history.iter().find_map(|record| match &record.entry {
            Entry::Request(_, Event::Denied(denied)) => Some(denied),
            _ => None,
        });
        let disclosures = sealed.disclosures().iter();
        Ok(Self {
            digest: sealed.digest(),
            record: (**sealed.record()).clone(),
            disclosures: disclosures.map(|given| given.text.clone()).collect(),
            code: denied.map(|denied| denied.code.as_str()),
            denied_by: denied.and_then(|denied| denied.by.as_ref().map(ToString::to_string)),
        })
    }
}
