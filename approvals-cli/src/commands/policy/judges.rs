//! Reads a policy, the people it names, and the engines beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use approvals_core::engines::Engines;
use approvals_core::policy::PolicyEngine;
use approvals_core::{Code, GuardedFn, People, Policy};
use serde_json::{Value, json};

use crate::args::{Beside, Cli};
use crate::failure::Failure;
use crate::{guarded, state};

/// How long an engine may take; here nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A policy, and who judges beside it.
#[derive(Debug)]
pub(super) struct Judges {
    pub(super) path: PathBuf,
    pub(super) policy: Policy,
    pub(super) people: People,
    pub(super) inventory: Vec<&'static GuardedFn>,
    pub(super) engines: Vec<GivenEngine>,
}

/// One engine, and its rules in words.
#[derive(Debug, Clone)]
pub(super) struct GivenEngine {
    pub(super) engine: Arc<dyn PolicyEngine>,
    pub(super) rules: Vec<EngineRule>,
}

/// One rule of an engine.
#[derive(Debug, Clone)]
pub(super) struct EngineRule {
    pub(super) id: String,
    pub(super) effect: &'static str,
    pub(super) asks: Option<String>,
}

/// One thing that is wrong, with its file.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) about: Option<String>,
    pub(super) message: String,
}

/// What was read, or everything that is wrong with it.
pub(super) type Read = Result<Judges, Vec<Wrong>>;

impl Judges {
    /// The policy of a file, or of the state directory.
    pub(super) fn read(cli: &Cli, file: Option<&Path>, beside: &Beside) -> Result<Read, Failure> {
        let paths = state::paths(cli);
        let path = file.map_or_else(|| paths.policy(), Path::to_owned);
        let text = text_of(&path, "the policy")?;
        let people_path = beside.people.clone().unwrap_or_else(|| paths.people());
        let people_text = text_of(&people_path, "the people file; name it with `--people`")?;
        let inventory = match &beside.inventory {
            Some(path) => guarded::read(&text_of(path, "the inventory")?)
                .map_err(|error| not_an_inventory(path, &error))?,
            None => Vec::new(),
        };
        let mut wrong = Vec::new();
        let people = match People::parse(&people_text) {
            Ok(people) => people,
            Err(error) => {
                // Without people no group is known: nothing can be said about the rest.
                let findings = error.findings().iter();
                wrong.extend(findings.map(|finding| Wrong::of(&people_path, finding)));
                return Ok(Err(wrong));
            }
        };
        let policy = match Policy::parse(&text, &people.groups(), &inventory) {
            Ok(policy) => Some(policy),
            Err(error) => {
                let findings = error.findings().iter();
                wrong.extend(findings.map(|finding| Wrong::of(&path, finding)));
                None
            }
        };
        let engines = engines(beside, &people, &inventory, &mut wrong)?;
        Ok(match policy {
            Some(policy) if wrong.is_empty() => Ok(Self {
                path,
                policy,
                people,
                inventory,
                engines,
            }),
            _ => Err(wrong),
        })
    }

    /// The same, where what is wrong ends the command.
    pub(super) fn load(cli: &Cli, file: Option<&Path>, beside: &Beside) -> Result<Self, Failure> {
        Self::read(cli, file, beside)?.map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(Wrong::to_line).collect();
            Failure::new(Code::PolicyInvalid, lines.join("\n"))
        })
    }

    /// The engines, to be asked.
    pub(super) fn engines(&self) -> Result<Engines, Failure> {
        let list = self.engines.iter();
        let list = list.map(|beside| Arc::clone(&beside.engine)).collect();
        Ok(Engines::new(list, PATIENCE)?)
    }

    /// Which policy and engines these are, for programs.
    pub(super) fn json(&self) -> Value {
        let engine = |beside: &GivenEngine| {
            let (name, digest) = (beside.engine.name(), beside.engine.digest());
            json!({ "name": name, "digest": digest })
        };
        let engines: Vec<Value> = self.engines.iter().map(engine).collect();
        json!({ "version": self.policy.version(), "digest": self.policy.digest(), "engines": engines })
    }

    /// Which policy and engines these are, in a line each.
    pub(super) fn text(&self) -> String {
        let (path, policy) = (self.path.display(), &self.policy);
        let mut text = format!(
            "{path}: version {}, {}\n",
            policy.version(),
            policy.digest()
        );
        for beside in &self.engines {
            let (name, digest) = (beside.engine.name(), beside.engine.digest());
            text.push_str(&format!("beside it `{name}`, {digest}\n"));
        }
        text
    }
}

impl Wrong {
    fn of(file: &Path, finding: &approvals_core::policy::Finding) -> Self {
        Self {
            file: file.display().to_string(),
            line: finding.line(),
            about: finding.about().map(str::to_owned),
            message: finding.message().to_owned(),
        }
    }

    pub(super) fn to_line(&self) -> String {
        let about = self.about.as_ref().map(|about| format!(", {about}"));
        let about = about.unwrap_or_default();
        format!("{}: line {}{about}: {}", self.file, self.line, self.message)
    }
}

#[cfg(feature = "cedar")]
fn engines(
    beside: &Beside,
    people: &People,
    inventory: &[&'static GuardedFn],
    wrong: &mut Vec<Wrong>,
) -> Result<Vec<GivenEngine>, Failure> {
    use approvals_cedar::{CedarEngine, CedarRule, CedarText};

    let (Some(policies), Some(schema)) = (&beside.cedar.policies, &beside.cedar.schema) else {
        return Ok(Vec::new());
    };
    let text = text_of(policies, "the Cedar policies")?;
    let schema_text = text_of(schema, "the Cedar schema")?;
    let engine = match CedarEngine::parse(&text, &schema_text, &people.groups(), inventory) {
        Ok(engine) => engine,
        Err(error) => {
            wrong.extend(error.findings().iter().map(|finding| Wrong {
                file: match finding.text() {
                    CedarText::Schema => schema.display().to_string(),
                    CedarText::Policies => policies.display().to_string(),
                },
                line: finding.line(),
                about: None,
                message: finding.message().to_owned(),
            }));
            return Ok(Vec::new());
        }
    };
    let rule = |rule: CedarRule| EngineRule {
        id: rule.id.to_string(),
        effect: rule.effect,
        asks: rule.requirement.map(|requirement| requirement.to_string()),
    };
    let rules = engine.rules().into_iter().map(rule).collect();
    let engine = Arc::new(engine);
    Ok(vec![GivenEngine { engine, rules }])
}

#[cfg(not(feature = "cedar"))]
fn engines(
    _: &Beside,
    _: &People,
    _: &[&'static GuardedFn],
    _: &mut Vec<Wrong>,
) -> Result<Vec<GivenEngine>, Failure> {
    Ok(Vec::new())
}

fn text_of(path: &Path, what: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let path = path.display();
        Failure::usage(&format!("cannot read `{path}` ({error}): {what}"))
    })
}

fn not_an_inventory(path: &Path, error: &serde_json::Error) -> Failure {
    let message = format!(
        "`{}` is not an inventory ({error}); write it with `approvals_core::inventory_json()`",
        path.display()
    );
    Failure::usage(&message)
}
