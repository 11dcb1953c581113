//! Whether a policy may take the place of the one in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::authority::{Wanted, no};
use super::command::Refusal;
use super::event::Reviewed;
use super::state::RequestState;
use super::tally::distinct_enough;
use crate::canonical::Value;
use crate::id::BootId;
use crate::policy::{POLICY_CHANGE, Policy, apply};
use crate::sealed::{Disclosure, param_name};

/// What the action says of the policy in force, of its replacement, and of what differs.
pub(crate) const OLD: &str = "old";
/// See [`OLD`].
pub(crate) const NEW: &str = "new";
/// See [`OLD`].
pub(crate) const DIFF: &str = "diff";

/// The wish to replace the policy in force, and the run of the action that was approved for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReplaceFacts {
    /// The policy in force: it says who must have approved.
    pub old: Policy,
    /// What is to take its place.
    pub new: Policy,
    /// The request that approves it, as it stands now; none when there is no such request.
    pub authority: Option<Arc<RequestState>>,
    /// The process that carries it out.
    pub boot: BootId,
    /// Opens the parameters of the authority.
    pub opened: Vec<String>,
}

impl ReplaceFacts {
    /// The wish of a process to replace one policy by another, under an authority.
    #[must_use]
    pub fn new(
        (old, new): (Policy, Policy),
        authority: Option<Arc<RequestState>>,
        boot: BootId,
        opened: Vec<String>,
    ) -> Self {
        Self {
            old,
            new,
            authority,
            boot,
            opened,
        }
    }
}

/// The authority, if it is a run that the people whom the policy in force names approved for
/// exactly this replacement, having seen exactly what it changes.
///
/// # Errors
/// `NotEligible` as a [`Refusal`], with what is missing.
pub(crate) fn replaced_under(wish: &ReplaceFacts) -> Result<&RequestState, Refusal> {
    let authority = WANTED.in_use(wish.authority.as_deref(), wish.boot)?;
    by_its_keepers(wish, authority)?;
    as_shown(wish, authority)?;
    Ok(authority)
}

const WANTED: Wanted = Wanted {
    scope: POLICY_CHANGE,
    missing: "there is no request that approves it; ask with `approvals policy propose`",
    unused: "its approval is not in use, so no policy may be replaced under it",
};

/// Rules can have asked more people than the policy names for this; never fewer.
fn by_its_keepers(wish: &ReplaceFacts, authority: &RequestState) -> Result<(), Refusal> {
    if authority.policy().name() != wish.old.name() {
        return no("it was asked under another policy than the one in force; ask again");
    }
    let Some(keepers) = wish.old.change() else {
        return no("the policy in force names nobody who must approve its replacement");
    };
    let asking = authority.requesters();
    let others = |review: &&Reviewed| !asking.contains(&review.person);
    let votes = authority.reviews().iter().filter(others).cloned();
    let votes: Vec<Reviewed> = votes.collect();
    match distinct_enough(keepers, authority.waited(), &votes) {
        Some(_) => Ok(()),
        None => no(
            "not everybody has approved whom the policy in force names for its replacement, or somebody of them asks for it",
        ),
    }
}

/// Whether what people saw is this replacement, and all of it.
fn as_shown(wish: &ReplaceFacts, authority: &RequestState) -> Result<(), Refusal> {
    let shown = shown(wish, authority);
    let is = |name: &str, want: String| shown.get(name) == Some(&want);
    if !is(OLD, wish.old.name().to_string()) || !is(NEW, wish.new.name().to_string()) {
        return no("what was approved is another replacement than this one");
    }
    let whole = shown
        .get(DIFF)
        .and_then(|diff| apply(wish.old.text(), diff));
    if whole.as_deref() != Some(wish.new.text()) {
        return no("what people were shown is not what changes");
    }
    Ok(())
}

/// The parameters of the authority by their names, as far as they are opened.
fn shown(wish: &ReplaceFacts, authority: &RequestState) -> BTreeMap<&'static str, String> {
    let opened = wish
        .opened
        .iter()
        .map(|text| Disclosure::from_text(text.clone()));
    let opened: Vec<Disclosure> = opened.collect();
    let value = |name: &'static str| {
        let mut params = authority.action().params.iter();
        let param = params.find(|param| param.name == name && !param.redacted)?;
        let found = opened.iter().find(|one| one.commitment == param.sd)?;
        match found.open()? {
            (_, own, Value::Text(text)) if own == param_name(name) => Some((name, text)),
            _ => None,
        }
    };
    [OLD, NEW, DIFF].into_iter().filter_map(value).collect()
}
