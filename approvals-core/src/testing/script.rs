//! What the people of a test do, scope by scope.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::test_gate::{Asked, TestGate};
use crate::card::Card;
use crate::gate::Gate;
use crate::id::PersonId;
use crate::ports::{Delivery, Notice, Notifier, NotifyError};
use crate::principal::{Assurance, IdentityKey};
use crate::request::Status;
use crate::review::{Evidence, Review, VerifiedApprover, Vote};
use crate::scope::ScopePattern;

/// What the people of a test do; the first rule whose pattern fits decides.
///
/// Scopes that no rule names are left unanswered, so that a forgotten rule ends in `Expired` and
/// not in an approval.
#[derive(Debug, Clone, Default)]
#[must_use = "a script does nothing until `start`"]
pub struct Script {
    rules: Vec<(String, Act)>,
    pub(super) needs: u8,
    pub(super) policy: Option<String>,
    pub(super) full_binding: bool,
}

#[derive(Debug, Clone)]
enum Act {
    Approve,
    Deny(String),
    Stall,
    ApproveAfter(Duration),
}

impl Script {
    /// People approve what fits the pattern, as many as it takes.
    pub fn approve(self, pattern: &str) -> Self {
        self.rule(pattern, Act::Approve)
    }

    /// One person denies what fits the pattern, for this reason.
    pub fn deny(self, pattern: &str, reason: &str) -> Self {
        self.rule(pattern, Act::Deny(reason.to_owned()))
    }

    /// Nobody answers what fits the pattern.
    pub fn stall(self, pattern: &str) -> Self {
        self.rule(pattern, Act::Stall)
    }

    /// People approve what fits the pattern after this long, on tokio's clock.
    pub fn approve_after(self, pattern: &str, delay: Duration) -> Self {
        self.rule(pattern, Act::ApproveAfter(delay))
    }

    /// Every action takes this many people; 1 unless set.
    pub fn require(mut self, people: u8) -> Self {
        self.needs = people;
        self
    }

    /// Judges by this policy instead of the test policy. Its group for people is `testers`.
    pub fn policy(mut self, toml: &str) -> Self {
        self.policy = Some(toml.to_owned());
        self
    }

    /// Refuses calls with a parameter that the approval would not cover.
    pub fn full_binding(mut self) -> Self {
        self.full_binding = true;
        self
    }

    /// Starts the gate.
    ///
    /// # Panics
    /// When a pattern or the policy is not valid; the message says how to mend it.
    #[expect(
        clippy::panic,
        clippy::unused_async,
        reason = "a test set up wrongly must stop at once"
    )]
    pub async fn start(self) -> TestGate {
        match TestGate::open(self) {
            Ok(gate) => gate,
            Err(error) => panic!("the test gate cannot start: {error}"),
        }
    }

    fn rule(mut self, pattern: &str, act: Act) -> Self {
        self.rules.push((pattern.to_owned(), act));
        self
    }

    pub(super) fn check(&self) -> Result<(), crate::scope::InvalidScope> {
        self.rules
            .iter()
            .try_for_each(|(pattern, _)| pattern.parse::<ScopePattern>().map(|_| ()))
    }

    fn act(&self, card: &Card) -> Option<&Act> {
        let fits = |pattern: &str| {
            pattern
                .parse::<ScopePattern>()
                .is_ok_and(|pattern| pattern.matches(&card.action.scope))
        };
        self.rules
            .iter()
            .find(|(pattern, _)| fits(pattern))
            .map(|(_, act)| act)
    }
}

/// The scripted people, as a channel: they see exactly what people would see.
#[derive(Debug)]
pub(super) struct People {
    pub(super) script: Script,
    pub(super) gate: Arc<OnceLock<Gate>>,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
}

#[async_trait]
impl Notifier for People {
    fn name(&self) -> &str {
        "test"
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let card = &notice.card;
        let first = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let first = asked.iter().all(|have| have.request != card.request);
            if first {
                asked.push(Asked::of(card));
            }
            first
        };
        if first && card.status == Status::Pending {
            self.answer(card).await?;
        }
        Ok(vec![Delivery::to("the test")])
    }
}

impl People {
    async fn answer(&self, card: &Card) -> Result<(), NotifyError> {
        let Some(gate) = self.gate.get() else {
            return Ok(());
        };
        let needs = self.script.needs.max(1);
        match self.script.act(card) {
            None | Some(Act::Stall) => Ok(()),
            Some(Act::Approve) => vote(gate, card, Vote::Approve, None, needs).await,
            Some(Act::Deny(reason)) => vote(gate, card, Vote::Deny, Some(reason), 1).await,
            Some(Act::ApproveAfter(delay)) => {
                let (gate, card, delay) = (gate.clone(), card.clone(), *delay);
                // Whoever takes an hour must not keep the channel busy for an hour.
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a test's people act beside the test"
                )]
                let late = tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    vote(&gate, &card, Vote::Approve, None, needs).await
                });
                drop(late);
                Ok(())
            }
        }
    }
}

async fn vote(
    gate: &Gate,
    card: &Card,
    vote: Vote,
    reason: Option<&str>,
    people: u8,
) -> Result<(), NotifyError> {
    for number in 1..=people {
        let review = review_by(&tester(number), card, vote, reason)
            .map_err(|error| NotifyError(error.to_string()))?;
        gate.review(review)
            .await
            .map_err(|error| NotifyError(error.to_string()))?;
    }
    Ok(())
}

/// The `number`th person of the test's approvers.
pub(super) fn tester(number: u8) -> String {
    format!("u_tester_{number}")
}

/// A review by a person of [`Everybody`](super::Everybody), as if a channel had verified it.
pub(super) fn review_by(
    person: &str,
    card: &Card,
    vote: Vote,
    reason: Option<&str>,
) -> Result<Review, crate::ApprovalError> {
    let refuse = |error: &dyn std::fmt::Display| {
        crate::ApprovalError::new(crate::Code::Misuse, error.to_string())
    };
    person.parse::<PersonId>().map_err(|error| refuse(&error))?;
    let identity = IdentityKey::new("test", "", person).map_err(|error| refuse(&error))?;
    let approver = VerifiedApprover::assertion(identity, Assurance::A3, Evidence::new("test"));
    let review = Review::new(approver, card.request, card.digest, card.policy, vote);
    match reason {
        Some(reason) => review.because(reason),
        None => Ok(review),
    }
}
