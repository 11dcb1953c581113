//! What was asked, as far as its values are disclosed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Scene;
use crate::action::BoundParam;
use crate::canonical::Value;
use crate::digest::Commitment;
use crate::envelope::{Envelope, Vault};
use crate::id::RequestId;
use crate::ledger::verify::findings::{Findings, Place};
use crate::ledger::verify::rule::Rule;
use crate::policy::Undisclosed;
use crate::proposal::Proposal;
use crate::review::REASON;
use crate::sealed::{ActionRecord, Disclosure};

/// What is kept of the values that one request binds. Nothing it says is trusted: a text opens a
/// commitment or it does not.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Kept {
    /// Those that are open.
    pub open: Vec<Disclosure>,
    /// Those that are there, and that whoever verifies has no key to.
    pub closed: Vec<Commitment>,
    /// Those that do not open, although the key is there.
    pub damaged: Vec<Commitment>,
}

impl Kept {
    /// What an envelope keeps, for whoever has no key to it.
    #[must_use]
    pub fn closed(envelope: &Envelope) -> Self {
        let sealed = envelope.disclosures.iter();
        Self {
            closed: sealed.map(|sealed| sealed.commitment.clone()).collect(),
            ..Self::default()
        }
    }

    /// How many values are kept, whether or not they open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len() + self.closed.len() + self.damaged.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What an envelope keeps, opened; closed when it is sealed under another key.
    #[must_use]
    pub fn opened(envelope: &Envelope, request: RequestId, vault: &Vault) -> Self {
        let Ok(open) = vault.open(request, envelope) else {
            return Self::closed(envelope);
        };
        let sealed = envelope.disclosures.iter().map(|sealed| &sealed.commitment);
        let opens =
            |commitment: &&Commitment| open.iter().any(|one| one.commitment == **commitment);
        Self {
            damaged: sealed.filter(|one| !opens(one)).cloned().collect(),
            open,
            closed: Vec::new(),
        }
    }
}

/// Where what is kept of the values behind commitments comes from.
pub trait Disclosures {
    /// What is kept of the values that this request binds; none when no values are kept at all, as
    /// in a log that was exported without them.
    fn of(&mut self, request: RequestId) -> Option<Kept>;
}

/// No values: what policy said of them is believed as far as the record says it, and counted.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it")]
pub struct NoDisclosures;

impl Disclosures for NoDisclosures {
    fn of(&mut self, _: RequestId) -> Option<Kept> {
        None
    }
}

/// A request as policy saw it.
#[derive(Debug)]
pub(super) struct Asked {
    /// None when nobody stands behind the action on record.
    pub(super) proposal: Option<Arc<Proposal>>,
    pub(super) undisclosed: Undisclosed,
    /// The reasons of decisions that are there; none when there are no disclosures at all.
    reasons: Option<Vec<Commitment>>,
}

/// Commitments whose value is not there. A record may still say that they were erased.
#[derive(Debug, Default)]
pub(in crate::ledger::verify) struct Missing(HashMap<Commitment, (u64, RequestId)>);

impl Missing {
    fn add(&mut self, commitment: &Commitment, scene: &Scene<'_>) {
        let place = (scene.here.seq, scene.request);
        self.0.insert(commitment.clone(), place);
    }

    /// What is on record as erased need not be there; of another request it must.
    pub(super) fn erased(&mut self, commitments: &[Commitment], request: RequestId) {
        for commitment in commitments {
            if self.0.get(commitment).is_some_and(|(_, of)| *of == request) {
                self.0.remove(commitment);
            }
        }
    }

    /// Finds every value that is not there for no reason on record.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        let mut places: BTreeMap<(u64, RequestId), usize> = BTreeMap::new();
        for place in std::mem::take(&mut self.0).into_values() {
            *places.entry(place).or_default() += 1;
        }
        for ((seq, request), count) in places {
            let message = format!(
                "{count} of the values that this record binds are not there, and no record says that they were erased"
            );
            let place = Place::record(seq).of(Some(request));
            findings.add(Rule::Missing, place, message);
        }
    }
}

/// The values of one request that are there, by what binds them; none inside for one that is closed.
struct Values(Option<HashMap<Commitment, Option<(String, Value)>>>);

impl Values {
    fn read(kept: Option<Kept>, scene: &mut Scene<'_>) -> Self {
        let Some(kept) = kept else {
            return Self(None);
        };
        let mut values = HashMap::with_capacity(kept.open.len() + kept.closed.len());
        let mut damaged = kept.damaged;
        for open in kept.open {
            let commitment = open.commitment.clone();
            let real = Disclosure::from_text(open.text);
            match real.open().filter(|_| real.commitment == commitment) {
                Some((_, name, value)) => {
                    values.insert(commitment, Some((name, value)));
                }
                None => damaged.push(commitment),
            }
        }
        for commitment in &damaged {
            let message = format!("what is kept for `{commitment}` does not open it");
            scene.find(Rule::False, message);
        }
        let closed = kept.closed.into_iter().chain(damaged);
        values.extend(closed.map(|commitment| (commitment, None)));
        Self(Some(values))
    }

    /// The value that a commitment binds under this name, when it is there.
    fn take(
        &mut self,
        name: &str,
        commitment: &Commitment,
        missing: &mut Missing,
        scene: &mut Scene<'_>,
    ) -> Option<Value> {
        match self.0.as_mut()?.remove(commitment) {
            Some(Some((kept, value))) if kept == name => Some(value),
            Some(Some((kept, _))) => {
                let kept = crate::canonical::clip(&kept);
                let message = format!("the value of `{name}` was bound as `{kept}`");
                scene.find(Rule::False, message);
                None
            }
            Some(None) => None,
            None => {
                missing.add(commitment, scene);
                None
            }
        }
    }
}

impl Asked {
    pub(super) fn read(
        action: &ActionRecord,
        kept: Option<Kept>,
        missing: &mut Missing,
        scene: &mut Scene<'_>,
    ) -> Self {
        let mut values = Values::read(kept, scene);
        let mut undisclosed = Undisclosed::default();
        let mut params = Vec::with_capacity(action.params.len());
        for param in &action.params {
            if param.redacted {
                // Policy sees that it is there, and nothing else.
                params.push(BoundParam::redacted(&param.name, Value::Null));
                continue;
            }
            let name = format!("args.{}", param.name);
            match values.take(&name, &param.sd, missing, scene) {
                Some(value) => params.push(BoundParam::new(&param.name, value)),
                None => {
                    undisclosed.params.insert(param.name.clone());
                }
            }
        }
        let mut word = |name: &str, commitment: &Option<Commitment>| {
            let value = values.take(name, commitment.as_ref()?, missing, scene)?;
            value.as_text().map(str::to_owned)
        };
        let resource = word("resource", &action.resource);
        undisclosed.resource = action.resource.is_some() && resource.is_none();
        // Policy looks at neither of these, but they must be there.
        word("reason", &action.reason);
        word("rationale", &action.rationale);
        let break_glass = word("break_glass", &action.break_glass);
        undisclosed.break_glass = action.break_glass.is_some() && break_glass.is_none();
        // That the glass is broken is on record, whether or not its words are there.
        let hidden = || "not disclosed".to_owned();
        let words = action.break_glass.as_ref();
        let break_glass = words.map(|_| break_glass.unwrap_or_else(hidden));
        Self {
            proposal: action
                .proposal(params, resource, break_glass)
                .ok()
                .map(Arc::new),
            undisclosed,
            reasons: values.0.map(|rest| {
                let reason = |(commitment, value): (_, Option<(String, Value)>)| {
                    value
                        .is_none_or(|(name, _)| name == REASON)
                        .then_some(commitment)
                };
                rest.into_iter().filter_map(reason).collect()
            }),
        }
    }

    /// Notes the reason of a decision when it is not there.
    pub(super) fn reason(
        &self,
        reason: Option<&Commitment>,
        missing: &mut Missing,
        scene: &Scene<'_>,
    ) {
        if let (Some(reasons), Some(reason)) = (&self.reasons, reason)
            && !reasons.contains(reason)
        {
            missing.add(reason, scene);
        }
    }
}
