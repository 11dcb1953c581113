//! `approvals policy test`: whether a policy answers as its cases say.

use std::fmt::Write as _;
use std::fs;

use approvals_core::policy::{Case, Cases, Evaluation};
use approvals_core::{Code, Policy};
use serde_json::{Value, json};

use super::judges::Judges;
use crate::answer::Answer;
use crate::args::{Cli, Test};
use crate::failure::Failure;

/// One case that is not met.
struct Missed<'c> {
    case: &'c Case,
    got: Evaluation,
    how: String,
}

pub(crate) async fn run(cli: &Cli, test: &Test) -> Result<Answer, Failure> {
    let judges = Judges::load(cli, test.policy.as_deref(), &test.beside)?;
    let cases = read(test)?;
    let engines = judges.engines()?;
    let mut missed = Vec::new();
    for case in cases.iter() {
        let judged = engines.judge(&judges.policy, case.proposal(), case.at());
        let got = judged.await.evaluation;
        if let Some(how) = case.differs(&got) {
            missed.push(Missed { case, got, how });
        }
    }
    let count = cases.iter().count();
    let mut text = judges.text();
    for missed in &missed {
        text.push_str(&line(test, missed, &judges.policy));
    }
    let _ = match missed.len() {
        0 => writeln!(text, "{count} cases, all met"),
        failed => writeln!(text, "{count} cases, {failed} not met"),
    };
    let rows: Vec<Value> = missed.iter().map(Missed::json).collect();
    let json = json!({ "policy": judges.json(), "cases": count, "passed": missed.is_empty(), "not_met": rows });
    Ok(Answer::new(text, json).passed(missed.is_empty()))
}

fn read(test: &Test) -> Result<Cases, Failure> {
    let path = test.cases.display();
    let text = fs::read_to_string(&test.cases)
        .map_err(|error| Failure::usage(&format!("cannot read `{path}` ({error}): the cases")))?;
    Cases::parse(&text).map_err(|error| {
        let findings = error.findings().iter();
        let lines: Vec<String> = findings
            .map(|finding| format!("{path}: {finding}"))
            .collect();
        Failure::new(Code::Misuse, lines.join("\n"))
    })
}

fn line(test: &Test, missed: &Missed<'_>, policy: &Policy) -> String {
    let (path, case) = (test.cases.display(), missed.case);
    let mut text = format!(
        "{path}: line {}, {}: {}\n",
        case.line(),
        case.name(),
        missed.how
    );
    if let Evaluation::Deny(forbidden) = &missed.got {
        let _ = writeln!(text, "  {forbidden}");
    }
    for rule in policy.explain(case.proposal(), case.at()).rules {
        let matches = rule.matches.as_str();
        let _ = writeln!(
            text,
            "  {matches:<8} {:<8} {}  {}",
            rule.effect, rule.id, rule.description
        );
    }
    text
}

impl Missed<'_> {
    fn json(&self) -> Value {
        let rules = self.got.rules();
        json!({
            "name": self.case.name(), "line": self.case.line(), "expected": self.case.expected().to_string(),
            "got": self.got.in_words(), "rules": rules, "message": self.how,
        })
    }
}
