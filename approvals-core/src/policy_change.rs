//! Replacing the policy in force, under the approval of those whom it names for that.
//!
//! A guarded action like any other, of the library's own scope `approvals.policy.change`: people see
//! which policy is to take the place of which, and what differs between the two texts, whole. The
//! policy in force says who they are, and no rule can ask fewer. What they approved is recorded
//! together with the new policy, so that an auditor judges it by the old one.

use crate::error::{ApprovalError, Code};
use crate::gate::Gate;
use crate::guard::{Approved, approve};
use crate::id::RequestId;
use crate::policy::{Policy, PolicyName, diff};
use crate::principal::Agent;

/// What people approve: the policy in force, the one in its place, and what differs.
#[derive(approvals_macros::Action)]
#[action(
    scope = "approvals.policy.change",
    reason = "replace the policy in force ({old}) by {new}; `diff` has every line that changes"
)]
struct Replace {
    old: String,
    new: String,
    diff: String,
}

/// A policy that was put in the place of another, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// The policy that was in force.
    pub old: PolicyName,
    /// The policy in force now.
    pub new: PolicyName,
    /// The request that people approved for it.
    pub authority: RequestId,
    /// The number of the record `policy.changed`; its receipt is proof of it.
    pub record: u64,
}

impl Gate {
    /// Replaces the policy in force by another one, when the people approve whom the policy in force
    /// names for that with `change`: never those who stand behind the asking agent. The gate judges
    /// by the new policy from then on; other processes are refused until they have it, too.
    ///
    /// Asking again for the same replacement goes on with the request that is there.
    ///
    /// # Errors
    /// - `PolicyInvalid` when the version is not higher than that of the policy in force;
    /// - `PolicyDenied` when the policy in force names nobody with `change`: [`Gate::reload`]
    ///   replaces it then;
    /// - `Unrenderable` when more changes than people can be shown at once;
    /// - every other no of [`ApprovalGate::authorize`](crate::ApprovalGate::authorize). The policy
    ///   in force stays.
    ///
    /// # Examples
    /// ```
    /// use approvals_core::testing::TestGate;
    /// use approvals_core::{Agent, Code, Policy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let test = TestGate::script().approve("approvals.policy.change").start().await;
    /// let gate = test.gate();
    /// let quorum = gate.policy().default_requirement().quorums()[0].clone();
    /// let group = &quorum.group;
    /// let policy = |version: u32| Policy::on_record(&format!(
    ///     "version = {version}\ndefault = {{ require = [{{ group = \"{group}\" }}] }}\n\
    ///      change = {{ require = [{{ group = \"{group}\" }}], ttl = \"4h\" }}\n"
    /// ));
    /// gate.reload(policy(2)?).await?;
    ///
    /// // From here on, nobody replaces it alone.
    /// assert_eq!(gate.reload(policy(3)?).await.unwrap_err().code(), Code::PolicyInvalid);
    /// let agent = Agent::new("deploy").on_behalf_of("u_alice");
    /// let replaced = gate.propose_policy(agent, policy(3)?).await?;
    /// assert_eq!((replaced.new.version, gate.policy().version()), (3, 3));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn propose_policy(
        &self,
        agent: Agent,
        policy: Policy,
    ) -> Result<Replaced, ApprovalError> {
        let held = self.policy();
        let (old, new) = (held.name(), policy.name());
        if new.version <= old.version {
            let message = format!(
                "the policy has version {} and the one in force has version {}; raise `version`",
                new.version, old.version
            );
            return Err(ApprovalError::new(Code::PolicyInvalid, message));
        }
        let replace = Replace {
            old: old.to_string(),
            new: new.to_string(),
            diff: readable(&held, &policy)?,
        };
        // The same proposal, made again, is the same request: nobody is asked twice.
        let agent = agent.run(format!("policy {}", new.digest));
        self.enter(agent, async {
            let approved: Approved<Replace> = approve(replace).await?;
            let authority = approved.request();
            approved
                .run(|_| async move {
                    let record = self.replace_under(policy, authority).await?;
                    Ok(Replaced {
                        old,
                        new,
                        authority,
                        record,
                    })
                })
                .await
        })
        .await
    }
}

fn readable(old: &Policy, new: &Policy) -> Result<String, ApprovalError> {
    let diff = diff(old.text(), new.text());
    if diff.len() > MAX_DIFF {
        let message = format!(
            "{} bytes of the policy change, and people are shown {MAX_DIFF} at most; change it in smaller steps",
            diff.len()
        );
        return Err(ApprovalError::new(Code::Unrenderable, message));
    }
    Ok(diff)
}

/// What people can be expected to read, and what fits one record.
const MAX_DIFF: usize = 16_384;
