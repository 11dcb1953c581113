//! The one record that binds an action, and the salts that open it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::{Action, BoundParam};
use crate::canonical::{self, Value};
use crate::clock::Timestamp;
use crate::digest::{
    ActionDigest, Commitment, RedactionKey, Salt, SchemaDigest, commit, disclosure,
};
use crate::error::{ApprovalError, Code};
use crate::id::{AgentId, PersonId, RequestId};
use crate::principal::Agent;
use crate::proposal::Proposal;
use crate::scope::Scope;

/// The action as it stands in the ledger: every value bound, none given away.
///
/// [`ActionDigest`] is the digest of the canonical bytes of this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ActionRecord {
    /// The request it was asked in.
    pub request_id: RequestId,
    /// Selects the policy.
    pub scope: Scope,
    /// The guarded function.
    pub function: String,
    /// Its exact signature.
    pub schema: SchemaDigest,
    /// The parameters that are bound.
    pub params: Vec<SealedParam>,
    /// The parameters that are not, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_covered: Vec<String>,
    /// What is acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Commitment>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Commitment>,
    /// The agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<Commitment>,
    /// The agent's words for why it breaks the glass; none when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Commitment>,
    /// The agent that asks, by the name its operator gave it.
    pub agent: AgentId,
    /// What the agent says about itself.
    #[serde(default, skip_serializing_if = "AgentClaims::is_empty")]
    pub claims: AgentClaims,
    /// The person it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<PersonId>,
    /// The person who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PersonId>,
    /// Makes two equal asks two actions.
    pub nonce: String,
    /// Until when people may decide.
    pub expires_at: Timestamp,
}

/// One bound parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SealedParam {
    /// Its name.
    pub name: String,
    /// Binds its value: salted, or keyed when it is redacted.
    pub sd: Commitment,
    /// Whether nobody may see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// What an agent says about itself; shown as its claim, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgentClaims {
    /// Software and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
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
#[derive(Debug, Clone)]
pub struct Salts {
    nonce: Salt,
    by_name: BTreeMap<String, Salt>,
    fixed: bool,
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
#[derive(Debug, Clone)]
pub struct SealedAction {
    record: ActionRecord,
    digest: ActionDigest,
    disclosures: Vec<Disclosure>,
}

impl ActionRecord {
    /// The digest that binds everything in the record.
    ///
    /// # Errors
    /// `NonCanonical` when the record has no canonical form; it always has one when it was sealed
    /// or read here.
    pub fn digest(&self) -> Result<ActionDigest, ApprovalError> {
        let bytes = canonical::to_bytes(self).map_err(refuse)?;
        Ok(ActionDigest::of(&bytes))
    }

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
        Some(Salts {
            nonce,
            by_name,
            fixed: false,
        })
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
        let text = disclosure(salt, name, value);
        Self {
            commitment: commit(&text),
            text,
        }
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
    /// Fresh salts, drawn as they are needed.
    ///
    /// # Errors
    /// `Misuse` when the operating system has no randomness to give.
    pub fn fresh() -> Result<Self, ApprovalError> {
        Ok(Self {
            nonce: Salt::random()?,
            by_name: BTreeMap::new(),
            fixed: false,
        })
    }

    /// Salts that are always the same: for keyed fingerprints only, never for a record.
    pub(crate) fn fixed() -> Self {
        Self {
            nonce: Salt::from_bytes([0; 16]),
            by_name: BTreeMap::new(),
            fixed: true,
        }
    }

    fn of(&self, name: &str) -> Result<Salt, ApprovalError> {
        match self.by_name.get(name) {
            Some(salt) => Ok(*salt),
            None if self.fixed => Ok(self.nonce),
            None => Salt::random(),
        }
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
        salts: &Salts,
        key: &RedactionKey,
    ) -> Result<Self, ApprovalError> {
        let mut disclosures = Vec::new();
        let mut words = |name: &str, text: &Option<String>| {
            text.as_ref()
                .map(|text| reveal(&mut disclosures, salts, name, &Value::Text(text.clone())))
                .transpose()
        };
        let resource = words("resource", &proposal.action.resource)?;
        let reason = words("reason", &proposal.reason)?;
        let rationale = words("rationale", &proposal.rationale)?;
        let break_glass = words("break_glass", &proposal.break_glass)?;
        let params = seal_params(&proposal.action, salts, key, &mut disclosures)?;
        let action = &proposal.action;
        let record = ActionRecord {
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
            nonce: salts.nonce.to_text(),
            expires_at,
        };
        let digest = record.digest()?;
        Ok(Self {
            record,
            digest,
            disclosures,
        })
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &ActionRecord {
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

    /// The random parts, to seal live arguments the same way later.
    #[must_use]
    pub fn salts(&self) -> Option<Salts> {
        self.record.salts(&self.disclosures)
    }
}

fn seal_params(
    action: &Action,
    salts: &Salts,
    key: &RedactionKey,
    disclosures: &mut Vec<Disclosure>,
) -> Result<Vec<SealedParam>, ApprovalError> {
    let mut params: Vec<SealedParam> = Vec::with_capacity(action.params.len());
    for param in &action.params {
        if params.iter().any(|have| have.name == param.name()) {
            return Err(ApprovalError::new(
                Code::NonCanonical,
                format!("two parameters are called `{}`", param.name()),
            ));
        }
        let name = param_name(param.name());
        let sd = if param.is_redacted() {
            key.commit(&disclosure(salts.nonce, &name, param.value()))
        } else {
            reveal(disclosures, salts, &name, param.value())?
        };
        params.push(SealedParam {
            name: param.name().to_owned(),
            sd,
            redacted: param.is_redacted(),
        });
    }
    Ok(params)
}

/// What a parameter is called in its disclosure.
pub(crate) fn param_name(name: &str) -> String {
    format!("args.{name}")
}

fn reveal(
    into: &mut Vec<Disclosure>,
    salts: &Salts,
    name: &str,
    value: &Value,
) -> Result<Commitment, ApprovalError> {
    let opened = Disclosure::with(salts.of(name)?, name, value);
    let commitment = opened.commitment.clone();
    into.push(opened);
    Ok(commitment)
}

fn refuse(error: canonical::NonCanonical) -> ApprovalError {
    ApprovalError::new(Code::NonCanonical, error.to_string())
}
