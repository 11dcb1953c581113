//! Why a policy answers as it does, rule by rule.

use super::condition::{Condition, Holds, Path, Situation};
use super::model::{Policy, Rule};
use super::recorded::Recorded;
use super::requirement::Evaluation;
use crate::canonical::Value;
use crate::clock::Timestamp;
use crate::id::RuleId;
use crate::proposal::Proposal;
use crate::text::Untrusted;

/// What a policy says of one proposal, and what each rule has to do with it.
///
/// It holds values of the action: show it to whoever may see the request, and to no log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// What the policy says.
    pub answer: Evaluation,
    /// The rules for the scope, in the order of the file; all others were not looked at.
    pub rules: Vec<RuleTrace>,
    /// How many rules are for other scopes.
    pub others: usize,
    /// Whether the policy's default is, or is part of, what is asked.
    pub by_default: bool,
    /// Whether a rule may match that looks at a value which is not disclosed: the answer is then
    /// the one without the value, and with it there could be another.
    pub undisclosed: bool,
}

/// One rule, and how far it matches.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RuleTrace {
    /// The rule.
    pub id: RuleId,
    /// `require`, `deny` or `auto`.
    pub effect: &'static str,
    /// What it takes and when, in a sentence.
    pub description: String,
    /// Whether it matches.
    pub matches: Match,
    /// Each of its conditions, in the order of the file.
    pub conditions: Vec<ConditionTrace>,
}

/// One condition, what it looked at, and what it found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConditionTrace {
    /// The condition, as the policy says it.
    pub condition: String,
    /// What it looks at, such as `env` or `args.table`.
    pub path: String,
    /// Whether it holds.
    pub matches: Match,
    /// What is there.
    pub seen: Seen,
}

/// Whether something matches, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a fourth word would have to be handled everywhere"
)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// A value is not there, or of another kind: this tightens as if it matched, and lets nothing
    /// through.
    Perhaps,
}

/// What a condition looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Seen {
    /// A value, as its canonical text.
    Value(Untrusted),
    /// Nothing: the action does not have it.
    Missing,
    /// A value that is shown to nobody.
    Redacted,
    /// A value that was bound, and is not on record any more, or not for whoever looks.
    Undisclosed,
    /// The time.
    Time(Timestamp),
}

impl Match {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Perhaps => "perhaps",
        }
    }
}

impl From<Holds> for Match {
    fn from(holds: Holds) -> Self {
        match holds {
            Holds::Yes => Self::Yes,
            Holds::No => Self::No,
            Holds::Unknown | Holds::Undisclosed => Self::Perhaps,
        }
    }
}

impl Policy {
    /// What this policy says of a proposal at that time, and why: the same answer as
    /// [`evaluate`](Policy::evaluate), with every rule that is for the scope.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::Policy;
    /// use approvals_core::policy::{Cases, Match};
    ///
    /// let policy = r#"
    ///     version = 1
    ///     default = { require = [{ group = "oncall" }] }
    ///     [[rule]]
    ///     id = "big-scale"
    ///     scope = "k8s.scale"
    ///     when = { "args.replicas" = { gt = 10 } }
    ///     effect = "deny"
    /// "#;
    /// let policy = Policy::parse(policy, &["oncall".parse()?].into(), &[])?;
    /// let case = r#"
    ///     version = 1
    ///     case = [{ name = "few", scope = "k8s.scale", args = { replicas = 3 }, at = "2027-01-15T08:00:00Z", expect = "require oncall" }]
    /// "#;
    /// for case in Cases::parse(case)?.iter() {
    ///     let why = policy.explain(case.proposal(), case.at());
    ///     assert_eq!(why.rules[0].matches, Match::No);
    ///     assert_eq!(why.rules[0].conditions[0].condition, "args.replicas > 10");
    ///     assert!(why.by_default);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain(&self, proposal: &Proposal, at: Timestamp) -> Explanation {
        self.reasons(&self.situation(proposal, at))
    }

    /// What this policy says of an action on record, and why, as far as its values are disclosed.
    #[must_use]
    pub fn explain_recorded(&self, recorded: &Recorded, at: Timestamp) -> Explanation {
        let mut situation = self.situation(recorded.proposal(), at);
        situation.undisclosed = recorded.hidden();
        self.reasons(&situation)
    }

    fn reasons(&self, situation: &Situation<'_>) -> Explanation {
        let rules = self.rules_for(&situation.proposal.action.scope);
        let undisclosed = |rule: &&Rule| rule.holds(situation) == Holds::Undisclosed;
        let undisclosed = rules.iter().any(undisclosed);
        let rules: Vec<RuleTrace> = rules
            .into_iter()
            .map(|rule| trace(rule, situation))
            .collect();
        let answer = self.evaluate(situation.proposal, situation.at);
        let sure = |rule: &RuleTrace| rule.effect == "require" && rule.matches == Match::Yes;
        Explanation {
            by_default: matches!(answer, Evaluation::Require(_)) && !rules.iter().any(sure),
            answer,
            others: self.count().saturating_sub(rules.len()),
            rules,
            undisclosed,
        }
    }
}

fn trace(rule: &Rule, situation: &Situation<'_>) -> RuleTrace {
    let summary = rule.summary();
    let condition = |condition: &Condition| ConditionTrace {
        condition: condition.to_string(),
        path: condition.path.to_string(),
        matches: condition.holds(situation).into(),
        seen: seen(&condition.path, situation),
    };
    RuleTrace {
        id: summary.id,
        effect: summary.effect,
        description: summary.description,
        matches: rule.holds(situation).into(),
        conditions: rule.when.iter().map(condition).collect(),
    }
}

fn seen(path: &Path, situation: &Situation<'_>) -> Seen {
    let action = &situation.proposal.action;
    let text = |text: &str| Seen::Value(Untrusted::new(&canonical(&Value::Text(text.to_owned()))));
    let word = |word: &Option<String>| word.as_deref().map_or(Seen::Missing, text);
    match path {
        path if situation.undisclosed.hides(path) => Seen::Undisclosed,
        Path::Calendar => Seen::Time(situation.at),
        Path::BreakGlass => {
            let broken = situation.proposal.break_glass.is_some();
            Seen::Value(Untrusted::new(&broken.to_string()))
        }
        Path::Environment => word(&action.environment),
        Path::Tenant => word(&action.tenant),
        Path::Resource => word(&action.resource),
        Path::Agent => text(situation.proposal.requester.agent().as_str()),
        Path::Arg { name, members } => {
            let param = action.params.iter().find(|param| param.name() == name);
            if param.is_some_and(|param| param.is_redacted()) {
                return Seen::Redacted;
            }
            let mut value = action.param(name);
            for member in members {
                value = value.and_then(|value| value.as_record()?.get(member));
            }
            value.map_or(Seen::Missing, |value| {
                Seen::Value(Untrusted::new(&canonical(value)))
            })
        }
    }
}

fn canonical(value: &Value) -> String {
    String::from_utf8(value.to_bytes()).unwrap_or_default()
}
