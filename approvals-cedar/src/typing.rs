//! Compares the schema with the guarded functions of the program: what does not fit would be denied
//! at every call, and is better said when the engine is loaded.

use std::collections::HashMap;

use approvals_core::GuardedFn;
use approvals_core::action::{Kind, Param, Treatment};

use crate::error::Findings;
use crate::shape::{ActionShape, Shape};

pub(crate) fn check(
    actions: &HashMap<String, ActionShape>,
    guarded: &[&'static GuardedFn],
    findings: &mut Findings<'_>,
) {
    for function in guarded {
        let Some(shape) = actions.get(function.scope) else {
            continue;
        };
        for (name, message) in wrong(function, shape) {
            findings.about(
                &format!("\"{}\"", function.scope),
                format!(
                    "`args.{name}` of `{}` {message}, in `{}`",
                    function.scope, function.function
                ),
            );
        }
    }
}

fn wrong(function: &GuardedFn, action: &ActionShape) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let shown = |param: &&Param| param.treatment == Treatment::Shown;
    for param in function.params.iter().filter(shown) {
        let message = match action.args.get(param.name) {
            None => Some("is not declared, and the function shows it".to_owned()),
            Some(field) => mistyped(param.kind, &field.shape),
        };
        wrong.extend(message.map(|message| (param.name.to_owned(), message)));
    }
    let missing = |name: &&String| {
        let has =
            |param: &Param| param.name == name.as_str() && param.treatment == Treatment::Shown;
        !function.params.iter().any(has)
    };
    let required = action.args.iter().filter(|(_, field)| field.required);
    for name in required.map(|(name, _)| name).filter(missing) {
        let message = "must be there, and is no parameter that the function shows; declare it with a question mark, or not at all";
        wrong.push((name.clone(), message.to_owned()));
    }
    wrong
}

fn mistyped(kind: Kind, shape: &Shape) -> Option<String> {
    let fits = match kind {
        Kind::Any => true,
        Kind::Text => matches!(shape, Shape::Text | Shape::Extension(_)),
        Kind::Integer => *shape == Shape::Long,
        Kind::Boolean => *shape == Shape::Bool,
        Kind::List => matches!(shape, Shape::Set(_)),
        Kind::Number => {
            return Some(
                "is a fraction, which Cedar cannot hold; bind it as a text or a whole number"
                    .to_owned(),
            );
        }
    };
    let of = match kind {
        Kind::Text => "a text",
        Kind::Integer => "a whole number",
        Kind::Boolean => "a boolean",
        _ => "a list",
    };
    (!fits).then(|| format!("is declared as {}, and the parameter is {of}", shape.name()))
}
