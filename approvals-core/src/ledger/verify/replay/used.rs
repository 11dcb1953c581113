//! Using an approval again, under the policy in force at that time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::Open;
use super::{Replay, Scene};
use crate::error::Code;
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{Consumed, Consumption, Event, Reviewed, given_enough, usable};
use crate::policy::Policy;
use crate::principal::Standing;

impl Replay {
    /// Finds why the approval could not be used then.
    pub(super) fn used(&mut self, open: &mut Open, consumed: &Consumed, scene: &mut Scene<'_>) {
        let Some(policy) = self.policies.in_force() else {
            let message = "it was used while no policy was in force that could be judged by";
            return scene.find(Rule::PolicyAtUse, message);
        };
        let Some(proposal) = &open.asked.proposal else {
            // Found when it was asked: nobody stands behind it.
            return;
        };
        let mut wish = Consumption::new(
            scene.request,
            consumed.digest,
            consumed.by,
            policy.clone(),
            Arc::clone(proposal),
        );
        // What the directory and engines said then is not on record; they could only refuse.
        let engines = open.state.policy().engines.iter();
        wish.engines = engines.map(|judged| judged.name.clone()).collect();
        wish.standings = standings(open.state.reviews());
        if open.state.action().break_glass.is_some() {
            wish.unreviewed = self.glasses.of(&open.state.action().agent);
            open.expected = Some(Event::BreakGlassUsed);
        }
        let verdict = usable(&open.state, &wish, scene.at)
            .map_err(|(code, message)| (rule_of(code), message))
            .and_then(|votes| self.allowed(open, policy, &votes, scene));
        match verdict {
            Ok(false) => {}
            Ok(true) => self.counts.undisclosed += 1,
            Err((rule, message)) => {
                let message = format!("its approval could not be used: {message}");
                scene.find(rule, message);
            }
        }
    }

    /// Whether the policy let it be used then; inside, whether that rests on undisclosed values.
    fn allowed(
        &self,
        open: &Open,
        policy: &Policy,
        votes: &[Reviewed],
        scene: &Scene<'_>,
    ) -> Result<bool, (Rule, String)> {
        let Some(proposal) = &open.asked.proposal else {
            return Ok(false);
        };
        let then = open.state.policy();
        let undisclosed = &open.asked.undisclosed;
        let recalled = policy.recall(proposal, scene.at, undisclosed, &then.rules);
        if recalled.rests && policy.digest() != then.digest {
            // No record says which rules of the new policy held.
            return Ok(true);
        }
        let mut refusal = None;
        for answer in &recalled.answers {
            match given_enough(&open.state, answer, votes) {
                Ok(()) => return Ok(false),
                Err((_, message)) => refusal = Some(message),
            }
        }
        Err((Rule::PolicyAtUse, refusal.unwrap_or_default()))
    }
}

/// Everybody in the groups of their vote: what the directory said at that time.
fn standings(reviews: &[Reviewed]) -> BTreeMap<crate::id::PersonId, Standing> {
    let standing = |vote: &Reviewed| {
        let groups = vote.groups.iter().cloned();
        (
            vote.person.clone(),
            Standing::active(vote.person.clone(), groups),
        )
    };
    reviews.iter().map(standing).collect()
}

fn rule_of(code: Code) -> Rule {
    match code {
        Code::AlreadyConsumed => Rule::SingleUse,
        Code::Expired => Rule::Late,
        Code::ActionMismatch => Rule::Digest,
        Code::Pending | Code::NotEligible => Rule::Quorum,
        Code::PolicyChanged => Rule::PolicyAtUse,
        Code::PolicyDenied => Rule::BreakGlass,
        _ => Rule::Lifecycle,
    }
}
