//! Cases: what a policy must answer, kept beside it and run with every change of it.

use std::collections::BTreeSet;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{self, Findings, Item, Section, entries, quoted};
use super::load::{MOMENT, PolicyError, moment};
use super::quorum::Quorum;
use super::requirement::Evaluation;
use crate::action::{Action, BoundParam};
use crate::canonical::{self, Record, Value, clip};
use crate::clock::Timestamp;
use crate::digest::SchemaDigest;
use crate::error::Code;
use crate::id::RuleId;
use crate::principal::Agent;
use crate::proposal::Proposal;
use crate::scope::Scope;

/// What a policy must answer, case by case: a change that weakens it is seen before it is loaded.
///
/// ```toml
/// version = 1
/// at = "2027-01-15T08:00:00Z"             # the time of every case that names none
///
/// [[case]]
/// name = "more than ten replicas take two people"
/// scope = "k8s.scale"
/// env = "prod"
/// args = { replicas = 11 }                # or a text of JSON: '{"replicas": null}'
/// expect = "require sre:2"
/// rules = ["big-scale"]                   # optional: exactly these rules say so
/// ```
///
/// A case may also name `tenant`, `resource`, `agent`, `sponsor`, `owner`, `at`, `break_glass` (why
/// the glass is broken), and `redacted`, a list of arguments that are there and shown to nobody. It expects `auto`, `deny` (any no),
/// `frozen` (a no that ends with a calendar), or `require` with exactly these quorums; who may stand
/// in when nobody decides is not compared.
#[derive(Debug, Clone)]
pub struct Cases(Vec<Case>);

/// One proposal, and what a policy must say of it.
#[derive(Debug, Clone)]
pub struct Case {
    name: String,
    line: usize,
    proposal: Proposal,
    at: Timestamp,
    expected: Expected,
    rules: Option<BTreeSet<RuleId>>,
}

/// What a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// It runs by itself.
    Auto,
    /// It is forbidden, for whatever reason.
    Deny,
    /// It is forbidden until a calendar lets go.
    Frozen,
    /// Exactly these people are asked, sorted by group.
    Require(Vec<Quorum>),
}

impl Cases {
    /// Reads cases.
    ///
    /// # Errors
    /// [`PolicyError`], with everything that is wrong at once.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::Policy;
    /// use approvals_core::policy::Cases;
    ///
    /// let groups = ["oncall".parse()?].into();
    /// let policy = "version = 1\ndefault = { require = [{ group = \"oncall\" }] }";
    /// let policy = Policy::parse(policy, &groups, &[])?;
    /// let cases = Cases::parse(r#"
    ///     version = 1
    ///     at = "2027-01-15T08:00:00Z"
    ///     [[case]]
    ///     name = "what no rule names needs a human"
    ///     scope = "db.drop"
    ///     expect = "require oncall"
    /// "#)?;
    /// for case in cases.iter() {
    ///     assert_eq!(case.differs(&policy.evaluate(case.proposal(), case.at())), None);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut findings = Findings::of(text);
        let read = read(text, &mut findings);
        findings.finish(read).map(Self).map_err(PolicyError::of)
    }

    /// The cases, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.0.iter()
    }
}

impl Case {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line it stands on, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is asked.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// When it is asked.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What it expects.
    #[must_use]
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// How an answer differs from what is expected, in a sentence; `None` when it does not.
    #[must_use]
    pub fn differs(&self, answer: &Evaluation) -> Option<String> {
        if !self.expected.fits(answer) {
            return Some(format!(
                "expected {}, got {}",
                self.expected,
                answer.in_words()
            ));
        }
        let wanted = self.rules.as_ref()?;
        let got: BTreeSet<RuleId> = answer.rules().iter().cloned().collect();
        let list = |rules: &BTreeSet<RuleId>| quoted(rules.iter().map(RuleId::as_str));
        (got != *wanted).then(|| {
            let (wanted, got) = (list(wanted), list(&got));
            format!("expected {} by {wanted}, got it by {got}", self.expected)
        })
    }
}

impl Expected {
    fn fits(&self, answer: &Evaluation) -> bool {
        match (self, answer) {
            (Self::Auto, Evaluation::Allow(_)) | (Self::Deny, Evaluation::Deny(_)) => true,
            (Self::Frozen, Evaluation::Deny(forbidden)) => forbidden.code() == Code::Frozen,
            (Self::Require(wanted), Evaluation::Require(requirement)) => {
                let seats = |quorum: &Quorum| (quorum.group.clone(), quorum.need, quorum.assurance);
                wanted
                    .iter()
                    .map(seats)
                    .eq(requirement.quorums().iter().map(seats))
            }
            _ => false,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "deny" => Some(Self::Deny),
            "frozen" => Some(Self::Frozen),
            text => {
                let list = text.strip_prefix("require ")?;
                let quorums = list.split(',').map(|part| part.trim().parse().ok());
                let mut quorums: Vec<Quorum> = quorums.collect::<Option<_>>()?;
                quorums.sort();
                let groups: BTreeSet<_> = quorums.iter().map(|quorum| &quorum.group).collect();
                (groups.len() == quorums.len()).then_some(Self::Require(quorums))
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Deny => f.write_str("deny"),
            Self::Frozen => f.write_str("frozen"),
            Self::Require(quorums) => {
                let quorums: Vec<String> = quorums.iter().map(Quorum::to_string).collect();
                write!(f, "require {}", quorums.join(", "))
            }
        }
    }
}

fn read(text: &str, findings: &mut Findings) -> Option<Vec<Case>> {
    let document = document::parse(text, MAX_BYTES, findings)?;
    let file = Section::new(document.get_ref(), 0, KEYS, findings);
    let version = file.need("version", "`version = 1`", findings);
    version.and_then(|item| item.integer(1, 1, findings));
    let usual = file.get("at").and_then(|item| time(item, findings));
    let example = "`[[case]]` with `name`, `scope` and `expect`";
    let items = file.need("case", example, findings)?.list(findings)?;
    if items.is_empty() {
        findings.add(
            file.at,
            format!("no case is there, so that every policy would pass; write {example}"),
        );
        return None;
    }
    if items.len() > MAX_CASES {
        let message = format!(
            "there are {} cases; at most {MAX_CASES} are read",
            items.len()
        );
        findings.add(file.at, message);
        return None;
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        findings.about("case", &format!("#{}", place + 1));
        let case = case(item, usual, findings);
        if let Some(case) = &case
            && !names.insert(case.name.clone())
        {
            findings.add(
                item.at,
                "another case has this `name` already; give every case its own",
            );
        }
        cases.push(case);
    }
    findings.about_the_file();
    cases.into_iter().collect()
}

fn case(item: Item<'_, '_>, usual: Option<Timestamp>, findings: &mut Findings) -> Option<Case> {
    if let Some(name) = item
        .value
        .get("name")
        .and_then(|name| name.get_ref().as_str())
    {
        findings.about("case", name);
    }
    let section = item.section(CASE_KEYS, findings)?;
    let name = section.need("name", "`name = \"what it shows\"`", findings);
    let name = name.and_then(|item| item.text(findings)).map(str::to_owned);
    let at = match section.get("at") {
        Some(item) => time(item, findings),
        None => usual.or_else(|| {
            findings.add(
                item.at,
                "no time is named; write `at = \"2027-01-15T08:00:00Z\"` at the top of the file",
            );
            None
        }),
    };
    let wanted = "\"auto\", \"deny\", \"frozen\" or whom it asks, as in \"require oncall, security:1, sre:2:A3\"";
    let expected = section.need("expect", "`expect = \"require oncall\"`", findings);
    let expected = expected.and_then(|item| {
        Expected::parse(item.text(findings)?).or_else(|| item.refuse(findings, wanted))
    });
    let rules = match section.get("rules") {
        Some(item) => Some(
            item.list(findings)?
                .into_iter()
                .map(|item| item.parsed(findings))
                .collect::<Option<_>>()?,
        ),
        None => None,
    };
    let proposal = proposal(section, findings);
    Some(Case {
        name: name?,
        line: findings.line(item.at),
        proposal: proposal?,
        at: at?,
        expected: expected?,
        rules,
    })
}

fn time(item: Item<'_, '_>, findings: &mut Findings) -> Option<Timestamp> {
    moment(item.text(findings)?).or_else(|| item.refuse(findings, MOMENT))
}

fn proposal(section: Section<'_, '_>, findings: &mut Findings) -> Option<Proposal> {
    let mut word = |name: &'static str| match section.get(name) {
        Some(item) => item.text(findings).map(|text| Some(text.to_owned())),
        None => Some(None),
    };
    let [environment, tenant, resource] = ["env", "tenant", "resource"].map(&mut word);
    let [agent, sponsor, owner] = ["agent", "sponsor", "owner"].map(&mut word);
    let broken = word("break_glass");
    let scope = section.need("scope", "`scope = \"db.export\"`", findings);
    let scope: Option<Scope> = scope.and_then(|item| item.parsed(findings));
    let params = params(section, findings);
    let mut asking = Agent::new(agent?.unwrap_or_else(|| "agent".to_owned()));
    asking = asking.on_behalf_of(sponsor?.unwrap_or_else(|| "sponsor".to_owned()));
    if let Some(owner) = owner? {
        asking = asking.owned_by(owner);
    }
    let requester = asking
        .requester()
        .map_err(|error| findings.add(section.at, error.to_string()));
    let mut action = Action::new(scope?, "case", SchemaDigest::of(b"case"));
    action.params = params?;
    action.environment = environment?;
    action.tenant = tenant?;
    action.resource = resource?;
    let mut proposal = Proposal::new(requester.ok()?, action);
    proposal.break_glass = broken?;
    Some(proposal)
}

fn params(section: Section<'_, '_>, findings: &mut Findings) -> Option<Vec<BoundParam>> {
    let mut params = match section.get("args") {
        Some(item) => args(item, findings)?,
        None => Vec::new(),
    };
    let redacted = match section.get("redacted") {
        Some(item) => item.list(findings)?,
        None => Vec::new(),
    };
    for item in redacted {
        let name = item.text(findings)?;
        if params.iter().any(|param| param.name() == name) {
            let message = format!("`{}` is redacted and in `args`, too; keep one", clip(name));
            findings.add(item.at, message);
            return None;
        }
        params.push(BoundParam::redacted(name, Value::Null));
    }
    Some(params)
}

fn args(item: Item<'_, '_>, findings: &mut Findings) -> Option<Vec<BoundParam>> {
    let value = match item.value {
        DeValue::String(text) => match canonical::parse(text.as_bytes()) {
            Ok(value) => value,
            Err(error) => {
                findings.add(
                    item.at,
                    format!("`args` is a text that is no JSON: {error}"),
                );
                return None;
            }
        },
        DeValue::Table(table) => record(table, item, findings)?,
        _ => Value::Null,
    };
    match value {
        Value::Record(record) => {
            let bound = |(name, value): (&str, &Value)| BoundParam::new(name, value.clone());
            Some(record.iter().map(bound).collect())
        }
        _ => item.refuse(
            findings,
            "a table such as `{ replicas = 11 }`, or a JSON object in quotes",
        ),
    }
}

fn record(table: &DeTable<'_>, item: Item<'_, '_>, findings: &mut Findings) -> Option<Value> {
    let mut record = Record::new();
    for entry in entries(table) {
        let value = value(entry, findings)?;
        // A TOML table has no key twice.
        record
            .insert(entry.name, value)
            .map_err(|error| findings.add(item.at, error.to_string()))
            .ok()?;
    }
    Some(Value::Record(record))
}

fn value(item: Item<'_, '_>, findings: &mut Findings) -> Option<Value> {
    match item.value {
        DeValue::String(text) => Some(Value::Text(text.clone().into_owned())),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Integer(number) => {
            let read = i128::from_str_radix(number.as_str(), number.radix()).ok();
            let fits = |n: &i128| i64::try_from(*n).is_ok() || u64::try_from(*n).is_ok();
            match read.filter(fits) {
                Some(number) => Some(Value::Integer(number)),
                None => item.refuse(findings, "within 64 bits"),
            }
        }
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(Value::Float(number)),
            _ => item.refuse(findings, "finite"),
        },
        DeValue::Array(items) => {
            let of = |value: &Spanned<DeValue<'_>>| {
                let item = Item {
                    name: item.name,
                    at: value.span().start,
                    value: value.get_ref(),
                };
                self::value(item, findings)
            };
            items.iter().map(of).collect::<Option<_>>().map(Value::List)
        }
        DeValue::Table(table) => record(table, item, findings),
        DeValue::Datetime(_) => {
            item.refuse(findings, "a text in quotes: an action holds dates as texts")
        }
    }
}

const KEYS: &[&str] = &["version", "at", "case"];
const CASE_KEYS: &[&str] = &[
    "name",
    "scope",
    "env",
    "tenant",
    "resource",
    "agent",
    "sponsor",
    "owner",
    "args",
    "redacted",
    "break_glass",
    "at",
    "expect",
    "rules",
];
const MAX_BYTES: usize = 1 << 20;
const MAX_CASES: usize = 10_000;
