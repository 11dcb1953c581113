//! Turns what is asked into what Cedar judges; whatever has no exact counterpart is an error.

use approvals_core::canonical::Value;
use approvals_core::policy::EngineError;
use approvals_core::{Proposal, Timestamp};
use cedar_policy::{Context, RestrictedExpression};

use crate::shape::{ActionShape, Extension, Fact, Field, Fields, Shape};

/// The context of a proposal, of exactly the types that the schema declares.
pub(crate) fn context(
    action: &ActionShape,
    proposal: &Proposal,
    at: Timestamp,
) -> Result<Context, EngineError> {
    let mut members = vec![("args".to_owned(), args(action, proposal)?)];
    for (fact, required) in &action.facts {
        match known(*fact, proposal, at) {
            Some(value) => members.push((fact.name().to_owned(), value)),
            None if *required => {
                let name = fact.name();
                return Err(EngineError::new(format!(
                    "the action has no `{name}`, and the schema says that it must"
                )));
            }
            None => {}
        }
    }
    // Cedar's own words could hold values.
    Context::from_pairs(members).map_err(|_| {
        EngineError::new("an argument cannot be read as the type that the schema declares")
    })
}

fn known(fact: Fact, proposal: &Proposal, at: Timestamp) -> Option<RestrictedExpression> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let requester = &proposal.requester;
    match fact {
        Fact::Env => proposal.action.environment.as_deref().map(text),
        Fact::Tenant => proposal.action.tenant.as_deref().map(text),
        Fact::Sponsor => requester.sponsor().map(|person| text(person.as_str())),
        Fact::Owner => requester.owner().map(|person| text(person.as_str())),
        Fact::BreakGlass => {
            let broken = proposal.break_glass.is_some();
            Some(RestrictedExpression::new_bool(broken))
        }
        Fact::At => Some(RestrictedExpression::new_datetime(milliseconds(at))),
    }
}

/// Cedar's times end with three digits after the second; the rest is cut.
fn milliseconds(at: Timestamp) -> String {
    let text = at.to_string();
    let end = text.find('.').map_or(text.len(), |dot| dot + 4);
    format!("{}Z", text.get(..end).unwrap_or(&text))
}

/// The arguments that people see; the policies cannot look at others.
fn args(action: &ActionShape, proposal: &Proposal) -> Result<RestrictedExpression, EngineError> {
    let shown = proposal.action.params.iter();
    let shown = shown.filter_map(|param| Some((param.name(), param.shown()?)));
    record("args", &action.args, shown.collect())
}

fn record(
    path: &str,
    fields: &Fields,
    values: Vec<(&str, &Value)>,
) -> Result<RestrictedExpression, EngineError> {
    let has = |name: &str| values.iter().any(|(have, _)| *have == name);
    let missing = |(name, field): &(&String, &Field)| field.required && !has(name);
    if let Some((name, _)) = fields.iter().find(missing) {
        return Err(EngineError::new(format!(
            "`{path}.{name}` is missing or not shown, and the schema says that it must be there"
        )));
    }
    let mut members = Vec::with_capacity(values.len());
    for (name, given) in &values {
        let path = format!("{path}.{}", clip(name));
        let field = fields
            .get(*name)
            .ok_or_else(|| EngineError::new(format!("`{path}` is not declared in the schema")))?;
        members.push(((*name).to_owned(), value(&path, &field.shape, given)?));
    }
    RestrictedExpression::new_record(members)
        .map_err(|_| EngineError::new(format!("`{path}` has a member twice")))
}

fn value(path: &str, shape: &Shape, given: &Value) -> Result<RestrictedExpression, EngineError> {
    match (shape, given) {
        (Shape::Text, Value::Text(text)) => Ok(RestrictedExpression::new_string(text.clone())),
        (Shape::Bool, Value::Bool(flag)) => Ok(RestrictedExpression::new_bool(*flag)),
        (Shape::Long, Value::Integer(number)) => match i64::try_from(*number) {
            Ok(number) => Ok(RestrictedExpression::new_long(number)),
            Err(_) => Err(EngineError::new(format!(
                "`{path}` is a number beyond 2^63 - 1, which Cedar cannot hold"
            ))),
        },
        (Shape::Extension(kind), Value::Text(text)) => Ok(extension(*kind, text)),
        (Shape::Set(element), Value::List(items)) => {
            let items = items.iter().map(|item| value(path, element, item));
            Ok(RestrictedExpression::new_set(
                items.collect::<Result<Vec<_>, _>>()?,
            ))
        }
        (Shape::Record(fields), Value::Record(given)) => {
            record(path, fields, given.iter().collect())
        }
        (_, Value::Null) => Err(EngineError::new(format!(
            "`{path}` is null, which Cedar cannot hold"
        ))),
        (_, Value::Float(_)) => Err(EngineError::new(format!(
            "`{path}` is a fraction, which Cedar cannot hold"
        ))),
        (shape, given) => Err(EngineError::new(format!(
            "`{path}` is declared as {} and is of the kind {}",
            shape.name(),
            given.kind()
        ))),
    }
}

fn extension(kind: Extension, text: &str) -> RestrictedExpression {
    match kind {
        Extension::Ip => RestrictedExpression::new_ip(text),
        Extension::Decimal => RestrictedExpression::new_decimal(text),
        Extension::Datetime => RestrictedExpression::new_datetime(text),
        Extension::Duration => RestrictedExpression::new_duration(text),
    }
}

/// A member's name comes from the action and may be anything.
fn clip(name: &str) -> String {
    name.chars()
        .take(40)
        .flat_map(char::escape_default)
        .collect()
}
