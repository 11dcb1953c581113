//! Asking the policy again.

use std::convert::Infallible;

use super::denied::Remembered;
use super::opened::{Asked, Disclosures};
use super::{Replay, Scene};
use crate::clock::Timestamp;
use crate::id::RequestId;
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{Ask, Command, Created, Event, decide};
use crate::policy::{Answer, Ceiling, EngineError, Evaluation, Opinion, Policy, Rates};
use crate::proposal::Proposal;

type Wrong = (Rule, String);

/// The ask as the gate made it, and what the lifecycle says must follow.
struct Fitting {
    ask: Ask,
    follows: Option<Event>,
}

/// What happened before, as far as the answer to an ask depends on it.
struct Before<'a> {
    rates: &'a Rates,
    denials: &'a Remembered,
    unreviewed: Option<RequestId>,
}

impl Replay {
    fn before(&self, created: &Created) -> Before<'_> {
        let breaks = created.action.break_glass.is_some();
        let open = || self.glasses.of(&created.action.agent);
        Before {
            rates: &self.rates,
            denials: &self.denials,
            unreviewed: breaks.then(open).flatten(),
        }
    }

    /// The request as policy saw it, and what must follow.
    pub(super) fn asked(
        &mut self,
        created: &Created,
        source: &mut dyn Disclosures,
        scene: &mut Scene<'_>,
    ) -> (Asked, Option<Event>) {
        let action = &created.action;
        if action.request_id != scene.request || action.digest().ok() != Some(created.digest) {
            scene.find(
                Rule::Digest,
                "the digest is not that of the action on record",
            );
        }
        let values = source.of(scene.request);
        let asked = Asked::read(action, values, &mut self.missing, scene);
        let fitting = match self.policies.named(&created.policy) {
            Err(message) => Err((Rule::Policy, message)),
            // The policy cannot be judged by, which was found when it was loaded.
            Ok(None) => return (asked, None),
            Ok(Some(policy)) => fit(policy, created, &asked, &self.before(created), scene.at),
        };
        match fitting {
            Ok((fitting, rests)) => {
                self.counts.undisclosed += u64::from(rests);
                if matches!(fitting.follows, Some(Event::AutoApproved(_))) {
                    self.rates.add(fitting.ask.counters(), scene.at);
                }
                (asked, fitting.follows)
            }
            Err((rule, message)) => {
                scene.find(rule, message);
                (asked, None)
            }
        }
    }
}

/// What the policy said, as far as the record agrees with it; and whether that rests on values
/// that are not disclosed.
fn fit(
    policy: &Policy,
    created: &Created,
    asked: &Asked,
    before: &Before<'_>,
    at: Timestamp,
) -> Result<(Fitting, bool), Wrong> {
    let Some(proposal) = &asked.proposal else {
        let message = "nobody stands behind the agent that asked";
        return Err((Rule::Requirement, message.to_owned()));
    };
    let recorded = &created.policy.rules;
    let recalled = policy.recall(proposal, created.asked_at, &asked.undisclosed, recorded);
    let mut wrong = None;
    for answer in recalled.answers {
        match fits(policy, answer, created, proposal, before, at) {
            Ok(fitting) => return Ok((fitting, recalled.rests)),
            // The first answer is the likelier one, and so the one to speak of.
            Err(other) => wrong = wrong.or(Some(other)),
        }
    }
    let message = "the policy has no answer to it".to_owned();
    Err(wrong.unwrap_or((Rule::Requirement, message)))
}

fn fits(
    policy: &Policy,
    by_policy: Evaluation,
    created: &Created,
    proposal: &Proposal,
    before: &Before<'_>,
    at: Timestamp,
) -> Result<Fitting, Wrong> {
    if by_policy.rules() != created.policy.rules {
        let message = format!(
            "the policy decides by {}, and the record says by {}",
            named(by_policy.rules()),
            named(&created.policy.rules)
        );
        return Err((Rule::Policy, message));
    }
    let evaluation = beside_engines(policy, by_policy, created)?.hardened(proposal);
    let (decide_within, use_within) = evaluation.times();
    let in_time = created.action.expires_at == created.asked_at.after(decide_within)
        && created.use_within_s == use_within.as_secs();
    if !in_time {
        let message = "the times to decide or to use it are not the ones that the policy sets";
        return Err((Rule::Deadline, message.to_owned()));
    }
    let mut asked = created.clone();
    asked.requirement = None;
    let mut ask = Ask::new(asked, evaluation, policy.memory());
    ask.unreviewed = before.unreviewed;
    let count = |ceiling: &Ceiling| Ok::<_, Infallible>(before.rates.count(ceiling, at));
    let Ok(()) = ask.weigh(count);
    let raised = |counter: &str, since| Ok::<_, Infallible>(before.denials.raised(counter, since));
    let Ok(()) = ask.recall(at, raised);
    asks_people_after_all(&mut ask, created);
    let step = decide(None, &Command::Ask(Box::new(ask.clone())), at);
    let mut events = step.events.into_iter();
    match events.next() {
        Some(Event::Created(again)) if *again == *created => Ok(Fitting {
            ask,
            follows: events.next(),
        }),
        Some(_) => Err(other_requirement(&ask, created)),
        None => {
            let message = step.refusal.map(|refusal| refusal.message);
            Err((Rule::AskedAt, message.unwrap_or_default()))
        }
    }
}

/// A ceiling that is counted as reached only asks for more: the record may say so.
fn asks_people_after_all(ask: &mut Ask, created: &Created) {
    if let (Evaluation::Allow(allowance), None, Some(requirement)) =
        (&ask.evaluation, &ask.over, &created.requirement)
        && *requirement == allowance.otherwise
    {
        ask.over = allowance.ceilings.first().cloned();
    }
}

fn other_requirement(ask: &Ask, created: &Created) -> Wrong {
    let (rule, message) = match (&ask.evaluation, &created.requirement) {
        (evaluation, _) if ask.is_remembered() && !matches!(evaluation, Evaluation::Deny(_)) => (
            Rule::DenialMemory,
            "people had denied it a short while before, and it was asked again",
        ),
        (Evaluation::Deny(_), _) => (
            Rule::Requirement,
            "the policy forbids it, and people were asked",
        ),
        (Evaluation::Allow(_), None) => (
            Rule::Ceiling,
            "a rule let it through, and the ceiling of that rule had no room",
        ),
        (Evaluation::Require(_), None) => (
            Rule::Requirement,
            "the policy asks people, and the record asks nobody",
        ),
        _ => (
            Rule::Requirement,
            "what it takes, as the record says it, is not what the policy asks",
        ),
    };
    (rule, message.to_owned())
}

/// The strictest of the policy's answer and what engines said: a word for each is on record, and
/// of those that asked for people only what came out in the end.
fn beside_engines(
    policy: &Policy,
    by_policy: Evaluation,
    created: &Created,
) -> Result<Evaluation, Wrong> {
    let engines = &created.policy.engines;
    let mut evaluation = by_policy;
    for wanted in policy.engines() {
        let judged = |name: &&crate::policy::Judged| {
            name.name == *wanted.name() && name.digest == wanted.digest()
        };
        if engines.iter().find(judged).is_none() {
            let missing = Err(EngineError::new("it did not judge"));
            evaluation = evaluation.tightened(wanted.name(), missing);
        }
    }
    let mut asked = false;
    for judged in engines {
        let said = match judged.answer {
            Answer::Deny => Ok(Opinion::Deny(judged.rules.clone())),
            Answer::Failed => Err(EngineError::new("it could not tell")),
            Answer::NoObjection => continue,
            Answer::Require => {
                asked = true;
                continue;
            }
        };
        evaluation = evaluation.tightened(&judged.name, said);
    }
    if !asked || matches!(evaluation, Evaluation::Deny(_)) {
        return Ok(evaluation);
    }
    let recorded = created.requirement.clone().map(Evaluation::Require);
    match recorded.filter(|recorded| recorded.covers(&evaluation)) {
        Some(recorded) => Ok(recorded),
        None => {
            let message = "what it takes, as the record says it, is less than what the policy asks";
            Err((Rule::Requirement, message.to_owned()))
        }
    }
}

fn named(rules: &[crate::id::RuleId]) -> String {
    let names: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    match names.is_empty() {
        true => "its default".to_owned(),
        false => names.join(", "),
    }
}
