//! Engines and proposals for tables of cases.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use approvals_cedar::{CedarEngine, CedarError};
use approvals_core::action::{Action, BoundParam};
use approvals_core::canonical::Value;
use approvals_core::digest::SchemaDigest;
use approvals_core::engines::Engines;
use approvals_core::policy::{
    Allowance, EngineError, Evaluation, Forbidden, Opinion, PolicyEngine, Quorum,
};
use approvals_core::{Agent, Assurance, GroupName, Policy, Proposal, Requirement, Timestamp};

pub(crate) const SCHEMA: &str = include_str!("../../policies/six.cedarschema");
pub(crate) const SIX: &str = include_str!("../../policies/six.cedar");
pub(crate) const TOML: &str = include_str!("../../policies/six.toml");

/// When proposals are made, unless a test is about time: 2027-01-15T08:00:00Z, a Friday.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

pub(crate) fn groups() -> BTreeSet<GroupName> {
    ["oncall", "sre", "security", "privacy"]
        .map(|name| name.parse().unwrap())
        .into()
}

pub(crate) fn load(policies: &str, schema: &str) -> Result<CedarEngine, CedarError> {
    CedarEngine::parse(policies, schema, &groups(), &[])
}

/// An engine of these policies under the schema of the six.
pub(crate) fn engine(policies: &str) -> CedarEngine {
    load(policies, SCHEMA).unwrap_or_else(|error| panic!("{error}\n{policies}"))
}

pub(crate) fn toml() -> Policy {
    static READ: LazyLock<Policy> = LazyLock::new(|| Policy::parse(TOML, &groups(), &[]).unwrap());
    READ.clone()
}

/// One ask, in the order in which it is read.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) scope: String,
    pub(crate) env: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) params: Vec<BoundParam>,
    pub(crate) at: Timestamp,
    pub(crate) break_glass: Option<String>,
}

impl Asked {
    pub(crate) fn new(scope: &str, env: &str, args: &str) -> Self {
        Self {
            scope: scope.to_owned(),
            env: Some(env.to_owned()).filter(|env| !env.is_empty()),
            resource: None,
            params: params(args),
            at: now(),
            break_glass: None,
        }
    }

    pub(crate) fn breaking(mut self, reason: &str) -> Self {
        self.break_glass = Some(reason.to_owned());
        self
    }

    pub(crate) fn at(mut self, time: &str) -> Self {
        self.at = time.parse().unwrap();
        self
    }

    pub(crate) fn proposal(&self) -> Proposal {
        let agent = Agent::new("bot").on_behalf_of("u_alice");
        let mut action = Action::new(
            self.scope.parse().unwrap(),
            "app::guarded",
            SchemaDigest::of(b""),
        );
        action.params.clone_from(&self.params);
        action.environment.clone_from(&self.env);
        action.resource.clone_from(&self.resource);
        let mut proposal = Proposal::new(agent.requester().unwrap(), action);
        proposal.break_glass.clone_from(&self.break_glass);
        proposal
    }
}

/// Parameters from a JSON object.
pub(crate) fn params(json: &str) -> Vec<BoundParam> {
    let value = approvals_core::canonical::parse(json.as_bytes()).unwrap();
    let Value::Record(record) = value else {
        panic!("not an object: {json}");
    };
    let bound = |(name, value): (&str, &Value)| BoundParam::new(name, value.clone());
    record.iter().map(bound).collect()
}

pub(crate) fn judge(engine: &CedarEngine, asked: &Asked) -> Result<Opinion, EngineError> {
    judge_proposal(engine, &asked.proposal(), asked.at)
}

pub(crate) fn judge_proposal(
    engine: &CedarEngine,
    proposal: &Proposal,
    at: Timestamp,
) -> Result<Opinion, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(engine.judge(proposal, at))
}

/// What would happen if the policy beside Cedar let everything run, and asked oncall where it must
/// ask somebody.
pub(crate) fn alone(engine: &CedarEngine, proposal: &Proposal, at: Timestamp) -> Evaluation {
    let everything = Allowance::new(Vec::new(), Vec::new(), toml().default_requirement().clone());
    let said = judge_proposal(engine, proposal, at);
    let answer = Evaluation::Allow(everything).tightened(engine.name(), said);
    match &proposal.break_glass {
        None => answer,
        Some(reason) => glass(answer, reason),
    }
}

/// What every gate makes of broken glass, told apart from the library's own way: a reason, people
/// in any case, and their own keys.
fn glass(answer: Evaluation, reason: &str) -> Evaluation {
    let requirement = match answer {
        Evaluation::Deny(_) => return answer,
        Evaluation::Require(requirement) => requirement,
        Evaluation::Allow(allowance) => allowance.otherwise,
    };
    if reason.trim().is_empty() {
        return Evaluation::Deny(Forbidden::because("no reason"));
    }
    let own_key = |quorum: &Quorum| Quorum::new(quorum.group.clone(), quorum.need, Assurance::A3);
    let quorums = requirement.quorums().iter().map(own_key).collect();
    let (decide, usable) = (requirement.decide_within(), requirement.use_within());
    let rules = requirement.rules().to_vec();
    Evaluation::Require(Requirement::new(quorums, decide, usable, rules).unwrap())
}

/// What a policy and Cedar say together.
pub(crate) fn beside(
    policy: &Policy,
    engine: &CedarEngine,
    proposal: &Proposal,
    at: Timestamp,
) -> Evaluation {
    let engines = Engines::new(vec![Arc::new(engine.clone())], Duration::from_secs(60)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime
        .block_on(engines.judge(policy, proposal, at))
        .evaluation
}

pub(crate) fn by_cedar(engine: &CedarEngine, asked: &Asked) -> Evaluation {
    alone(engine, &asked.proposal(), asked.at)
}

/// An opinion in one line, for tables.
pub(crate) fn opinion_in_words(opinion: &Result<Opinion, EngineError>) -> String {
    match opinion {
        Ok(Opinion::NoObjection) => "no objection".to_owned(),
        Ok(Opinion::Deny(rules)) => format!("deny {rules:?}"),
        Ok(Opinion::Require(requirement)) => {
            let quorums: Vec<String> = requirement
                .quorums()
                .iter()
                .map(ToString::to_string)
                .collect();
            format!("require {} {:?}", quorums.join(", "), requirement.rules())
        }
        Err(error) => format!("error: {error}"),
    }
}
