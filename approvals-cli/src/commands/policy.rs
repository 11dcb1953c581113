//! `approvals policy check`: what a policy says, or everything that is wrong with it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use approvals_core::policy::{Finding, RuleSummary};
use approvals_core::{Code, GroupName, GuardedFn, People, Policy, Requirement};
use approvals_store::home::Home;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::{Check, Cli};
use crate::failure::Failure;
use crate::{draw, guarded, state};

pub(crate) fn run(cli: &Cli, check: &Check) -> Result<Answer, Failure> {
    let paths = state::paths(cli);
    let policy_path = check.file.clone().unwrap_or_else(|| paths.policy());
    let people_path = check.people.clone().unwrap_or_else(|| paths.people());
    let inventory = match &check.inventory {
        Some(path) => guarded::read(&read(path, "the inventory")?)
            .map_err(|error| not_an_inventory(path, &error))?,
        None => Vec::new(),
    };
    let people_text = read(&people_path, "the people file; name it with `--people`")?;
    let policy_text = read(&policy_path, "the policy")?;
    let (people, mut found) = match People::parse(&people_text) {
        Ok(people) => (Some(people), Vec::new()),
        Err(error) => (
            None,
            error
                .findings()
                .iter()
                .map(|finding| Wrong::at(&people_path, finding))
                .collect(),
        ),
    };
    let groups = people.as_ref().map(People::groups).unwrap_or_default();
    let policy = match Policy::parse(&policy_text, &groups, &inventory) {
        Ok(policy) => Some(policy),
        // Without people no group is known: that alone says nothing about the policy.
        Err(_) if people.is_none() => None,
        Err(error) => {
            found.extend(
                error
                    .findings()
                    .iter()
                    .map(|finding| Wrong::at(&policy_path, finding)),
            );
            None
        }
    };
    match (policy, people) {
        (Some(policy), Some(people)) if found.is_empty() => {
            if check.file.is_none() && check.people.is_none() {
                // The texts are right; a gate also asks who could have written them.
                Home::open(&cli.state).map_err(|error| Failure::from(error).of_check())?;
            }
            Ok(good(&policy_path, &policy, &people, &inventory))
        }
        _ => Ok(bad(&found)),
    }
}

/// One thing that is wrong, with its file.
struct Wrong {
    file: String,
    finding: Finding,
}

impl Wrong {
    fn at(file: &Path, finding: &Finding) -> Self {
        Self {
            file: file.display().to_string(),
            finding: finding.clone(),
        }
    }
}

fn bad(found: &[Wrong]) -> Answer {
    let mut text = String::new();
    for wrong in found {
        let _ = writeln!(text, "{}: {}", wrong.file, wrong.finding);
    }
    let _ = writeln!(
        text,
        "{}: {} found; nothing may run under this policy",
        Code::PolicyInvalid,
        found.len()
    );
    let rows: Vec<Value> = found
        .iter()
        .map(|wrong| json!({ "file": wrong.file, "line": wrong.finding.line(), "about": wrong.finding.about(), "message": wrong.finding.message() }))
        .collect();
    let message = format!("{} found in the policy or the people file", found.len());
    let json =
        json!({ "error": { "code": Code::PolicyInvalid, "message": message }, "findings": rows });
    Answer::new(text, json).passed(false)
}

fn good(path: &Path, policy: &Policy, people: &People, inventory: &[&'static GuardedFn]) -> Answer {
    let rules = in_order(policy);
    let default = policy.default_requirement();
    let groups: Vec<(GroupName, usize)> = policy_groups(people);
    let unchecked = policy.unchecked();
    let mut text = format!(
        "{}: version {}, {}\n",
        path.display(),
        policy.version(),
        policy.digest()
    );
    text.push_str("\nrules, in the order they are looked at (of all that match, deny wins, then every require, then auto)\n");
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
    rows.push(vec![
        "  default".to_owned(),
        "-".to_owned(),
        "*".to_owned(),
        needs(default),
    ]);
    text.push_str(&draw::table(&rows));
    text.push_str("\ngroups\n");
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|(group, count)| vec![format!("  {group}"), format!("{count} active")])
        .collect();
    text.push_str(&draw::table(&rows));
    if !unchecked.is_empty() {
        let why = if inventory.is_empty() {
            "; pass --inventory to check them"
        } else {
            ""
        };
        let _ = writeln!(text, "\nnot checked against the types of arguments{why}");
        for condition in &unchecked {
            let _ = writeln!(text, "  {condition}");
        }
    }
    text.push_str("\nok\n");
    let rules: Vec<Value> =
        rules.iter().map(|rule| json!({ "id": rule.id, "scope": rule.scope.to_string(), "effect": rule.effect, "description": rule.description })).collect();
    let groups: Vec<Value> = groups
        .iter()
        .map(|(group, count)| json!({ "group": group, "active": count }))
        .collect();
    let json = json!({
        "version": policy.version(), "digest": policy.digest(), "rules": rules, "default": needs(default),
        "groups": groups, "unchecked": unchecked, "findings": [],
    });
    Answer::new(text, json)
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

fn read(path: &Path, what: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::usage(&format!(
            "cannot read `{}` ({error}): {what}",
            path.display()
        ))
    })
}

fn not_an_inventory(path: &Path, error: &serde_json::Error) -> Failure {
    let message = format!(
        "`{}` is not an inventory ({error}); write it with `approvals_core::inventory_json()`",
        path.display()
    );
    Failure::usage(&message)
}
