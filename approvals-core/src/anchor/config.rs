//! What is anchored where, and what depends on it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{ApprovalError, Code};
use crate::ledger::{WitnessKey, WitnessPolicy};
use crate::ports::Witness;

/// Whether anything waits for witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "something waits or nothing does")]
pub enum AnchorMode {
    /// Nothing does: what is not anchored in time makes [`Gate::anchoring`](crate::Gate::anchoring) say so.
    Async,
    /// Nothing runs before a quorum has cosigned a head that covers the use of its approval.
    Quorum,
}

/// Which witnesses are asked, whose word is enough, and what waits for it.
///
/// # Examples
/// A witness is an HTTP client; this one stands for it.
/// ```
/// use std::sync::Arc;
/// use approvals_core::anchor::Anchoring;
/// use approvals_core::ledger::{WitnessKey, WitnessPolicy};
/// use approvals_core::ports::{Witness, WitnessError, WitnessReply};
///
/// #[derive(Debug)]
/// struct Away(WitnessKey);
///
/// impl Witness for Away {
///     fn key(&self) -> &WitnessKey { &self.0 }
///     fn add_checkpoint(&self, _: &str) -> Result<WitnessReply, WitnessError> {
///         Err(WitnessError("it is away".to_owned()))
///     }
/// }
///
/// let key = WitnessKey::ed25519("witness.example/w1".parse()?, [7; 32]);
/// let policy = WitnessPolicy::parse(format!("witness w1 {key}\nquorum w1\n"))?;
/// let anchoring = Anchoring::new(policy.clone(), [Arc::new(Away(key)) as Arc<dyn Witness>])?.quorum();
/// assert!(Anchoring::new(policy, []).is_err(), "nobody could ever form the quorum");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to `Gate::builder().anchoring(..)`"]
pub struct Anchoring {
    pub(super) policy: WitnessPolicy,
    pub(super) witnesses: Vec<Arc<dyn Witness>>,
    pub(super) mode: AnchorMode,
    pub(super) patience: Duration,
    pub(super) pace: Duration,
    pub(super) most: u64,
    pub(super) age: Duration,
}

impl Anchoring {
    /// Asks these witnesses, each second that there is something new, and lets nothing wait for them.
    ///
    /// # Errors
    /// `Misuse` when the policy asks for nobody, when a witness is not of the policy or is given twice, and when
    /// all of them together are no quorum.
    pub fn new(
        policy: WitnessPolicy,
        witnesses: impl IntoIterator<Item = Arc<dyn Witness>>,
    ) -> Result<Self, ApprovalError> {
        let misuse = |message: String| Err(ApprovalError::new(Code::Misuse, message));
        let witnesses: Vec<_> = witnesses.into_iter().collect();
        let keys: Vec<&WitnessKey> = witnesses.iter().map(|witness| witness.key()).collect();
        for (at, key) in keys.iter().enumerate() {
            if !policy.witnesses().any(|(known, _)| known == *key) {
                let name = key.name();
                return misuse(format!(
                    "the witness `{name}` is not in the witness policy; add a `witness` line for its key"
                ));
            }
            if keys.iter().take(at).any(|other| other == key) {
                return misuse(format!(
                    "the witness `{}` is given twice; give it once",
                    key.name()
                ));
            }
        }
        if policy.needs_nobody() {
            return misuse("the witness policy says `quorum none`, and so asks for no cosignature; name a quorum, or do not anchor".to_owned());
        }
        if !policy.can_be_met_by(&keys) {
            return misuse("the witnesses together are no quorum of the witness policy; give an address to every witness that the quorum takes".to_owned());
        }
        Ok(Self {
            policy,
            witnesses,
            mode: AnchorMode::Async,
            patience: Duration::from_secs(2),
            pace: Duration::from_secs(1),
            most: 1_000,
            age: Duration::from_secs(600),
        })
    }

    /// Nothing runs before a quorum has cosigned a head that covers the use of its approval.
    ///
    /// Whoever waits longer than [`patience`](Self::patience) gets `AuditUnavailable`, the approval is used up, and
    /// the body does not run.
    pub fn quorum(mut self) -> Self {
        self.mode = AnchorMode::Quorum;
        self
    }

    /// How long a use waits for a quorum; 2 s unless set. One round of asking takes half of it at most.
    pub fn patience(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    /// How long there is between two rounds while nothing waits; 1 s unless set.
    pub fn pace(mut self, at_least: Duration) -> Self {
        self.pace = at_least;
        self
    }

    /// How much may be unanchored before the gate counts as not ready: records, and the age of the oldest; 1,000 and
    /// 10 minutes unless set.
    pub fn max_unanchored(mut self, records: u64, age: Duration) -> Self {
        (self.most, self.age) = (records, age);
        self
    }
}
