//! Reads the policies: what each permits, forbids or asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use approvals_core::policy::{Quorum, duration};
use approvals_core::{GroupName, Requirement, RuleId};
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::caps;
use crate::error::Findings;

/// Policies, told apart by what follows when they match.
#[derive(Debug)]
pub(crate) struct ReadPolicies {
    /// Permits, and forbids that nothing lifts.
    pub(crate) hard: PolicySet,
    /// Forbids that people can lift.
    pub(crate) asking: PolicySet,
    /// Whom each of them asks.
    pub(crate) asks: HashMap<PolicyId, Requirement>,
    /// Every policy, in the order of the text.
    pub(crate) rules: Vec<(RuleId, Kind)>,
}

/// What a policy does when it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Permit,
    Forbid,
    Ask(Requirement),
}

/// Reads a text whole, or says what is wrong with it.
pub(super) fn read(
    text: &str,
    schema: &Schema,
    groups: &BTreeSet<GroupName>,
    findings: &mut Findings<'_>,
) -> Option<ReadPolicies> {
    if !caps::check(text, findings) {
        return None;
    }
    let set: PolicySet = match text.parse::<PolicySet>() {
        Ok(set) => set,
        Err(errors) => {
            errors.iter().for_each(|error| findings.diagnostic(error));
            return None;
        }
    };
    if set.templates().next().is_some() {
        let at = text.find("?principal").or_else(|| text.find("?resource"));
        findings.add(
            at.unwrap_or(0),
            "a template is not used by anything here; write out `principal` and `resource`",
        );
        return None;
    }
    let mut policies: Vec<&Policy> = set.policies().collect();
    policies.sort_by_key(|policy| number(policy.id()));
    if policies.len() > MAX_POLICIES {
        let message = format!(
            "there are {} policies; at most {MAX_POLICIES} are read",
            policies.len()
        );
        findings.add(0, message);
        return None;
    }
    let mut reader = Reader::new(text, groups, findings);
    policies.iter().for_each(|policy| reader.policy(policy));
    let (read, renamed) = reader.finish()?;
    validate(&renamed, schema, findings);
    Some(read)
}

/// Strictly: what could err when it is evaluated is not read, and neither is what can never match.
fn validate(set: &PolicySet, schema: &Schema, findings: &mut Findings<'_>) {
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    for error in result.validation_errors() {
        findings.diagnostic(error as &dyn Diagnostic);
    }
    for warning in result.validation_warnings() {
        findings.diagnostic(warning as &dyn Diagnostic);
    }
}

/// Cedar numbers policies in the order of the text.
fn number(id: &PolicyId) -> usize {
    let text: &str = id.as_ref();
    text.trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .unwrap_or(usize::MAX)
}

struct Reader<'a, 't> {
    text: &'a str,
    groups: &'a BTreeSet<GroupName>,
    findings: &'a mut Findings<'t>,
    from: usize,
    rules: Vec<(RuleId, Kind, Policy)>,
}

impl<'a, 't> Reader<'a, 't> {
    fn new(text: &'a str, groups: &'a BTreeSet<GroupName>, findings: &'a mut Findings<'t>) -> Self {
        Self {
            text,
            groups,
            findings,
            from: 0,
            rules: Vec::new(),
        }
    }

    fn policy(&mut self, policy: &Policy) {
        let annotations: BTreeMap<&str, &str> = policy.annotations().collect();
        let Some(text) = annotations.get("id").copied() else {
            let message = format!(
                "a policy has no name; write `@id(\"big-scale\")` before `{}`",
                effect(policy)
            );
            let at = self.place(policy);
            self.findings.add(at, message);
            return;
        };
        for key in annotations.keys().filter(|key| !KNOWN.contains(key)) {
            let known: Vec<String> = KNOWN.iter().map(|key| format!("`@{key}`")).collect();
            let message = format!(
                "`@{key}` of `{text}` is not known here; use {}",
                known.join(", ")
            );
            self.refuse(text, message);
        }
        let id: RuleId = match text.parse() {
            Ok(id) if text == NO_PERMIT => {
                self.refuse(
                    text,
                    format!(
                        "`{id}` is what the engine says when no policy permits; name it otherwise"
                    ),
                );
                return;
            }
            Ok(id) => id,
            Err(error) => {
                self.refuse(text, error);
                return;
            }
        };
        if self.rules.iter().any(|(have, ..)| *have == id) {
            self.refuse(
                text,
                format!("`{id}` names two policies; give every policy its own `@id`"),
            );
        }
        let kind = self.kind(policy, &id, &annotations);
        if let Some(kind) = kind {
            self.rules
                .push((id, kind, policy.new_id(PolicyId::new(text))));
        }
    }

    fn kind(
        &mut self,
        policy: &Policy,
        id: &RuleId,
        annotations: &BTreeMap<&str, &str>,
    ) -> Option<Kind> {
        let require = annotations.get("require").copied();
        let times = ["ttl", "use_within"].map(|key| (key, annotations.get(key).copied()));
        match (policy.effect(), require) {
            (Effect::Permit, None) | (Effect::Forbid, None) => {
                for (key, _) in times.iter().filter(|(_, time)| time.is_some()) {
                    self.refuse(
                        id.as_str(),
                        format!("`@{key}` of `{id}` is only for a `forbid` with `@require`"),
                    );
                }
                Some(if policy.effect() == Effect::Permit {
                    Kind::Permit
                } else {
                    Kind::Forbid
                })
            }
            (Effect::Permit, Some(_)) => {
                let message = format!(
                    "`{id}` permits, and would ask for people by `@require`; write a `forbid` with `@require` beside the `permit`"
                );
                self.refuse(id.as_str(), message);
                None
            }
            (Effect::Forbid, Some(require)) => {
                let quorums = self.quorums(id, require);
                let [decide, usable] = times.map(|(key, time)| self.time(id, key, time));
                let rules = vec![id.clone()];
                Requirement::new(quorums?, decide?, usable?, rules)
                    .ok()
                    .map(Kind::Ask)
            }
        }
    }

    /// The quorums of `@require("sre:2, privacy:1:A3")`, all of which must be met.
    fn quorums(&mut self, id: &RuleId, text: &str) -> Option<Vec<Quorum>> {
        let mut quorums: Vec<Quorum> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let quorum: Quorum = match part.parse() {
                Ok(quorum) => quorum,
                Err(error) => {
                    self.refuse(id.as_str(), format!("`@require` of `{id}`: {error}"));
                    return None;
                }
            };
            let group = &quorum.group;
            let whole = self.groups.iter().find(|group| group.as_str() == part);
            if !self.groups.contains(group) {
                let known: Vec<String> = self
                    .groups
                    .iter()
                    .take(SHOWN)
                    .map(|group| format!("`{group}`"))
                    .collect();
                let message = format!(
                    "`@require` of `{id}`: `{group}` is not a group of the directory; it knows {}",
                    known.join(", ")
                );
                self.refuse(id.as_str(), message);
                return None;
            }
            if let Some(other) = whole.filter(|whole| *whole != group) {
                let message = format!(
                    "`@require` of `{id}`: `{part}` could also be one person of the group `{other}`; write how many and how well proven"
                );
                self.refuse(id.as_str(), message);
                return None;
            }
            if quorums.iter().any(|have| have.group == *group) {
                self.refuse(id.as_str(), format!("`@require` of `{id}`: `{group}` stands twice; write it once, with all it takes"));
                return None;
            }
            quorums.push(quorum);
        }
        Some(quorums)
    }

    fn time(&mut self, id: &RuleId, key: &str, text: Option<&str>) -> Option<Duration> {
        let Some(text) = text else {
            return Some(LONGEST);
        };
        let time = duration(text);
        if time.is_none() {
            let message = format!(
                "`@{key}` of `{id}` must be a time from \"1s\" to \"30d\", as in \"90s\", \"15m\", \"2h\" or \"1d\""
            );
            self.refuse(id.as_str(), message);
        }
        time
    }

    /// Adds what is wrong with the policy of this id.
    fn refuse(&mut self, id: &str, message: impl std::fmt::Display) {
        let quoted = format!("\"{id}\"");
        self.findings.about(&quoted, message);
    }

    /// About where a policy without a name stands: behind those before it.
    fn place(&mut self, policy: &Policy) -> usize {
        let word = effect(policy);
        let rest = self.text.get(self.from..).unwrap_or_default();
        let at = self.from + rest.find(word).unwrap_or(0);
        self.from = (at + word.len()).min(self.text.len());
        at
    }

    fn finish(self) -> Option<(ReadPolicies, PolicySet)> {
        if !self.findings.is_empty() {
            return None;
        }
        let mut read = ReadPolicies {
            hard: PolicySet::new(),
            asking: PolicySet::new(),
            asks: HashMap::new(),
            rules: Vec::new(),
        };
        let mut all = PolicySet::new();
        for (id, kind, policy) in self.rules {
            let into = match &kind {
                Kind::Ask(requirement) => {
                    read.asks.insert(policy.id().clone(), requirement.clone());
                    &mut read.asking
                }
                Kind::Permit | Kind::Forbid => &mut read.hard,
            };
            let failed = [into.add(policy.clone()).err(), all.add(policy).err()];
            if let Some(error) = failed.iter().flatten().next() {
                self.findings.diagnostic(error);
                return None;
            }
            read.rules.push((id, kind));
        }
        Some((read, all))
    }
}

fn effect(policy: &Policy) -> &'static str {
    match policy.effect() {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

/// What the engine names when no policy permits an action.
pub(crate) const NO_PERMIT: &str = "no-permit";

const KNOWN: &[&str] = &["id", "description", "require", "ttl", "use_within"];
const MAX_POLICIES: usize = 10_000;

/// Without `@ttl` or `@use_within` the policy's own times stand, which are never longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// How many known names a message lists.
const SHOWN: usize = 20;
