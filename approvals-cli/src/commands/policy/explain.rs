//! `approvals policy explain`: why a request got the answer it got.

use std::fmt::Write as _;

use approvals_core::engines::Judgement;
use approvals_core::policy::{Evaluation, Explanation, Judged, Policy, Recorded, RuleTrace, Seen};
use approvals_core::rehearse::{Answered, Asked};
use approvals_core::text::minute;
use approvals_core::{Code, Requirement, Untrusted};
use serde_json::{Value, json};

use super::judges::Judges;
use super::past::Log;
use crate::answer::Answer;
use crate::args::{Cli, Explain};
use crate::failure::Failure;
use crate::{draw, request};

/// Everything there is to say.
struct Told {
    asked: Asked,
    recorded: Recorded,
    why: Explanation,
    /// What is asked instead of the policy on record, when something is.
    instead: Option<(Judges, Judgement)>,
    policy: Policy,
}

pub(crate) async fn run(cli: &Cli, explain: &Explain) -> Result<Answer, Failure> {
    let mut log = Log::open(cli)?;
    let id = request::find_in(&explain.one.id, |filter| log.requests(filter))?;
    let asked = log.asked(id)?.ok_or_else(|| {
        let message = "there is no such request; list them with `approvals list --all`";
        Failure::new(Code::NotFound, message).about(id)
    })?;
    let recorded = log.recorded(&asked)?;
    let instead = if explain.is_of_another() {
        let judges = Judges::load(cli, explain.policy.as_deref(), &explain.beside)?;
        let engines = judges.engines()?;
        let judgement = engines
            .judge(&judges.policy, recorded.proposal(), asked.at)
            .await;
        Some((judges, judgement))
    } else {
        None
    };
    let policy = match &instead {
        Some((judges, _)) => judges.policy.clone(),
        None => log.policy(asked.policy.digest)?.ok_or_else(|| {
            let message = "the policy that was asked is not in the log; name one with `--policy`";
            Failure::new(Code::NotFound, message).about(id)
        })?,
    };
    let why = policy.explain_recorded(&recorded, asked.at);
    let told = Told {
        asked,
        recorded,
        why,
        instead,
        policy,
    };
    Ok(Answer::new(told.text(), told.json()))
}

impl Explain {
    /// Whether a policy or an engine is asked that is not the one on record.
    fn is_of_another(&self) -> bool {
        #[cfg(feature = "cedar")]
        let engines = self.beside.cedar.policies.is_some();
        #[cfg(not(feature = "cedar"))]
        let engines = false;
        self.policy.is_some() || engines
    }
}

impl Told {
    fn text(&self) -> String {
        let (asked, action) = (&self.asked, &self.asked.action);
        let place = action.environment.as_deref().map(Untrusted::new);
        let place = place
            .map(|place| format!(" in {place}"))
            .unwrap_or_default();
        let mut text = format!(
            "{}  {}{place}, asked {} UTC\n",
            asked.request,
            action.scope,
            minute(asked.at)
        );
        let _ = writeln!(text, "\nanswered  {}", answered(&asked.answer));
        let by = if self.instead.is_some() {
            "under"
        } else {
            "by"
        };
        let (version, digest) = (self.policy.version(), self.policy.digest());
        let _ = writeln!(text, "{by:<9} policy version {version}, {digest}");
        let _ = writeln!(text, "says      {}", self.says());
        text.push_str(&rules(&self.why));
        text.push_str(&engines(
            &self.asked.policy.engines,
            "what engines said then",
        ));
        if let Some((_, judgement)) = &self.instead {
            text.push_str(&engines(&judgement.engines, "what engines say"));
            let _ = writeln!(text, "\ntogether  {}", in_words(&judgement.evaluation));
        }
        let hidden = self.recorded.undisclosed();
        if !hidden.is_empty() {
            let _ = writeln!(text, "\nno longer disclosed: {}", hidden.join(", "));
        }
        if self.why.undisclosed {
            text.push_str("a rule looks at a value that is no longer disclosed: with it there could be another answer\n");
        }
        text
    }

    /// What the policy says, and how that stands to what is on record.
    fn says(&self) -> String {
        let says = in_words(&self.why.answer);
        match (&self.why.answer, &self.asked.answer) {
            (Evaluation::Allow(allowance), Answered::Require(asked))
                if *asked == allowance.otherwise =>
            {
                format!("{says}, but a rate was reached, so that people were asked")
            }
            _ => says,
        }
    }

    fn json(&self) -> Value {
        let rules: Vec<Value> = self.why.rules.iter().map(rule_json).collect();
        let engines = |judged: &[Judged]| serde_json::to_value(judged).unwrap_or_default();
        let instead = self.instead.as_ref().map(|(judges, judgement)| {
            json!({
                "policy": judges.json(), "engines": engines(&judgement.engines),
                "answer": judgement.evaluation.in_words(), "rules": judgement.evaluation.rules(),
            })
        });
        json!({
            "request": self.asked.request, "scope": self.asked.action.scope, "at": self.asked.at,
            "answered": answered(&self.asked.answer), "engines": engines(&self.asked.policy.engines),
            "policy": { "version": self.policy.version(), "digest": self.policy.digest() },
            "says": self.why.answer.in_words(), "by_default": self.why.by_default, "rules": rules,
            "other_rules": self.why.others, "undisclosed": self.recorded.undisclosed(),
            "unsure": self.why.undisclosed, "instead": instead,
        })
    }
}

fn answered(answer: &Answered) -> String {
    match answer {
        Answered::Auto => "it ran by itself".to_owned(),
        Answered::Deny(code) => format!("it was refused ({code})"),
        Answered::Remembered(code) => {
            format!("nobody was asked, because people had denied it shortly before ({code})")
        }
        Answered::Require(requirement) => format!("people were asked: {}", whole(requirement)),
    }
}

fn in_words(answer: &Evaluation) -> String {
    match answer {
        Evaluation::Require(requirement) => format!("ask people: {}", whole(requirement)),
        Evaluation::Deny(forbidden) => forbidden.to_string(),
        Evaluation::Allow(allowance) => {
            let rules: Vec<String> = allowance
                .rules
                .iter()
                .map(|rule| format!("`{rule}`"))
                .collect();
            format!("let it run by itself, by {}", rules.join(", "))
        }
    }
}

fn whole(requirement: &Requirement) -> String {
    let (decide, usable) = (requirement.decide_within(), requirement.use_within());
    format!(
        "{requirement}; {} to decide, {} to use it",
        draw::span(decide),
        draw::span(usable)
    )
}

fn rules(why: &Explanation) -> String {
    let mut text =
        "\nrules for this scope (yes, no, or perhaps: a value is not there, which only tightens)\n"
            .to_owned();
    let mut rows = Vec::new();
    for rule in &why.rules {
        rows.push(vec![
            format!("  {}", rule.matches.as_str()),
            rule.effect.to_owned(),
            rule.id.to_string(),
            rule.description.clone(),
        ]);
        for condition in &rule.conditions {
            let matches = format!("    {}", condition.matches.as_str());
            rows.push(vec![
                matches,
                String::new(),
                condition.condition.clone(),
                seen(&condition.seen),
            ]);
        }
    }
    text.push_str(&draw::table(&rows));
    if why.by_default {
        text.push_str("  the default is asked: no rule that asks people surely matches\n");
    }
    if why.others > 0 {
        let _ = writeln!(text, "  {} for other scopes are not looked at", why.others);
    }
    text
}

fn seen(seen: &Seen) -> String {
    match seen {
        Seen::Value(value) => format!("is {value}"),
        Seen::Missing => "is not there".to_owned(),
        Seen::Redacted => "is redacted".to_owned(),
        Seen::Undisclosed => "is no longer disclosed".to_owned(),
        Seen::Time(at) => format!("at {at}"),
        _ => "is unknown".to_owned(),
    }
}

fn engines(judged: &[Judged], title: &str) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for judged in judged {
        let rules: Vec<String> = judged
            .rules
            .iter()
            .map(|rule| format!("`{rule}`"))
            .collect();
        let by = if rules.is_empty() {
            String::new()
        } else {
            format!(" by {}", rules.join(", "))
        };
        let _ = writeln!(
            text,
            "  {} {}{by}  ({})",
            judged.name,
            judged.answer.as_str(),
            judged.digest
        );
    }
    text
}

fn rule_json(rule: &RuleTrace) -> Value {
    let seen = |seen: &Seen| match seen {
        Seen::Value(value) => json!({ "value": value.raw() }),
        Seen::Missing => json!("missing"),
        Seen::Redacted => json!("redacted"),
        Seen::Undisclosed => json!("undisclosed"),
        Seen::Time(at) => json!({ "at": at }),
        _ => json!("unknown"),
    };
    let conditions: Vec<Value> = rule
        .conditions
        .iter()
        .map(|of| json!({ "condition": of.condition, "path": of.path, "matches": of.matches.as_str(), "seen": seen(&of.seen) }))
        .collect();
    json!({
        "id": rule.id, "effect": rule.effect, "description": rule.description,
        "matches": rule.matches.as_str(), "conditions": conditions,
    })
}
