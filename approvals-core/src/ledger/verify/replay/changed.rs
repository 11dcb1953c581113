//! Asking again whether a policy was replaced with the word of those whom it named for that.

use std::sync::Arc;

use super::policies::Policies;
use crate::digest::PolicyDigest;
use crate::id::BootId;
use crate::ledger::verify::findings::{Findings, Place};
use crate::ledger::verify::rule::Rule;
use crate::ledger::{Entry, LogEvent, PolicyChange};
use crate::lifecycle::{ReplaceFacts, RequestState, replaced_under};
use crate::policy::{Policy, PolicyName};

/// A record that says who approved the policy that follows, until that policy is read.
#[derive(Debug)]
pub(super) struct Changing {
    change: PolicyChange,
    /// The authority, as it stood at this record.
    state: Option<Arc<RequestState>>,
    boot: BootId,
    place: Place,
}

impl Policies {
    /// Takes note of who is said to have approved the policy that follows.
    pub(super) fn changed(
        &mut self,
        change: &PolicyChange,
        state: Option<Arc<RequestState>>,
        boot: BootId,
        place: Place,
    ) {
        self.changing = Some(Changing {
            change: change.clone(),
            state,
            boot,
            place,
        });
    }

    /// Finds when what follows is not the policy that was announced.
    pub(super) fn go_on_from_change(&mut self, entry: &Entry, findings: &mut Findings) {
        let Some(changing) = &self.changing else {
            return;
        };
        let new = changing.change.new;
        let follows = match entry {
            Entry::Log(
                LogEvent::PolicyPart {
                    version, digest, ..
                }
                | LogEvent::PolicyLoaded {
                    version, digest, ..
                },
            ) => PolicyName::new(*version, *digest) == new,
            _ => false,
        };
        if !follows {
            self.finish(findings);
        }
    }

    /// Finds when the policy that was announced never came into force.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        if let Some(changing) = self.changing.take() {
            let message = format!(
                "the policy of {} must come into force here, and does not",
                changing.change.new
            );
            findings.add(Rule::PolicyChange, changing.place, message);
        }
    }
}

/// Whether a policy may have taken the place of the last one, by what that one said of it.
pub(super) fn judge(
    last: Option<(u64, PolicyDigest)>,
    old: Option<Policy>,
    changing: Option<Changing>,
    new: &Policy,
) -> Result<(), String> {
    let Some(changing) = changing else {
        return match old.as_ref().and_then(Policy::change) {
            None => Ok(()),
            Some(keepers) => Err(format!(
                "{} came into force, and nobody approved that: the policy before it asks for {keepers}",
                new.name()
            )),
        };
    };
    let change = changing.change;
    let last = last.map(|(version, digest)| PolicyName::new(version, digest));
    if last != Some(change.old) {
        return Err(format!(
            "it replaces {}, which was not in force",
            change.old
        ));
    }
    let Some(old) = old else {
        // That the one before cannot be judged by is a finding of its own.
        return Ok(());
    };
    let wish = ReplaceFacts::new(
        (old, new.clone()),
        changing.state,
        changing.boot,
        change.opened,
    );
    let authority = replaced_under(&wish).map_err(|refusal| refusal.message)?;
    if change.digest != authority.digest() {
        return Err("it names another action than the one that was approved".to_owned());
    }
    Ok(())
}
