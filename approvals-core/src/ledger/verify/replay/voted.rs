//! Counting a vote again.

use super::book::Open;
use super::evidence::{self, Rests};
use super::{Replay, Scene};
use crate::error::Code;
use crate::ledger::verify::rule::Rule;
use crate::lifecycle::{Reviewed, count};

impl Replay {
    /// Whether the vote counts; then what follows from it is expected next.
    pub(super) fn voted(
        &mut self,
        open: &mut Open,
        vote: &Reviewed,
        scene: &mut Scene<'_>,
    ) -> bool {
        let counted = count(&open.state, vote, scene.at);
        let rests = self.evidence(open, vote, scene);
        let linked = self.links.check(&vote.identity, &vote.person);
        open.asked
            .reason(vote.reason.as_ref(), &mut self.missing, scene);
        let mut sound = true;
        let mut refuse = |rule, message| {
            sound = false;
            scene.find(rule, message);
        };
        let follows = match counted {
            Ok(events) => events.into_iter().nth(1),
            Err((code, message)) => {
                let message = format!("the vote of `{}` does not count: {message}", vote.person);
                refuse(rule_of(code), message);
                None
            }
        };
        if let Err(message) = linked {
            refuse(Rule::Identity, message);
        }
        match rests {
            Err((rule, message)) => refuse(rule, message),
            Ok(Rests::Signature) if sound => self.counts.reviews.signed += 1,
            Ok(Rests::Channel) if sound => self.counts.reviews.asserted += 1,
            Ok(_) => {}
        }
        if sound {
            open.expected = follows;
        }
        sound
    }

    /// What the vote rests on, when that is enough for what the record says of it.
    fn evidence(
        &self,
        open: &Open,
        vote: &Reviewed,
        scene: &Scene<'_>,
    ) -> Result<Rests, (Rule, String)> {
        let rests = evidence::check(&open.state, vote, scene.at)?;
        let most = evidence::at_most(&vote.evidence);
        if rests == Rests::Channel && vote.assurance > most && !self.channels_trusted {
            let method = crate::canonical::clip(&vote.evidence.method);
            let message = format!(
                "the vote is recorded as proven at {}, and evidence by `{method}` shows no more than {most}",
                vote.assurance
            );
            return Err((Rule::Assurance, message));
        }
        Ok(rests)
    }
}

fn rule_of(code: Code) -> Rule {
    match code {
        Code::Expired => Rule::Late,
        Code::ActionMismatch => Rule::Digest,
        Code::SelfApproval => Rule::SelfApproval,
        Code::NotEligible => Rule::Eligibility,
        Code::AssuranceTooLow => Rule::Assurance,
        Code::DuplicateVote => Rule::Duplicate,
        _ => Rule::Lifecycle,
    }
}
