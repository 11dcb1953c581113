//! The people of a measurement: who asks, and who approves with a key of SSH.

use std::time::Duration;

use approvals_core::principal::IdentityKey;
use approvals_core::review::{Evidence, Statement};
use approvals_core::{Assurance, Card, Gate, People, Review, VerifiedApprover, Vote, sshsig};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

/// Alice asks, and one of ops approves.
pub(crate) fn people() -> People {
    let key = key().public_key().to_openssh().expect("text");
    let text = format!(
        "version = 1\n\n[[person]]\nid = \"u_alice\"\nname = \"Alice\"\n\n[[person]]\nid = \"u_ops\"\nname = \"Ops\"\ngroups = [\"ops\"]\n\n[[person.identity]]\nprovider = \"ssh\"\nkey = \"{key}\"\n\n[[person.identity]]\nprovider = \"test\"\ntenant = \"\"\nsubject = \"u_ops\"\n"
    );
    People::parse(&text).expect("people")
}

fn key() -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[7; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "bench").expect("a key")
}

/// Who approves: with a signature that the gate checks and the log keeps, or as an account of a
/// channel that was believed.
#[derive(Debug, Clone)]
pub(crate) struct Approver {
    key: Option<String>,
}

impl Approver {
    pub(crate) fn signing() -> Self {
        let text = key().to_openssh(LineEnding::LF).expect("text");
        Self {
            key: Some(text.to_string()),
        }
    }

    pub(crate) fn believed() -> Self {
        Self { key: None }
    }

    /// The approval of exactly what the card shows.
    pub(crate) fn approve(&self, gate: &Gate, card: &Card) -> Review {
        let decided = (card.request, card.digest, card.policy, Vote::Approve);
        let Some(key) = &self.key else {
            let identity = IdentityKey::new("test", "", "u_ops").expect("a name");
            let evidence = Evidence::new("test");
            let approver = VerifiedApprover::assertion(identity, Assurance::A3, evidence);
            return Review::new(approver, card.request, card.digest, card.policy, decided.3);
        };
        let (now, person) = (gate.now(), "u_ops".parse().expect("a name"));
        let until = now.after(Duration::from_secs(300));
        let statement = Statement::new(decided, person, None, card.request.to_string(), until);
        let signature = sshsig::sign(&statement, key).expect("a signature");
        let bytes = statement.bytes().expect("bytes");
        sshsig::review(&bytes, &signature, None, now).expect("a review")
    }
}
