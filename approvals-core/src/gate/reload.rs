//! The policy that a gate holds, and how it gets another one while it is open.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::Gate;
use crate::commit::Work;
use crate::error::{ApprovalError, Code};
use crate::id::RequestId;
use crate::policy::Policy;

/// The policy that a gate judges by. Whether it is the one on record is looked at whenever something
/// is asked or used, so that holding another one lets nothing through.
#[derive(Debug)]
pub(super) struct Held {
    policy: RwLock<Arc<Policy>>,
    /// One change at a time, so that whoever is refused goes back to a policy that was not.
    changes: Mutex<()>,
}

impl Held {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy: RwLock::new(Arc::new(policy)),
            changes: Mutex::new(()),
        }
    }

    pub(super) fn get(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Judges by the policy that is held, and once more when this gate got another one meanwhile: a
    /// change that the gate itself takes part in ends no call.
    pub(super) async fn try_with<T, F: Future<Output = Result<T, ApprovalError>>>(
        &self,
        judge: impl Fn(Arc<Policy>) -> F,
    ) -> Result<T, ApprovalError> {
        let held = self.get();
        let digest = held.digest();
        match judge(held).await {
            Err(error) if error.code() == Code::PolicyChanged => {
                let now = self.get();
                if now.digest() == digest {
                    return Err(error);
                }
                judge(now).await
            }
            answer => answer,
        }
    }

    /// Queues a step that puts a policy on record, and holds that policy from the same moment on:
    /// what was judged by the one before is in front of it in the queue, or refused.
    fn swap<T>(&self, policy: Arc<Policy>, queue: impl FnOnce() -> T) -> (T, Arc<Policy>) {
        let mut held = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        let queued = queue();
        (queued, std::mem::replace(&mut *held, policy))
    }
}

impl Gate {
    /// Gives an open gate another policy, as opening it again would: one with a higher version, or
    /// the one that another process has put on record.
    ///
    /// What waits or is approved already is judged again when it is used, and only tightened: an
    /// approval that the new policy asks more for is worth nothing, and what it would let through by
    /// itself still waits for the people who were asked.
    ///
    /// # Errors
    /// - `PolicyInvalid` when it is older than the policy on record, or another text under the same
    ///   version, and when that one says who must approve its replacement: ask them with
    ///   [`propose_policy`](Gate::propose_policy). The gate keeps the policy that it has;
    /// - `StoreUnavailable`, `AuditUnavailable` when it cannot be recorded.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::testing::TestGate;
    /// use approvals_core::{Code, Policy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = TestGate::approving();
    /// let text = gate.gate().policy().text().to_owned();
    /// let next = |version: &str| Policy::on_record(&text.replace("version = 1", version));
    /// gate.gate().reload(next("version = 2")?).await?;
    /// assert_eq!(gate.gate().policy().version(), 2);
    ///
    /// let older = gate.gate().reload(next("version = 1 # older")?).await;
    /// assert_eq!(older.unwrap_err().code(), Code::PolicyInvalid);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reload(&self, policy: Policy) -> Result<(), ApprovalError> {
        let work = Work::Policy(policy.clone());
        self.put_into_force(policy, work).await.map(drop)
    }

    /// Records the replacement of the policy in force under an approval that is in use, and takes
    /// the new one; gives the number of the record.
    pub(crate) async fn replace_under(
        &self,
        policy: Policy,
        authority: RequestId,
    ) -> Result<u64, ApprovalError> {
        let work = Work::Replace {
            policy: policy.clone(),
            authority,
        };
        self.put_into_force(policy, work).await
    }

    async fn put_into_force(&self, policy: Policy, work: Work) -> Result<u64, ApprovalError> {
        let held = &self.0.policy;
        let _one = held.changes.lock().await;
        let queue = || self.0.journal.submit(work);
        let (ticket, before) = held.swap(Arc::new(policy), queue);
        // Without a limit: which policy is in force must be known before anybody is told.
        let refused = match ticket.await {
            Ok(answer) => match answer.refusal {
                None => return Ok(answer.seq),
                Some(refusal) => ApprovalError::new(refusal.code, refusal.message),
            },
            Err(error) => error,
        };
        held.swap(before, || ());
        Err(refused)
    }
}
