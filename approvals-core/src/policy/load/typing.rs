//! Types conditions from the parameters of the guarded functions a rule is for.

use std::collections::BTreeSet;

use crate::action::{GuardedFn, Kind, Param, Treatment};
use crate::canonical::clip;
use crate::policy::condition::{Condition, Path};
use crate::policy::document::{Findings, quoted};
use crate::policy::scalar::Family;

/// Checks every condition on a parameter; `functions` are those the rule is for, at least one.
pub(super) fn check(conditions: &[&Condition], functions: &[&GuardedFn], findings: &mut Findings) {
    for condition in conditions {
        let wrong = |(name, members)| wrong(condition, name, members, functions);
        if let Some(message) = arg(condition).and_then(wrong) {
            findings.add(condition.at, message);
        }
    }
}

/// What is wrong with summing up a parameter that may be a fraction.
pub(super) fn not_whole(path: &Path, functions: &[&GuardedFn]) -> Option<String> {
    let Path::Arg { name, .. } = path else {
        return None;
    };
    let fraction = |function: &&&GuardedFn| {
        param(function, name).is_some_and(|param| param.kind == Kind::Number)
    };
    let function = functions.iter().find(fraction)?.function;
    let path = clip(&path.to_string());
    Some(format!(
        "`{path}` may be a fraction, and a budget sums up whole numbers, in `{function}`"
    ))
}

/// The conditions on parameters, by path.
pub(super) fn paths(conditions: &[&Condition]) -> impl Iterator<Item = String> {
    let args = conditions
        .iter()
        .filter(|condition| arg(condition).is_some());
    args.map(|condition| clip(&condition.path.to_string()))
}

fn arg(condition: &Condition) -> Option<(&str, &[String])> {
    match &condition.path {
        Path::Arg { name, members } => Some((name, members)),
        _ => None,
    }
}

fn wrong(
    condition: &Condition,
    name: &str,
    members: &[String],
    functions: &[&GuardedFn],
) -> Option<String> {
    let mut known = false;
    for function in functions {
        let Some(param) = param(function, name) else {
            continue;
        };
        known = true;
        let why = unseen(param)
            .map(str::to_owned)
            .or_else(|| mistyped(condition, members, param.kind));
        if let Some(why) = why {
            let path = clip(&condition.path.to_string());
            return Some(format!("`{path}` {why}, in `{}`", function.function));
        }
    }
    if known {
        return None;
    }
    let names: BTreeSet<&str> = functions
        .iter()
        .flat_map(|function| function.params)
        .filter(|param| param.treatment == Treatment::Shown)
        .map(|param| param.name)
        .collect();
    let paths: BTreeSet<&str> = functions.iter().map(|function| function.function).collect();
    Some(format!(
        "no parameter `{}` in {}; did you mean one of {}",
        clip(name),
        quoted(paths.into_iter().take(3)),
        quoted(names.into_iter().take(SHOWN))
    ))
}

/// The parameter of this name, and of two the one that is shown: an `args(..)` expression may be
/// called like the parameter it looks into.
fn param<'f>(function: &'f GuardedFn, name: &str) -> Option<&'f Param> {
    let named = || function.params.iter().filter(|param| param.name == name);
    let shown = named().find(|param| param.treatment == Treatment::Shown);
    shown.or_else(|| named().next())
}

fn unseen(param: &Param) -> Option<&'static str> {
    match param.treatment {
        Treatment::Shown => None,
        Treatment::Redacted => {
            Some("is redacted, so that no policy can look at it; test another parameter")
        }
        Treatment::NotCovered => Some(
            "is left out with `skip(..)`, so that nothing can look at it; bind it, or test another parameter",
        ),
        Treatment::InPart => {
            Some("is only bound in part; test the name that `args(..)` gives to that part")
        }
    }
}

fn mistyped(condition: &Condition, members: &[String], kind: Kind) -> Option<String> {
    let kind = match kind {
        Kind::Any => return None,
        Kind::List => return Some("is a list, which conditions cannot look into".to_owned()),
        Kind::Text => Family::Text,
        Kind::Integer | Kind::Number => Family::Number,
        Kind::Boolean => Family::Boolean,
    };
    let tested = condition.family()?;
    if !members.is_empty() {
        Some(format!("looks for a member, but the parameter is {kind}"))
    } else if tested != kind {
        Some(format!("is {kind}, but is compared with {tested}"))
    } else {
        None
    }
}

/// How many known names a message lists.
const SHOWN: usize = 20;
