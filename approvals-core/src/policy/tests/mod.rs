//! Policies against proposals, broken policies against the loader, and properties of both.

mod break_glass;
mod budgets;
mod calendars;
mod caps;
mod cases;
mod change;
mod engines;
mod escalation;
mod explained;
mod kept;
mod loader;
mod properties;
mod typing;

use std::collections::BTreeSet;

use super::{Evaluation, Policy, PolicyError, Requirement};
use crate::action::{Action, BoundParam, GuardedFn, Kind, Param, Treatment};
use crate::canonical::{Value, to_value};
use crate::clock::Timestamp;
use crate::digest::SchemaDigest;
use crate::id::GroupName;
use crate::principal::Agent;
use crate::proposal::Proposal;

const fn shown(name: &'static str, kind: Kind) -> Param {
    param(name, kind, Treatment::Shown)
}

const fn param(name: &'static str, kind: Kind, treatment: Treatment) -> Param {
    Param {
        name,
        kind,
        treatment,
    }
}

const fn guarded(scope: &'static str, params: &'static [Param]) -> GuardedFn {
    GuardedFn {
        scope,
        function: "app::guarded",
        file: "src/lib.rs",
        line: 1,
        version: "0.1.0",
        signature: "()",
        params,
    }
}

static SCALE: GuardedFn = guarded(
    "k8s.scale",
    &[
        shown("replicas", Kind::Integer),
        shown("image", Kind::Text),
        shown("zones", Kind::List),
        shown("spec", Kind::Any),
        param("token", Kind::Text, Treatment::Redacted),
        param("pool", Kind::Any, Treatment::NotCovered),
        param("query", Kind::Any, Treatment::InPart),
    ],
);
static QUERY: GuardedFn = guarded(
    "db.query",
    &[
        shown("table", Kind::Text),
        shown("readonly", Kind::Boolean),
        shown("ratio", Kind::Number),
        // `args(query = query.sql)` over a parameter that is bound in part.
        param("query", Kind::Any, Treatment::InPart),
        shown("query", Kind::Any),
    ],
);
static READ: GuardedFn = guarded("db.read", &[shown("table", Kind::Integer)]);

/// When proposals are made, unless a test is about time: 2027-01-15T08:00:00Z, a Friday.
fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

fn groups() -> BTreeSet<GroupName> {
    ["oncall", "sre", "security", "privacy"]
        .map(|name| name.parse().unwrap())
        .into()
}

fn load(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, &groups(), &[&SCALE, &QUERY, &READ])
}

/// A policy of these rules, with one person of `oncall` by default.
fn policy(rules: &str) -> Policy {
    let text =
        format!("version = 1\ndefault = {{ require = [{{ group = \"oncall\" }}] }}\n{rules}");
    load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn proposal(scope: &str, environment: &str, params: Vec<BoundParam>) -> Proposal {
    let agent = Agent::new("bot").on_behalf_of("u_alice");
    let action = Action {
        scope: scope.parse().unwrap(),
        function: "app::guarded".to_owned(),
        schema: SchemaDigest::of(b""),
        params,
        not_covered: Vec::new(),
        resource: None,
        environment: Some(environment.to_owned()).filter(|name| !name.is_empty()),
        tenant: None,
    };
    Proposal::new(agent.requester().unwrap(), action)
}

/// Parameters from a JSON object.
fn params(json: &str) -> Vec<BoundParam> {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let Value::Record(record) = to_value(&value).unwrap() else {
        panic!("not an object: {json}");
    };
    let bound = |(name, value): (&str, &Value)| BoundParam::new(name, value.clone());
    record.iter().map(bound).collect()
}

/// An evaluation in one line, for tables.
fn in_words(evaluation: &Evaluation) -> String {
    match evaluation {
        Evaluation::Deny(forbidden) => match forbidden.frozen {
            Some(freeze) => {
                let until = freeze.until.map(|until| format!("until {until} "));
                format!("frozen {}{:?}", until.unwrap_or_default(), forbidden.rules)
            }
            None => format!("deny {:?}", forbidden.rules),
        },
        Evaluation::Require(requirement) => {
            format!("require {}", requirement_in_words(requirement))
        }
        Evaluation::Allow(allowance) => {
            let ceilings: Vec<String> = allowance
                .ceilings
                .iter()
                .map(|ceiling| {
                    let seconds = ceiling.window.as_secs();
                    let takes = match ceiling.amount {
                        1 => String::new(),
                        amount => format!(" takes {amount}"),
                    };
                    format!("{}/{seconds}s as {}{takes}", ceiling.limit, ceiling.counter)
                })
                .collect();
            format!("allow {:?} {}", allowance.rules, ceilings.join(" and "))
        }
    }
}

fn requirement_in_words(requirement: &Requirement) -> String {
    let quorums: Vec<String> = requirement
        .quorums()
        .iter()
        .map(|quorum| format!("{}:{}:{}", quorum.group, quorum.need, quorum.assurance))
        .collect();
    format!("{} {:?}", quorums.join(" "), requirement.rules())
}
