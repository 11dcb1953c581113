//! `approvals policy check`: what a policy says, or everything that is wrong with it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use approvals_core::policy::{POLICY_CHANGE, RuleSummary};
use approvals_core::{Code, GroupName, People, Policy, Requirement};
use approvals_store::home::Home;
use serde_json::{Value, json};

use super::judges::{EngineRule, GivenEngine, Judges, Wrong};
use crate::answer::Answer;
use crate::args::{Check, Cli};
use crate::draw;
use crate::failure::Failure;

pub(crate) fn run(cli: &Cli, check: &Check) -> Result<Answer, Failure> {
    match Judges::read(cli, check.file.as_deref(), &check.beside)? {
        Ok(judges) => {
            if check.file.is_none() && check.beside.people.is_none() {
                // The texts are right; a gate also asks who could have written them.
                Home::open(&cli.state).map_err(|error| Failure::from(error).of_check())?;
            }
            Ok(good(&judges))
        }
        Err(wrong) => Ok(bad(&wrong)),
    }
}

fn bad(found: &[Wrong]) -> Answer {
    let mut text = String::new();
    for wrong in found {
        let _ = writeln!(text, "{}", wrong.to_line());
    }
    let _ = writeln!(
        text,
        "{}: {} found; nothing may run under this policy",
        Code::PolicyInvalid,
        found.len()
    );
    let rows: Vec<Value> = found
        .iter()
        .map(|wrong| json!({ "file": wrong.file, "line": wrong.line, "about": wrong.about, "message": wrong.message }))
        .collect();
    let message = format!("{} found in the policy or the people file", found.len());
    let json =
        json!({ "error": { "code": Code::PolicyInvalid, "message": message }, "findings": rows });
    Answer::new(text, json).passed(false)
}

fn good(judges: &Judges) -> Answer {
    let rules = in_order(&judges.policy);
    let groups = policy_groups(&judges.people);
    let mut text = judges.text();
    text.push_str(&rules_text(&rules, &judges.policy));
    text.push_str("\ngroups\n");
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|(group, count)| vec![format!("  {group}"), format!("{count} active")])
        .collect();
    text.push_str(&draw::table(&rows));
    text.push_str(&unchecked(judges));
    text.push_str(&beside(judges));
    text.push_str("\nok\n");
    Answer::new(text, good_json(judges, &rules, &groups))
}

fn rules_text(rules: &[RuleSummary], policy: &Policy) -> String {
    let mut rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            vec![
                format!("  {}", rule.effect),
                rule.id.to_string(),
                rule.scope.to_string(),
                rule.description.clone(),
            ]
        })
        .collect();
    if let Some(change) = policy.change() {
        rows.push(vec![
            "  change".to_owned(),
            "-".to_owned(),
            POLICY_CHANGE.to_owned(),
            needs(change),
        ]);
    }
    rows.push(vec![
        "  default".to_owned(),
        "-".to_owned(),
        "*".to_owned(),
        needs(policy.default_requirement()),
    ]);
    let title = "\nrules, in the order they are looked at (of all that match, deny wins, then every require, then auto)\n";
    format!("{title}{}", draw::table(&rows))
}

fn unchecked(judges: &Judges) -> String {
    let unchecked = judges.policy.unchecked();
    if unchecked.is_empty() {
        return String::new();
    }
    let why = if judges.inventory.is_empty() {
        "; pass --inventory to check them"
    } else {
        ""
    };
    let lines: String = unchecked
        .iter()
        .map(|condition| format!("  {condition}\n"))
        .collect();
    format!("\nnot checked against the types of arguments{why}\n{lines}")
}

fn good_json(judges: &Judges, rules: &[RuleSummary], groups: &[(GroupName, usize)]) -> Value {
    let policy = &judges.policy;
    let rules: Vec<Value> =
        rules.iter().map(|rule| json!({ "id": rule.id, "scope": rule.scope.to_string(), "effect": rule.effect, "description": rule.description })).collect();
    let groups: Vec<Value> = groups
        .iter()
        .map(|(group, count)| json!({ "group": group, "active": count }))
        .collect();
    let wants: Vec<Value> = policy
        .engines()
        .iter()
        .map(|wanted| json!({ "name": wanted.name(), "digest": wanted.digest() }))
        .collect();
    json!({
        "version": policy.version(), "digest": policy.digest(), "rules": rules,
        "default": needs(policy.default_requirement()), "change": policy.change().map(needs), "groups": groups,
        "unchecked": policy.unchecked(), "findings": [], "engines": engines_json(judges), "wants": wants,
    })
}

/// Deny, require, auto: the order in which they count, and within it that of the file.
fn in_order(policy: &Policy) -> Vec<RuleSummary> {
    let mut rules: Vec<RuleSummary> = policy.rules().collect();
    rules.sort_by_key(|rule| match rule.effect {
        "deny" => 0,
        "require" => 1,
        _ => 2,
    });
    rules
}

fn needs(requirement: &Requirement) -> String {
    let (decide, run) = (
        draw::span(requirement.decide_within()),
        draw::span(requirement.use_within()),
    );
    format!("{requirement}; {decide} to decide, {run} to use it")
}

/// Every group, and how many people who may act are in it.
fn policy_groups(people: &People) -> Vec<(GroupName, usize)> {
    let groups: BTreeSet<GroupName> = people.groups();
    let count = |group: &GroupName| {
        people
            .people()
            .filter(|person| person.active && person.groups.contains(group))
            .count()
    };
    groups
        .into_iter()
        .map(|group| {
            let n = count(&group);
            (group, n)
        })
        .collect()
}

/// The engines: those that were given, and those that the policy wants.
fn beside(judges: &Judges) -> String {
    let mut text = String::new();
    for one in &judges.engines {
        let _ = writeln!(text, "\nrules of `{}`", one.engine.name());
        let rows: Vec<Vec<String>> = one
            .rules
            .iter()
            .map(|rule| {
                let asks = rule.asks.clone().unwrap_or_default();
                vec![format!("  {}", rule.effect), rule.id.clone(), asks]
            })
            .collect();
        text.push_str(&draw::table(&rows));
    }
    for wanted in judges.policy.engines() {
        let is = |one: &&GivenEngine| one.engine.name() == wanted.name();
        let how = match judges.engines.iter().find(is) {
            Some(one) if one.engine.digest() == wanted.digest() => {
                "is here, by the texts that it wants"
            }
            Some(_) => "is here with other texts: nothing may run",
            None => "is not here: without it nothing may run",
        };
        let _ = writeln!(
            text,
            "\nthe policy wants `{}` ({}), which {how}",
            wanted.name(),
            wanted.digest()
        );
    }
    text
}

fn engines_json(judges: &Judges) -> Vec<Value> {
    let rule =
        |rule: &EngineRule| json!({ "id": rule.id, "effect": rule.effect, "asks": rule.asks });
    let engine = |one: &GivenEngine| {
        let rules: Vec<Value> = one.rules.iter().map(rule).collect();
        json!({ "name": one.engine.name(), "digest": one.engine.digest(), "rules": rules })
    };
    judges.engines.iter().map(engine).collect()
}
