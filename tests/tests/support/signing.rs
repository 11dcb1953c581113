//! People who sign their decisions with SSH keys of their own.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::review::{Evidence, Statement, commit_reason};
use approvals_core::{Card, IdentityKey, PersonId, Review, Vote, sshsig};

/// Somebody's private key, and the account that it is.
#[derive(Debug, Clone)]
pub struct Signer {
    private: String,
    identity: IdentityKey,
}

impl Signer {
    /// A new Ed25519 key.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-C", "", "-N", "", "-f"]);
        let made = command.arg(&path).status().expect("ssh-keygen runs");
        assert!(made.success(), "ssh-keygen makes a key");
        let private = std::fs::read_to_string(&path).expect("a key");
        let probe = statement_for("u_probe", None);
        let signature = sshsig::sign(&probe, &private).expect("a signature");
        let bytes = probe.bytes().expect("bytes");
        let (_, approver) = sshsig::verify(&bytes, &signature).expect("it verifies");
        Self {
            identity: approver.identity().clone(),
            private,
        }
    }

    /// The public key, as in a `.pub` file.
    pub fn public(&self) -> String {
        self.evidence(&statement_for("u_probe", None)).proof["key"].clone()
    }

    /// The account that the key is.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The evidence of a signed statement.
    pub fn evidence(&self, statement: &Statement) -> Evidence {
        let signature = sshsig::sign(statement, &self.private).expect("a signature");
        let bytes = statement.bytes().expect("bytes");
        let (_, approver) = sshsig::verify(&bytes, &signature).expect("it verifies");
        approver.evidence().clone()
    }

    /// The signed decision of a person on exactly what a card shows; good for five minutes.
    pub fn review(
        &self,
        person: &str,
        card: &Card,
        vote: Vote,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Review {
        let reason = reason.map(|reason| commit_reason(reason).expect("a reason"));
        let decided = (card.request, card.digest, card.policy, vote);
        let until = now.after(Duration::from_secs(300));
        let person: PersonId = person.parse().expect("a person");
        let statement = Statement::new(decided, person, reason.as_ref(), nonce(), until);
        let signature = sshsig::sign(&statement, &self.private).expect("a signature");
        let bytes = statement.bytes().expect("bytes");
        sshsig::review(&bytes, &signature, reason, now).expect("a review")
    }
}

/// A text that no other statement of these tests has.
pub fn nonce() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn statement_for(person: &str, reason: Option<&approvals_core::sealed::Disclosure>) -> Statement {
    let bound = (
        approvals_core::RequestId::from_bytes([1; 16]),
        approvals_core::ActionDigest::of(b"a"),
        approvals_core::PolicyDigest::of(b"p"),
        Vote::Deny,
    );
    let person = person.parse().expect("a person");
    Statement::new(bound, person, reason, nonce(), Timestamp::from_micros(1))
}
