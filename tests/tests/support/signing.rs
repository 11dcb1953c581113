//! People who sign their decisions with keys of their own: of SSH, and passkeys.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use approvals_core::clock::Timestamp;
use approvals_core::directory::RpId;
use approvals_core::review::{Evidence, Statement, commit_reason};
use approvals_core::testing::SoftPasskey;
use approvals_core::{
    Card, IdentityKey, PersonId, Review, VerifiedApprover, Vote, sshsig, webauthn,
};

/// Somebody's private key, and the account that it is.
#[derive(Debug, Clone)]
pub struct Signer {
    private: Private,
    identity: IdentityKey,
}

#[derive(Debug, Clone)]
enum Private {
    Ssh(String),
    Passkey(Arc<SoftPasskey>),
}

impl Signer {
    /// A new Ed25519 key of SSH.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-C", "", "-N", "", "-f"]);
        let made = command.arg(&path).status().expect("ssh-keygen runs");
        assert!(made.success(), "ssh-keygen makes a key");
        Self::of(Private::Ssh(std::fs::read_to_string(&path).expect("a key")))
    }

    /// A new passkey.
    pub fn passkey() -> Self {
        let site = RpId::new("approvals.example").expect("a site");
        let passkey = SoftPasskey::p256(site).expect("a passkey");
        Self::of(Private::Passkey(Arc::new(passkey)))
    }

    fn of(private: Private) -> Self {
        let (_, approver) = private.signs(&statement_for("u_probe", None));
        Self {
            identity: approver.identity().clone(),
            private,
        }
    }

    /// What makes it somebody's in a people file.
    pub fn entry(&self) -> String {
        match &self.private {
            Private::Passkey(passkey) => passkey.passkey().entry(),
            Private::Ssh(_) => {
                let evidence = self.evidence(&statement_for("u_probe", None));
                let key = &evidence.proof["key"];
                format!("[[person.identity]]\nprovider = \"ssh\"\nkey = \"{key}\"\n")
            }
        }
    }

    /// The account that the key is.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The evidence of a signed statement.
    pub fn evidence(&self, statement: &Statement) -> Evidence {
        self.private.signs(statement).1.evidence().clone()
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
        let bytes = statement.bytes().expect("bytes");
        let review = match &self.private {
            Private::Ssh(key) => {
                let signature = sshsig::sign(&statement, key).expect("a signature");
                sshsig::review(&bytes, &signature, reason, now)
            }
            Private::Passkey(key) => {
                let signed = key.sign(&bytes).expect("a signature");
                webauthn::review(&bytes, &signed, key.passkey(), reason, now)
            }
        };
        review.expect("a review")
    }
}

impl Private {
    fn signs(&self, statement: &Statement) -> (Statement, VerifiedApprover) {
        let bytes = statement.bytes().expect("bytes");
        let verified = match self {
            Self::Ssh(key) => {
                let signature = sshsig::sign(statement, key).expect("a signature");
                sshsig::verify(&bytes, &signature)
            }
            Self::Passkey(key) => {
                let signed = key.sign(&bytes).expect("a signature");
                let passkey = key.passkey();
                webauthn::verify(&bytes, &signed, passkey.rp_id(), passkey.key())
            }
        };
        verified.expect("it verifies")
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
