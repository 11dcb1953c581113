//! The one record that binds an action, and the salts that open it.

mod fixed;
mod recorded;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::{Action, BoundParam};
use crate::canonical::{self, Value};
use crate::clock::Timestamp;
use crate::digest::{
    ActionDigest, Commitment, RedactionKey, Salt, SchemaDigest, commit, disclosure, disclosure_of,
};
use crate::error::{ApprovalError, Code};
use crate::id::{AgentId, Draw, PersonId, RequestId};
use crate::principal::Agent;
use crate::proposal::Proposal;
use crate::scope::Scope;

pub use fixed::FixedRecord;
pub use recorded::RecordedAction;

/// The action as it stands in the ledger: every value bound, none given away.
///
/// [`ActionDigest`] is the digest of the canonical bytes of this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ActionRecord {
    // In canonical order, so that printing has nothing to sort.
    /// The agent that asks, by the name its operator gave it.
    pub agent: AgentId,
    /// The agent's words for why it breaks the glass; none when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Commitment>,
    /// What the agent says about itself.
    #[serde(default, skip_serializing_if = "AgentClaims::is_empty")]
    pub claims: AgentClaims,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Until when people may decide.
    pub expires_at: Timestamp,
    /// The guarded function.
    pub function: String,
    /// Makes two equal asks two actions.
    pub nonce: String,
    /// The parameters that are not bound, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_covered: Vec<String>,
    /// The person who answers for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PersonId>,
    /// The parameters that are bound.
    pub params: Vec<SealedParam>,
    /// The agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<Commitment>,
    /// The author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Commitment>,
    /// The request it was asked in.
    pub request_id: RequestId,
    /// What is acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Commitment>,
    /// The exact signature of the function.
    pub schema: SchemaDigest,
    /// Selects the policy.
    pub scope: Scope,
    /// The person the agent acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<PersonId>,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// One bound parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SealedParam {
    /// Its name.
    pub name: String,
    /// Whether nobody may see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// Binds its value: salted, or keyed when it is redacted.
    pub sd: Commitment,
}

/// What an agent says about itself; shown as its claim, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentClaims {
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Software and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The tool call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<String>,
}

impl AgentClaims {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The claims of an agent.
    ///
    /// # Errors
    /// `NonCanonical` when one is longer than 200 characters: cut, two of them could look the same.
    pub fn of(agent: &Agent) -> Result<Self, ApprovalError> {
        let short = |name: &str, text: &Option<String>| match text {
            Some(text) if text.chars().count() > MAX_CLAIM => {
                let message =
                    format!("the agent's {name} is longer than {MAX_CLAIM} characters; shorten it");
                Err(ApprovalError::new(Code::NonCanonical, message))
            }
            text => Ok(Clone::clone(text)),
        };
        Ok(Self {
            software: short("software", &agent.software)?,
            model: short("model", &agent.model)?,
            provider: short("provider", &agent.provider)?,
            run: short("run", &agent.run)?,
            conversation: short("conversation", &agent.conversation)?,
            tool_call: short("tool call", &agent.tool_call)?,
        })
    }
}

/// How many characters an agent may use for each claim about itself.
const MAX_CLAIM: usize = 200;

/// The random parts of a seal: with them the same values give the same digest again.
#[derive(Debug)]
pub struct Salts {
    nonce: Salt,
    of: Of,
}

/// Which salt a value gets.
#[derive(Debug)]
enum Of {
    /// A new one.
    Drawn(Draw),
    /// The one on record, or a new one when there is none.
    Names(BTreeMap<String, Salt>, Draw),
}

/// What opens one commitment: the text whose digest it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disclosure {
    /// The commitment it opens.
    pub commitment: Commitment,
    /// base64url of `[salt, name, value]`.
    pub text: String,
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // INVARIANT: the text holds a value, which reaches no log.
        write!(f, "Disclosure({})", self.commitment)
    }
}

/// An action made final: its record, its digest, and what opens it.
#[derive(Debug)]
pub struct SealedAction {
    record: FixedRecord,
    digest: ActionDigest,
    /// In the order of [`ActionRecord::disclosed`], as far as they were not taken out.
    disclosures: Vec<Disclosure>,
    /// In the same order.
    salts: Vec<Salt>,
}

impl ActionRecord {
    /// The proposal that was sealed, with those of its values that are there.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody stands behind the action on record, which no gate records.
    pub fn proposal(
        &self,
        params: Vec<BoundParam>,
        resource: Option<String>,
        break_glass: Option<String>,
    ) -> Result<Proposal, ApprovalError> {
        let mut agent = Agent::new(self.agent.as_str());
        if let Some(sponsor) = &self.sponsor {
            agent = agent.on_behalf_of(sponsor.as_str());
        }
        if let Some(owner) = &self.owner {
            agent = agent.owned_by(owner.as_str());
        }
        let action = Action {
            scope: self.scope.clone(),
            function: self.function.clone(),
            schema: self.schema,
            params,
            not_covered: self.not_covered.clone(),
            resource,
            environment: self.environment.clone(),
            tenant: self.tenant.clone(),
        };
        let mut proposal = Proposal::new(agent.requester()?, action);
        proposal.break_glass = break_glass;
        Ok(proposal)
    }

    /// The commitments that a disclosure opens: those of values and words that people are shown.
    pub fn disclosed(&self) -> impl Iterator<Item = &Commitment> {
        let words = [
            &self.resource,
            &self.reason,
            &self.rationale,
            &self.break_glass,
        ];
        let shown = self.params.iter().filter(|param| !param.redacted);
        shown
            .map(|param| &param.sd)
            .chain(words.into_iter().flatten())
    }

    /// The random parts of the seal, from the disclosures kept beside the record.
    #[must_use]
    pub fn salts(&self, disclosures: &[Disclosure]) -> Option<Salts> {
        let nonce = Salt::parse(&self.nonce).ok()?;
        let mut by_name = BTreeMap::new();
        // Others belong to reviews, and say nothing about the action.
        let own = |d: &&Disclosure| self.disclosed().any(|own| *own == d.commitment);
        for disclosure in disclosures.iter().filter(own) {
            let (salt, name, _) = disclosure.open()?;
            by_name.insert(name, salt);
        }
        let of = Of::Names(by_name, Draw::default());
        Some(Salts { nonce, of })
    }

    /// What the disclosures are called, in the order of [`ActionRecord::disclosed`].
    fn names(&self) -> impl Iterator<Item = String> {
        let words = [
            ("resource", &self.resource),
            ("reason", &self.reason),
            ("rationale", &self.rationale),
            ("break_glass", &self.break_glass),
        ];
        let shown = self.params.iter().filter(|param| !param.redacted);
        let words = words.into_iter().filter(|(_, word)| word.is_some());
        shown
            .map(|param| format!("{ARGS}{}", param.name))
            .chain(words.map(|(name, _)| name.to_owned()))
    }
}

impl Disclosure {
    /// A value committed to under a fresh salt.
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn new(name: &str, value: &Value) -> Result<Self, ApprovalError> {
        Ok(Self::with(Salt::random()?, name, value))
    }

    fn with(salt: Salt, name: &str, value: &Value) -> Self {
        Self::from_text(disclosure(salt, name, value))
    }

    /// The parts, of a text that is printed as we print it: most of the work of a general reader is
    /// to find out that it is.
    fn parts(plain: &str) -> Option<(Salt, String, &str)> {
        let (salt, rest) = plain.strip_prefix("[\"")?.split_at_checked(22)?;
        let (name, rest) = rest.strip_prefix("\",\"")?.split_once("\",")?;
        let value = rest.strip_suffix(']')?;
        let known = !name.contains(['\\', '"']);
        known.then(|| Some((Salt::parse(salt).ok()?, name.to_owned(), value)))?
    }

    /// What a stored text opens.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self {
            commitment: commit(&text),
            text,
        }
    }

    /// The salt, the name and the value inside; `None` when the text is not a disclosure.
    #[must_use]
    pub fn open(&self) -> Option<(Salt, String, Value)> {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(&self.text)
            .ok()?;
        if let Some((salt, name, value)) = std::str::from_utf8(&bytes).ok().and_then(Self::parts) {
            return Some((salt, name, canonical::parse_own(value.as_bytes()).ok()?));
        }
        match canonical::parse_own(&bytes).ok()? {
            Value::List(parts) => match <[Value; 3]>::try_from(parts).ok()? {
                [Value::Text(salt), Value::Text(name), value] => {
                    Some((Salt::parse(&salt).ok()?, name, value))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Salts {
    /// Fresh salts.
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn fresh() -> Result<Self, ApprovalError> {
        Self::drawn(Draw::default())
    }

    /// Fresh salts from what was drawn for this step.
    pub(crate) fn drawn(mut draw: Draw) -> Result<Self, ApprovalError> {
        let nonce = Salt::from_bytes(draw.take()?);
        let of = Of::Drawn(draw);
        Ok(Self { nonce, of })
    }

    /// The salt of a name, which stands in two parts.
    fn of(&mut self, prefix: &str, name: &str) -> Result<Salt, ApprovalError> {
        let draw = match &mut self.of {
            Of::Drawn(draw) => draw,
            Of::Names(by_name, draw) => match by_name.get(&[prefix, name].concat()) {
                Some(salt) => return Ok(*salt),
                None => draw,
            },
        };
        Ok(Salt::from_bytes(draw.take()?))
    }
}

impl SealedAction {
    /// Seals a proposal for one request.
    ///
    /// # Errors
    /// `NonCanonical` when two parameters share a name, `Misuse` without randomness.
    pub fn seal(
        proposal: &Proposal,
        claims: AgentClaims,
        request_id: RequestId,
        expires_at: Timestamp,
        salts: &mut Salts,
        key: &RedactionKey,
    ) -> Result<Self, ApprovalError> {
        let of = (request_id, expires_at);
        Self::sealed(proposal, claims, of, salts, Redacted::Under(key))
    }

    fn sealed(
        proposal: &Proposal,
        claims: AgentClaims,
        (request_id, expires_at): (RequestId, Timestamp),
        salts: &mut Salts,
        redacted: Redacted<'_>,
    ) -> Result<Self, ApprovalError> {
        let (action, nonce) = (&proposal.action, salts.nonce);
        let mut seal = Seal {
            disclosures: Vec::with_capacity(action.params.len() + 3),
            used: Vec::with_capacity(action.params.len() + 3),
            salts,
            redacted,
        };
        // In the order of `ActionRecord::disclosed`.
        let params = seal.params(action)?;
        let resource = seal.words("resource", &action.resource)?;
        let reason = seal.words("reason", &proposal.reason)?;
        let rationale = seal.words("rationale", &proposal.rationale)?;
        let break_glass = seal.words("break_glass", &proposal.break_glass)?;
        let (disclosures, salts) = (seal.disclosures, seal.used);
        let (record, digest) = FixedRecord::seal(ActionRecord {
            request_id,
            scope: action.scope.clone(),
            function: action.function.clone(),
            schema: action.schema,
            params,
            not_covered: action.not_covered.clone(),
            resource,
            environment: action.environment.clone(),
            tenant: action.tenant.clone(),
            reason,
            rationale,
            break_glass,
            agent: proposal.requester.agent().clone(),
            claims,
            sponsor: proposal.requester.sponsor().cloned(),
            owner: proposal.requester.owner().cloned(),
            nonce: nonce.to_text(),
            expires_at,
        })?;
        Ok(Self {
            record,
            digest,
            disclosures,
            salts,
        })
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &FixedRecord {
        &self.record
    }

    /// The digest that binds it.
    #[must_use]
    pub fn digest(&self) -> ActionDigest {
        self.digest
    }

    /// What opens the commitments of shown values and words.
    #[must_use]
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// Takes out what opens the commitments: it is not kept by whoever waits for people.
    pub(crate) fn take_disclosures(&mut self) -> Vec<Disclosure> {
        std::mem::take(&mut self.disclosures)
    }

    /// The random parts, to seal live arguments the same way later.
    #[must_use]
    pub fn salts(&self) -> Option<Salts> {
        let nonce = Salt::parse(&self.record.nonce).ok()?;
        let by_name = self.record.names().zip(self.salts.iter().copied());
        let of = Of::Names(by_name.collect(), Draw::default());
        Some(Salts { nonce, of })
    }
}

/// What binds redacted values.
#[derive(Clone, Copy)]
enum Redacted<'a> {
    /// This key.
    Under(&'a RedactionKey),
    /// What stands on record for them.
    As(&'a ActionRecord),
}

impl Redacted<'_> {
    fn bind(self, nonce: Salt, name: &str, text: &str) -> Result<Commitment, ApprovalError> {
        match self {
            Self::Under(key) => Ok(key.commit(&disclosure_of(nonce, &[ARGS, name], text))),
            Self::As(record) => {
                let named = |have: &&SealedParam| have.redacted && have.name == name;
                let found = record.params.iter().find(named);
                found.map(|found| found.sd.clone()).ok_or_else(|| {
                    let message = format!("`{name}` is redacted here and not on record");
                    ApprovalError::new(Code::ActionMismatch, message)
                })
            }
        }
    }
}

/// A seal in the making.
struct Seal<'a> {
    disclosures: Vec<Disclosure>,
    used: Vec<Salt>,
    salts: &'a mut Salts,
    redacted: Redacted<'a>,
}

impl Seal<'_> {
    fn params(&mut self, action: &Action) -> Result<Vec<SealedParam>, ApprovalError> {
        let mut params: Vec<SealedParam> = Vec::with_capacity(action.params.len());
        for param in &action.params {
            if params.iter().any(|have| have.name == param.name()) {
                return Err(ApprovalError::new(
                    Code::NonCanonical,
                    format!("two parameters are called `{}`", param.name()),
                ));
            }
            let (name, text) = (param.name(), param.text());
            let sd = if param.is_redacted() {
                self.redacted.bind(self.salts.nonce, name, text)?
            } else {
                self.reveal(ARGS, name, text)?
            };
            params.push(SealedParam {
                name: name.to_owned(),
                sd,
                redacted: param.is_redacted(),
            });
        }
        Ok(params)
    }

    fn words(
        &mut self,
        name: &str,
        words: &Option<String>,
    ) -> Result<Option<Commitment>, ApprovalError> {
        let Some(words) = words else {
            return Ok(None);
        };
        let text = canonical::to_text(words).map_err(refuse)?;
        self.reveal("", name, &text).map(Some)
    }

    /// Commits to a value, given its canonical text.
    fn reveal(
        &mut self,
        prefix: &str,
        name: &str,
        text: &str,
    ) -> Result<Commitment, ApprovalError> {
        let salt = self.salts.of(prefix, name)?;
        let opened = Disclosure::from_text(disclosure_of(salt, &[prefix, name], text));
        let commitment = opened.commitment.clone();
        self.disclosures.push(opened);
        self.used.push(salt);
        Ok(commitment)
    }
}

/// What a parameter is called in its disclosure: this and its name.
const ARGS: &str = "args.";

/// What a parameter is called in its disclosure.
pub(crate) fn param_name(name: &str) -> String {
    format!("{ARGS}{name}")
}

fn refuse(error: canonical::NonCanonical) -> ApprovalError {
    ApprovalError::new(Code::NonCanonical, error.to_string())
}
