//! What one call asks for, and whether an answer is about exactly that.

use std::collections::BTreeMap;

use approvals_core::action::Action;
use approvals_core::canonical::{self, Record, Value};
use approvals_core::digest::{RedactionKey, hex, sha256};
use approvals_core::gate::Call;
use approvals_core::sealed::{AgentClaims, RecordedAction};
use approvals_core::{ActionDigest, ApprovalError, Code, Proposal, id};
use reqwest::Method;

use crate::answer::other;
use crate::web;

/// One call, as it was bound here.
pub(crate) struct Ask {
    proposal: Proposal,
    claims: AgentClaims,
    redacted: Fingerprints,
    /// Whether the caller named the call: its words may then be those of an earlier try.
    is_named: bool,
    pub(crate) post: web::Call,
}

/// What stands for each value that stays here, by name.
pub(crate) type Fingerprints = BTreeMap<String, [u8; 32]>;

impl Ask {
    pub(crate) fn of(call: Call, key: &RedactionKey) -> Result<Self, ApprovalError> {
        let claims = AgentClaims::of(call.agent())?;
        let (name, is_named) = match call.idempotency_key() {
            Some(named) => (
                sha256(&[b"approvals/remote/key/v1\0", named.as_bytes()]),
                true,
            ),
            None => (id::random::<32>().map_err(ApprovalError::from)?, false),
        };
        let proposal = call.into_proposal()?;
        let redacted = fingerprints(&proposal.action, key);
        let body = body(&proposal, &claims, &redacted)
            .map_err(|error| ApprovalError::new(Code::NonCanonical, error.to_string()))?;
        let mut post = web::Call::new(Method::POST, "/v1/requests");
        post.key = Some(hex(&name));
        post.body = Some(body);
        Ok(Self {
            proposal,
            claims,
            redacted,
            is_named,
            post,
        })
    }

    /// Makes sure that what the server has on record is what this call asks for: every shown value
    /// and every word is sealed once more here, and must give the same digest.
    pub(crate) fn check(&self, recorded: &RecordedAction) -> Result<(), ApprovalError> {
        let sealed = self.seal(self.proposal.clone(), recorded)?;
        match sealed == recorded.digest() {
            true => Ok(()),
            false => Err(other(recorded.record().request_id)),
        }
    }

    /// The digest of live arguments, sealed as the approved ones were.
    pub(crate) fn reseal(
        &self,
        live: Action,
        reason: Option<String>,
        key: &RedactionKey,
        recorded: &RecordedAction,
    ) -> Result<ActionDigest, ApprovalError> {
        // Redacted values are compared here, because only here they are.
        if fingerprints(&live, key) != self.redacted {
            return Err(other(recorded.record().request_id));
        }
        let mut proposal = Proposal::new(self.proposal.requester.clone(), live);
        proposal
            .action
            .tenant
            .clone_from(&self.proposal.action.tenant);
        proposal.reason = reason;
        proposal.rationale.clone_from(&self.proposal.rationale);
        proposal.break_glass.clone_from(&self.proposal.break_glass);
        self.seal(proposal, recorded)
    }

    /// Seals a proposal with what only the server knows: who stands behind the token beside those
    /// that the call names, and where it is when the call does not say.
    fn seal(
        &self,
        mut proposal: Proposal,
        recorded: &RecordedAction,
    ) -> Result<ActionDigest, ApprovalError> {
        let record = recorded.record();
        let theirs = record.proposal(Vec::new(), None, None)?.requester;
        let ours = &proposal.requester;
        let named = |ours: Option<_>, theirs: Option<_>| ours.is_none() || ours == theirs;
        let same = ours.agent() == theirs.agent()
            && named(ours.sponsor(), theirs.sponsor())
            && named(ours.owner(), theirs.owner());
        if !same {
            let message = format!(
                "the token is for the agent `{}`, and the call names another agent or other people; name those of http.toml",
                theirs.agent()
            );
            return Err(ApprovalError::new(Code::Unauthenticated, message));
        }
        proposal.requester = theirs;
        if proposal.action.environment.is_none() {
            proposal.action.environment.clone_from(&record.environment);
        }
        if self.is_named {
            proposal = recorded.reworded(proposal);
        }
        recorded.again(&proposal, self.claims.clone())
    }
}

fn fingerprints(action: &Action, key: &RedactionKey) -> Fingerprints {
    let redacted = action.params.iter().filter(|param| param.is_redacted());
    let named = redacted.map(|param| (param.name().to_owned(), param.fingerprint(key)));
    named.collect()
}

/// The body of the ask. Values travel in their one canonical form; redacted ones do not travel.
fn body(
    proposal: &Proposal,
    claims: &AgentClaims,
    redacted: &Fingerprints,
) -> Result<Vec<u8>, canonical::NonCanonical> {
    let action = &proposal.action;
    let mut arguments = Record::new();
    let mut params = Vec::with_capacity(action.params.len());
    for param in &action.params {
        let mut row = Record::new();
        row.insert("name", text(param.name()))?;
        match (param.shown(), redacted.get(param.name())) {
            (Some(value), _) => arguments.insert(param.name(), value.clone())?,
            (None, stands) => {
                let stands = stands.map(|stands| hex(stands)).unwrap_or_default();
                row.insert("redacted", Value::Text(stands))?;
            }
        }
        params.push(Value::Record(row));
    }
    let mut guard = Record::new();
    guard.insert("function", text(&action.function))?;
    guard.insert("schema", text(&action.schema.to_string()))?;
    guard.insert("params", Value::List(params))?;
    guard.insert("claims", canonical::to_value(claims)?)?;
    let open = action.not_covered.iter().map(|name| text(name)).collect();
    guard.insert("not_covered", Value::List(open))?;
    for (name, words) in [
        ("reason", &proposal.reason),
        ("resource", &action.resource),
        ("environment", &action.environment),
        ("tenant", &action.tenant),
        ("break_glass", &proposal.break_glass),
    ] {
        if let Some(words) = words {
            guard.insert(name, text(words))?;
        }
    }
    let mut body = Record::new();
    body.insert("tool", text(action.scope.as_str()))?;
    body.insert("arguments", Value::Record(arguments))?;
    body.insert("guard", Value::Record(guard))?;
    if let Some(rationale) = &proposal.rationale {
        body.insert("agent_reasoning", text(rationale))?;
    }
    Ok(Value::Record(body).to_bytes())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
