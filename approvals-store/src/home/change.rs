//! Replacing the policy of a home, in the log and in its file.
//!
//! The new text is written beside the old one, asked about, recorded in the log, and only then put in its place. Each
//! step is durable before the next one begins, and each can be told from what is there: whatever is interrupted is
//! finished by doing it again.
//!
//! | interrupted after | the log says | `policy.toml` | what a re-run does |
//! |---|---|---|---|
//! | writing the new text beside the old one | the old policy is in force | the old text | asks |
//! | asking | the old policy is in force | the old text | waits on for the same request |
//! | using the approval | the old policy is in force | the old text | asks anew: one approval, one use |
//! | recording it | the new policy is in force | the old text | puts the new text in its place |
//! | putting the new text in its place | the new policy is in force | the new text | nothing is left to do |

use std::fs;
use std::io;
use std::path::PathBuf;

use approvals_core::files::sync_parent;
use approvals_core::policy::PolicyName;
use approvals_core::policy_change::Replaced;
use approvals_core::{Agent, ApprovalError, Code, Gate, Policy, PolicyDigest};

use super::{Home, files};
use crate::failure::store_error;

impl Home {
    /// Replaces the policy under the approval of those whom the policy in force names for that, on record and in its
    /// file. `gate` is one on this home.
    ///
    /// Run it again when it was interrupted, after [`finish_policy_change`](Home::finish_policy_change).
    ///
    /// # Errors
    /// - as [`Gate::propose_policy`];
    /// - `StoreUnavailable` when a file cannot be written, or another process proposes a policy.
    pub async fn propose_policy(
        &self,
        gate: &Gate,
        agent: Agent,
        policy: Policy,
    ) -> Result<Replaced, ApprovalError> {
        let _alone = self.alone_with_policy()?;
        self.write_beside(&policy)?;
        let replaced = gate.propose_policy(agent, policy.clone()).await?;
        // Recorded, and not yet in its file: a crash here leaves a home that says how it is finished.
        self.put_policy_in_place(&policy)?;
        Ok(replaced)
    }

    /// Puts the policy on record into its file, when this is the one, or the one that was being put there when that was
    /// interrupted. None when the file is the one on record, or nobody here has the text of that.
    ///
    /// The home has to be opened again then.
    ///
    /// # Errors
    /// `StoreUnavailable` when the ledger cannot be read or a file cannot be written, or another process proposes a
    /// policy.
    pub fn finish_policy_change(
        &self,
        policy: &Policy,
    ) -> Result<Option<PolicyName>, ApprovalError> {
        let Some(recorded) = self.unsettled_policy()? else {
            return Ok(None);
        };
        let _alone = self.alone_with_policy()?;
        if policy.name() == recorded {
            self.put_policy_in_place(policy)?;
        } else if self
            .text_beside()?
            .is_some_and(|text| digest(&text) == recorded.digest)
        {
            self.swap_policy()?;
        } else {
            return Ok(None);
        }
        Ok(Some(recorded))
    }

    /// Refuses to go on with a policy file that a recorded replacement has not reached yet.
    pub(super) fn check_policy_settled(&self) -> Result<(), ApprovalError> {
        let Some(text) = self.text_beside()? else {
            return Ok(());
        };
        match self.unsettled_policy()? {
            Some(recorded) if digest(&text) == recorded.digest => Err(ApprovalError::new(
                Code::PolicyChanged,
                format!(
                    "the replacement of the policy by {recorded} was recorded and then interrupted; run `approvals policy propose {}` to finish it",
                    self.paths.next_policy().display()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The policy on record, when it is not the one of the file.
    fn unsettled_policy(&self) -> Result<Option<PolicyName>, ApprovalError> {
        let head = self.reader()?.head().map_err(store_error)?;
        let recorded = head
            .policy
            .map(|(version, digest)| PolicyName::new(version, digest));
        Ok(recorded.filter(|recorded| *recorded != self.policy.name()))
    }

    fn text_beside(&self) -> Result<Option<String>, ApprovalError> {
        let path = self.paths.next_policy();
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => files::read_guarded(&path, "new policy", &self.paths.key()).map(Some),
        }
    }

    /// Writes the new text beside the old one; what lies there of an earlier proposal is replaced.
    fn write_beside(&self, policy: &Policy) -> Result<(), ApprovalError> {
        let path = self.paths.next_policy();
        if self.text_beside()?.as_deref() == Some(policy.text()) {
            return Ok(());
        }
        match fs::remove_file(&path).and_then(|()| sync_parent(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::unavailable("delete", &path, &error))
            }
            _ => files::create(&path, policy.text()),
        }
    }

    fn put_policy_in_place(&self, policy: &Policy) -> Result<(), ApprovalError> {
        self.write_beside(policy)?;
        self.swap_policy()
    }

    /// Puts the new text in the place of the old one, all at once.
    fn swap_policy(&self) -> Result<(), ApprovalError> {
        let place = self.paths.policy();
        let swapped =
            fs::rename(self.paths.next_policy(), &place).and_then(|()| sync_parent(&place));
        swapped.map_err(|error| files::unavailable("put the new policy into", &place, &error))
    }

    fn alone_with_policy(&self) -> Result<fs::File, ApprovalError> {
        // A file that nobody ever writes again; that of the key changes has another lock.
        let path: PathBuf = self.paths.recovery_vkey();
        files::alone(
            &path,
            "another process proposes a policy for this home; wait until it is done, or stop it: its request stays",
        )
    }
}

fn digest(text: &str) -> PolicyDigest {
    PolicyDigest::of(text.as_bytes())
}
