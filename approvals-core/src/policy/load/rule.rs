//! Reads the rules.

use std::collections::BTreeSet;

use super::auto;
use super::requirement::Times;
use super::typing;
use crate::action::GuardedFn;
use crate::id::{GroupName, RuleId};
use crate::policy::budget::Budget;
use crate::policy::condition::Condition;
use crate::policy::document::{Findings, Item, Section};
use crate::policy::model::{Effect, Limits, Rule};
use crate::policy::rate::Rate;
use crate::scope::{Scope, ScopePattern};

/// What the loader knows while it reads.
pub(super) struct Loader<'a> {
    /// The groups of the directory; none when the text is one on record.
    pub(super) groups: Option<&'a BTreeSet<GroupName>>,
    guarded: Vec<(Scope, &'static GuardedFn)>,
    /// The calendars that conditions may name.
    pub(super) calendars: BTreeSet<String>,
    pub(super) findings: &'a mut Findings,
    /// What a rule gets that names no times of its own.
    pub(super) times: Times,
    seen: BTreeSet<String>,
    unchecked: Vec<String>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        groups: Option<&'a BTreeSet<GroupName>>,
        guarded: &[&'static GuardedFn],
        calendars: BTreeSet<String>,
        findings: &'a mut Findings,
    ) -> Self {
        // The macro has refused scopes that do not parse; no rule could be for one.
        let guarded = guarded
            .iter()
            .filter_map(|function| Some((function.scope.parse().ok()?, *function)))
            .collect();
        Self {
            groups,
            guarded,
            calendars,
            findings,
            times: Times::USUAL,
            seen: BTreeSet::new(),
            unchecked: Vec::new(),
        }
    }

    /// All rules, and the sentences about what could not be checked.
    pub(super) fn rules(mut self, file: Section<'_, '_>) -> Option<(Vec<Rule>, Vec<String>)> {
        let items = match file.get("rule") {
            Some(item) => item.list(self.findings)?,
            None => Vec::new(),
        };
        if items.len() > MAX_RULES {
            let message = format!(
                "there are {} rules; at most {MAX_RULES} are read",
                items.len()
            );
            self.findings.add(file.at, message);
            return None;
        }
        let rules: Vec<Option<Rule>> = items
            .into_iter()
            .enumerate()
            .map(|(place, item)| self.rule(place, item))
            .collect();
        self.findings.about_the_file();
        let rules: Option<Vec<Rule>> = rules.into_iter().collect();
        Some((rules?, self.unchecked))
    }

    fn rule(&mut self, place: usize, item: Item<'_, '_>) -> Option<Rule> {
        self.findings.about("rule", &format!("#{}", place + 1));
        if let Some(id) = id_text(item) {
            self.findings.about("rule", id);
        }
        let rule = item.section(KEYS, self.findings)?;
        let id = self.id(rule);
        let scope: Option<ScopePattern> = rule
            .need(
                "scope",
                "`scope = \"db.export\"` or `\"db.*\"`",
                self.findings,
            )
            .and_then(|item| item.parsed(self.findings));
        let when = self.when(rule);
        let effect = self.effect(rule, id.as_ref());
        if let Some(scope) = &scope {
            self.types(scope, &when, effect.as_ref().and_then(Effect::budget));
        }
        let rule = Rule {
            id: id?,
            scope: scope?,
            when: when.into_iter().collect::<Option<_>>()?,
            effect: effect?,
        };
        auto::check(&rule, item.at, self.findings);
        Some(rule)
    }

    /// Checks also what stands beside a condition that cannot be read.
    fn types(&mut self, scope: &ScopePattern, when: &[Option<Condition>], budget: Option<&Budget>) {
        let counted = budget.map(Budget::typed);
        let conditions: Vec<&Condition> = when.iter().flatten().chain(&counted).collect();
        let functions: Vec<&GuardedFn> = self
            .guarded
            .iter()
            .filter(|(of, _)| scope.matches(of))
            .map(|(_, function)| *function)
            .collect();
        if functions.is_empty() {
            let about = self.findings.subject().to_owned();
            let sentence = |path| {
                format!(
                    "{about}: `{path}` is not checked: no guarded function of this program has a scope that matches `{scope}`"
                )
            };
            self.unchecked
                .extend(typing::paths(&conditions).map(sentence));
            return;
        }
        typing::check(&conditions, &functions, self.findings);
        if let Some(budget) = budget
            && let Some(message) = typing::not_whole(&budget.arg, &functions)
        {
            self.findings.add(budget.at, message);
        }
    }

    fn id(&mut self, rule: Section<'_, '_>) -> Option<RuleId> {
        let example = "`id = \"big-scale\"`, unique in the file";
        let item = rule.need("id", example, self.findings)?;
        let id: RuleId = item.parsed(self.findings)?;
        if self.seen.insert(id.to_string()) {
            return Some(id);
        }
        let message = "another rule has this `id` already; give every rule its own";
        self.findings.add(item.at, message);
        None
    }

    fn effect(&mut self, rule: Section<'_, '_>, id: Option<&RuleId>) -> Option<Effect> {
        let Some(item) = rule.get("effect") else {
            self.refuse_all(rule, &["rate", "budget"], "`effect = \"auto\"` rules");
            return self.require(rule, id);
        };
        self.refuse_all(rule, &["require"], "rules without `effect`");
        self.refuse_all(rule, &["escalate", "ttl", "use_within"], "`require` rules");
        match item.text(self.findings)? {
            "deny" => {
                self.refuse_all(rule, &["rate", "budget"], "`effect = \"auto\"` rules");
                Some(Effect::Deny)
            }
            "auto" => self.limits(rule).map(Effect::Auto),
            _ => item.refuse(
                self.findings,
                "\"deny\" or \"auto\" (a rule that asks people carries `require` instead)",
            ),
        }
    }

    fn require(&mut self, rule: Section<'_, '_>, id: Option<&RuleId>) -> Option<Effect> {
        if rule.get("require").is_none() {
            self.findings.add(
                rule.at,
                "the rule does nothing; write `require = [{ group = \"oncall\", n = 1 }]`, `effect = \"deny\"` or `effect = \"auto\"`",
            );
            return None;
        }
        let usual = self.times;
        let (requirement, _) = self.requirement(rule, usual, id.cloned().into_iter().collect());
        requirement.map(Effect::Require)
    }

    fn limits(&mut self, rule: Section<'_, '_>) -> Option<Limits> {
        let rate = rule.get("rate").map(|item| self.rate(item));
        let budget = rule.get("budget").map(|item| self.budget(item));
        // One that is there and cannot be read is none that is missing.
        Some(Limits {
            rate: rate.map_or(Some(None), |read| read.map(Some))?,
            budget: budget.map_or(Some(None), |read| read.map(Some))?,
        })
    }

    fn rate(&mut self, item: Item<'_, '_>) -> Option<Rate> {
        let rate = Rate::parse(item.text(self.findings)?);
        if rate.is_none() {
            let wanted = "a number above zero per s, m, h or d, counted per agent, requester or all, as in \"30/h\" or \"30/h/agent\"";
            self.findings
                .add(item.at, format!("`rate` must be {wanted}"));
        }
        rate
    }

    fn refuse_all(&mut self, rule: Section<'_, '_>, keys: &[&'static str], only: &str) {
        for item in keys.iter().filter_map(|key| rule.get(key)) {
            let message = format!("`{}` is only for {only}; remove one of the two", item.name);
            self.findings.add(item.at, message);
        }
    }
}

fn id_text<'d>(item: Item<'d, '_>) -> Option<&'d str> {
    item.value.get("id")?.get_ref().as_str()
}

const KEYS: &[&str] = &[
    "id",
    "scope",
    "when",
    "require",
    "escalate",
    "effect",
    "rate",
    "budget",
    "ttl",
    "use_within",
];
const MAX_RULES: usize = 10_000;
