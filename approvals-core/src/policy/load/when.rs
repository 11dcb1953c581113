//! Reads the conditions of a rule.

use toml::de::DeValue;

use super::rule::Loader;
use crate::canonical::clip;
use crate::policy::condition::{Condition, Path, Test};
use crate::policy::document::{Findings, Item, Section, entries, quoted};
use crate::policy::scalar::Literal;

impl Loader<'_> {
    /// The conditions, `None` in the place of one that cannot be read; empty without a `when`.
    pub(super) fn when(&mut self, rule: Section<'_, '_>) -> Vec<Option<Condition>> {
        let Some(item) = rule.get("when") else {
            return Vec::new();
        };
        let DeValue::Table(table) = item.value else {
            return vec![item.refuse(self.findings, "a table, as in `when = { env = \"prod\" }`")];
        };
        if table.len() > MAX_CONDITIONS {
            let message =
                format!("`when` has more than {MAX_CONDITIONS} conditions; split the rule");
            self.findings.add(item.at, message);
            return vec![None];
        }
        entries(table)
            .map(|entry| {
                let condition = condition(entry, self.findings)?;
                self.known_calendars(&condition).then_some(condition)
            })
            .collect()
    }

    /// Whether the calendars that a condition names are in the file.
    fn known_calendars(&mut self, condition: &Condition) -> bool {
        if condition.path != Path::Calendar {
            return true;
        }
        if !condition.tests.iter().all(Test::takes_names) {
            let message = "a calendar covers the time or does not; use `eq`, `ne`, `in` or `not_in` with its name";
            self.findings.add(condition.at, message);
            return false;
        }
        let named = condition.tests.iter().flat_map(Test::texts);
        match named
            .into_iter()
            .find(|name| !self.calendars.contains(*name))
        {
            None => true,
            Some(name) => {
                let known = quoted(self.calendars.iter().take(SHOWN));
                let message = format!(
                    "`{}` is not a calendar of this policy; it has {known}: write `[calendar.{}]`",
                    clip(name),
                    clip(name)
                );
                self.findings.add(condition.at, message);
                false
            }
        }
    }
}

fn condition(entry: Item<'_, '_>, findings: &mut Findings) -> Option<Condition> {
    let path = path(entry, findings)?;
    let tests = match entry.value {
        DeValue::Table(operators) if operators.is_empty() => {
            let message = format!("`{path}` is tested for nothing; name a value or an operator");
            findings.add(entry.at, message);
            None
        }
        DeValue::Table(operators) => {
            let read: Vec<Option<Test>> = entries(operators)
                .map(|operator| test(operator, findings))
                .collect();
            read.into_iter().collect()
        }
        _ => literal(entry, findings).map(|value| vec![Test::Eq(value)]),
    };
    let condition = Condition {
        path,
        tests: tests?,
        at: entry.at,
    };
    match kinds(&condition) {
        None => Some(condition),
        Some(message) => {
            findings.add(condition.at, message);
            None
        }
    }
}

fn path(entry: Item<'_, '_>, findings: &mut Findings) -> Option<Path> {
    match entry.name {
        "env" => Some(Path::Environment),
        "tenant" => Some(Path::Tenant),
        "resource" => Some(Path::Resource),
        "agent" => Some(Path::Agent),
        "calendar" => Some(Path::Calendar),
        "break_glass" => Some(Path::BreakGlass),
        "args" => {
            findings.add(
                entry.at,
                "put the whole path in quotes, as in `\"args.table\" = \"users\"`",
            );
            None
        }
        other => arg(other).or_else(|| {
            findings.add(
                entry.at,
                format!(
                    "`{}` cannot be tested; use `env`, `tenant`, `resource`, `agent`, `calendar`, `break_glass` or `args.NAME`",
                    clip(other)
                ),
            );
            None
        }),
    }
}

pub(super) fn arg(name: &str) -> Option<Path> {
    let mut parts = name.strip_prefix("args.")?.split('.').map(str::to_owned);
    let name = parts.next()?;
    let members: Vec<String> = parts.collect();
    let empty =
        members.len() > MAX_MEMBERS || name.is_empty() || members.iter().any(String::is_empty);
    (!empty).then_some(Path::Arg { name, members })
}

fn test(operator: Item<'_, '_>, findings: &mut Findings) -> Option<Test> {
    match operator.name {
        "eq" => literal(operator, findings).map(Test::Eq),
        "ne" => literal(operator, findings).map(Test::Ne),
        "in" => literals(operator, findings).map(Test::In),
        "not_in" => literals(operator, findings).map(Test::NotIn),
        "gt" => number(operator, findings).map(Test::Gt),
        "ge" => number(operator, findings).map(Test::Ge),
        "lt" => number(operator, findings).map(Test::Lt),
        "le" => number(operator, findings).map(Test::Le),
        "starts_with" => part(operator, findings).map(Test::StartsWith),
        "ends_with" => part(operator, findings).map(Test::EndsWith),
        "contains" => part(operator, findings).map(Test::Contains),
        other => {
            let message = format!(
                "`{}` is not an operator; use {}",
                clip(other),
                quoted(OPERATORS)
            );
            findings.add(operator.at, message);
            None
        }
    }
}

fn literal(item: Item<'_, '_>, findings: &mut Findings) -> Option<Literal> {
    let wanted = match item.value {
        DeValue::String(_) => return short(item, findings).map(|text| Literal::Text(text.into())),
        DeValue::Boolean(flag) => return Some(Literal::Bool(*flag)),
        DeValue::Integer(number) => {
            // Actions hold no larger numbers, so that a comparison with one could only mislead.
            let read = i128::from_str_radix(number.as_str(), number.radix()).ok();
            let fits = |n: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(n);
            match read.filter(fits) {
                Some(number) => return Some(Literal::Integer(number)),
                None => "within 64 bits",
            }
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => return Some(Literal::Float(number)),
            _ => "finite",
        },
        DeValue::Array(_) => "one value; use `in` for several",
        DeValue::Datetime(_) => {
            "a text in quotes, a number or a boolean; dates are compared as texts"
        }
        DeValue::Table(_) => "a text, a number or a boolean",
    };
    let message = format!("the value of `{}` must be {wanted}", clip(item.name));
    findings.add(item.at, message);
    None
}

fn literals(item: Item<'_, '_>, findings: &mut Findings) -> Option<Vec<Literal>> {
    let items = item.list(findings)?;
    if items.is_empty() {
        let message = format!("`{}` is an empty list; name at least one value", item.name);
        findings.add(item.at, message);
        return None;
    }
    if items.len() > MAX_VALUES {
        let message = format!(
            "`{}` lists {} values; at most {MAX_VALUES} are read: split the rule",
            item.name,
            items.len()
        );
        findings.add(item.at, message);
        return None;
    }
    let read: Vec<Option<Literal>> = items
        .into_iter()
        .map(|item| literal(item, findings))
        .collect();
    read.into_iter().collect()
}

/// A text that is no longer than what anybody would review.
fn short<'d>(item: Item<'d, '_>, findings: &mut Findings) -> Option<&'d str> {
    let text = item.text(findings)?;
    if text.chars().count() <= MAX_TEXT {
        return Some(text);
    }
    let message = format!(
        "the value of `{}` is longer than {MAX_TEXT} characters; shorten it",
        clip(item.name)
    );
    findings.add(item.at, message);
    None
}

fn number(item: Item<'_, '_>, findings: &mut Findings) -> Option<Literal> {
    match item.value {
        DeValue::Integer(_) | DeValue::Float(_) => literal(item, findings),
        _ => item.refuse(findings, "a number"),
    }
}

fn part(item: Item<'_, '_>, findings: &mut Findings) -> Option<String> {
    let text = short(item, findings)?;
    if text.is_empty() {
        let message = format!(
            "`{}` with an empty text matches everything; name the part",
            item.name
        );
        findings.add(item.at, message);
        return None;
    }
    Some(text.to_owned())
}

/// What is wrong with the kinds of value a condition compares with.
fn kinds(condition: &Condition) -> Option<String> {
    let family = condition.family()?;
    let path = clip(&condition.path.to_string());
    // No value is a text and a number at once, so that mixed tests can only be a mistake.
    if !condition.tests.iter().all(|test| test.is_of(family)) {
        return Some(format!(
            "`{path}` is compared with {family} and with something else; keep to one kind of value"
        ));
    }
    let stands = condition.path.family()?;
    (stands != family).then(|| format!("`{path}` is {stands}, but is compared with {family}"))
}

const OPERATORS: &[&str] = &[
    "eq",
    "ne",
    "in",
    "not_in",
    "gt",
    "ge",
    "lt",
    "le",
    "starts_with",
    "ends_with",
    "contains",
];
const MAX_CONDITIONS: usize = 64;
const MAX_VALUES: usize = 1_000;
const MAX_TEXT: usize = 4_000;
/// How deep a condition may look into an argument.
const MAX_MEMBERS: usize = 16;
/// How many known names a message lists.
const SHOWN: usize = 20;
