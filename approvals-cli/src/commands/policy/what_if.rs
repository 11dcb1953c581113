//! `approvals policy what-if`: what would have been answered under another policy.

use std::collections::BTreeMap;

use approvals_core::RequestId;
use approvals_core::policy::Strictness;
use approvals_core::rehearse::{Asked, Rehearsal, Rehearsed};
use approvals_core::text::minute;
use serde_json::{Value, json};

use super::judges::Judges;
use super::past::{Log, Totals, Walk, ago, both, change, word};
use crate::answer::Answer;
use crate::args::{Cli, WhatIf};
use crate::draw;
use crate::failure::Failure;

/// What differs, and in which way: the same difference is told once.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    how: &'static str,
    scope: String,
    was: String,
    would: String,
    rules: String,
}

/// How often, and the newest request that it happened to.
#[derive(Debug)]
struct Often {
    count: u64,
    newest: RequestId,
}

pub(crate) async fn run(cli: &Cli, what_if: &WhatIf) -> Result<Answer, Failure> {
    let judges = Judges::load(cli, Some(&what_if.file), &what_if.beside)?;
    let mut log = Log::open(cli)?;
    let since = ago(what_if.since);
    let rehearsal = Rehearsal::new(judges.policy.clone(), judges.engines()?);
    let mut walk = Walk::from(&mut log, rehearsal, since).await?;
    let size = log.size()?;
    let (mut totals, mut kinds, mut changes) = (Totals::default(), BTreeMap::new(), Vec::new());
    while walk.next < size {
        for (asked, rehearsed) in walk.page(&mut log, size).await? {
            totals.add(&rehearsed);
            if rehearsed.how != Some(Strictness::Same) {
                add(&mut kinds, &asked, &rehearsed);
                changes.push(change(&asked, &rehearsed));
            }
        }
    }
    let text = format!(
        "{}since {} UTC\n\n{}{}",
        judges.text(),
        minute(since),
        table(&kinds),
        totals.text()
    );
    let json = json!({
        "policy": judges.json(), "since": since, "totals": totals.json(), "changes": Value::Array(changes),
    });
    Ok(Answer::new(text, json))
}

fn add(kinds: &mut BTreeMap<Kind, Often>, asked: &Asked, rehearsed: &Rehearsed) {
    let (was, would) = both(rehearsed);
    let rules: Vec<&str> = rehearsed
        .would
        .rules()
        .iter()
        .map(|rule| rule.as_str())
        .collect();
    let kind = Kind {
        how: word(rehearsed.how),
        scope: asked.action.scope.to_string(),
        was,
        would,
        rules: rules.join(", "),
    };
    let newest = asked.request;
    let often = kinds.entry(kind).or_insert(Often { count: 0, newest });
    often.count += 1;
    often.newest = newest;
}

fn table(kinds: &BTreeMap<Kind, Often>) -> String {
    if kinds.is_empty() {
        return String::new();
    }
    let head = ["HOW", "TIMES", "SCOPE", "WAS", "WOULD BE", "BY", "NEWEST"];
    let rows = kinds.iter().map(|(kind, often)| {
        vec![
            kind.how.to_owned(),
            often.count.to_string(),
            kind.scope.clone(),
            kind.was.clone(),
            kind.would.clone(),
            if kind.rules.is_empty() {
                "the default".to_owned()
            } else {
                kind.rules.clone()
            },
            often.newest.to_string(),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(head.map(str::to_owned).to_vec())
        .chain(rows)
        .collect();
    format!("{}\n", draw::table(&rows))
}
