//! An action on record, for whoever judges it again.

use std::collections::BTreeMap;

use super::condition::Undisclosed;
use crate::action::BoundParam;
use crate::canonical::Value;
use crate::digest::Commitment;
use crate::error::ApprovalError;
use crate::proposal::Proposal;
use crate::sealed::{ActionRecord, Disclosure};

/// What was asked, as far as its values are still disclosed: nothing in it is guessed.
///
/// Values that were redacted are as unknown as they were to the policy that was asked; values that
/// are no longer on record are named.
#[derive(Debug, Clone)]
pub struct Recorded {
    proposal: Proposal,
    undisclosed: Undisclosed,
}

impl Recorded {
    /// The action of a record, with what opens its commitments; a text that opens none is ignored.
    ///
    /// # Errors
    /// `Unauthenticated` when nobody stands behind the action on record, which no gate records.
    pub fn of(action: &ActionRecord, disclosures: &[Disclosure]) -> Result<Self, ApprovalError> {
        let values: BTreeMap<Commitment, Value> = disclosures
            .iter()
            .filter_map(|kept| {
                // What a store says a text opens is not trusted.
                let real = Disclosure::from_text(kept.text.clone());
                Some((real.commitment.clone(), real.open()?.2))
            })
            .collect();
        let mut undisclosed = Undisclosed::default();
        let mut params = Vec::with_capacity(action.params.len());
        for param in &action.params {
            match values.get(&param.sd) {
                _ if param.redacted => params.push(BoundParam::redacted(&param.name, Value::Null)),
                Some(value) => params.push(BoundParam::new(&param.name, value.clone())),
                None => {
                    undisclosed.params.insert(param.name.clone());
                }
            }
        }
        let word = |commitment: &Option<Commitment>| {
            let value = values.get(commitment.as_ref()?)?.as_text();
            value.map(str::to_owned)
        };
        let resource = word(&action.resource);
        undisclosed.resource = action.resource.is_some() && resource.is_none();
        // That the glass is broken is on record, whether or not its words are there.
        let reason = word(&action.break_glass);
        undisclosed.break_glass = action.break_glass.is_some() && reason.is_none();
        let hidden = || "not disclosed".to_owned();
        let broken = action.break_glass.as_ref();
        let broken = broken.map(|_| reason.unwrap_or_else(hidden));
        Ok(Self {
            proposal: action.proposal(params, resource, broken)?,
            undisclosed,
        })
    }

    /// What was asked; what is not disclosed is not in it.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The values that were bound and are not here, as conditions name them.
    #[must_use]
    pub fn undisclosed(&self) -> Vec<String> {
        let args = self
            .undisclosed
            .params
            .iter()
            .map(|name| format!("args.{name}"));
        let words = [
            (self.undisclosed.resource, "resource"),
            (self.undisclosed.break_glass, "break_glass"),
        ];
        let words = words.into_iter().filter(|(hidden, _)| *hidden);
        args.chain(words.map(|(_, name)| name.to_owned())).collect()
    }

    pub(super) fn hidden(&self) -> &Undisclosed {
        &self.undisclosed
    }
}
