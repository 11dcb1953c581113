//! Broken glasses: each is said when it breaks, bars the next one, and is reviewed by somebody else.

use std::collections::BTreeMap;

use super::book::Open;
use super::{Replay, Scene, evidence};
use crate::id::{AgentId, RequestId};
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{Event, PostReviewed, post_counts};

/// The broken glasses that nobody has reviewed, by request.
#[derive(Debug, Default)]
pub(super) struct Glasses(BTreeMap<RequestId, AgentId>);

impl Glasses {
    /// The one of this agent, if there is one.
    pub(super) fn of(&self, agent: &AgentId) -> Option<RequestId> {
        let mut of_agent = self.0.iter().filter(|(_, by)| *by == agent);
        of_agent.next().map(|(request, _)| *request)
    }

    /// Takes in what happened.
    pub(super) fn note(&mut self, open: &Open, event: &Event) {
        let (request, agent) = (open.state.id(), &open.state.action().agent);
        match event {
            Event::BreakGlassUsed => {
                self.0.insert(request, agent.clone());
            }
            Event::PostReviewed(_) => {
                self.0.remove(&request);
            }
            _ => {}
        }
    }

    pub(super) fn into_open(self) -> Vec<RequestId> {
        self.0.into_keys().collect()
    }
}

impl Replay {
    /// Whether the review after the use closes what was open.
    pub(super) fn post_reviewed(
        &mut self,
        open: &Open,
        review: &PostReviewed,
        scene: &mut Scene<'_>,
    ) -> bool {
        open.asked
            .reason(Some(&review.reason), &mut self.missing, scene);
        let counts = post_counts(&open.state, review).map_err(|(_, message)| {
            let message = format!(
                "the review of `{}` does not count: {message}",
                review.person
            );
            (Rule::BreakGlass, message)
        });
        let linked = self.links.check(&review.identity, &review.person);
        let signed = evidence::check_post(&open.state, review, scene.at, self.channels_trusted);
        let verdicts = [
            counts,
            linked.map_err(|message| (Rule::Identity, message)),
            signed,
        ];
        let mut sound = true;
        for (rule, message) in verdicts.into_iter().filter_map(Result::err) {
            scene.find(rule, message);
            sound = false;
        }
        sound
    }
}
