//! Who is who in the house, how they vote, and a directory that can fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use approvals_core::gate::Tally;
use approvals_core::ports::{Delivery, Directory, DirectoryError, Notice, Notifier, NotifyError};
use approvals_core::review::Evidence;
use approvals_core::{
    ApprovalError, Assurance, Card, Gate, GroupName, IdentityKey, PersonId, RequestId, Review,
    Standing, Status, VerifiedApprover, Vote,
};
use async_trait::async_trait;

use super::trap::Trap;

/// An account that a channel has just proven, as far as these tests are concerned.
pub fn verified(identity: IdentityKey, assurance: Assurance) -> VerifiedApprover {
    proven(identity, assurance, Evidence::new("test"))
}

/// The same with this evidence: the only place of these tests that makes it.
pub fn proven(identity: IdentityKey, assurance: Assurance, evidence: Evidence) -> VerifiedApprover {
    VerifiedApprover::assertion(identity, assurance, evidence)
}

/// An account.
pub fn account(provider: &str, tenant: &str, subject: &str) -> IdentityKey {
    IdentityKey::new(provider, tenant, subject).expect("an account")
}

/// The decision of an account on exactly what its card shows.
pub fn review(identity: IdentityKey, card: &Card, vote: Vote) -> Review {
    let approver = verified(identity, Assurance::A3);
    Review::new(approver, card.request, card.digest, card.policy, vote)
}

/// An account decides on a request.
pub async fn decide(
    gate: &Gate,
    identity: IdentityKey,
    request: RequestId,
    vote: Vote,
) -> Result<Tally, ApprovalError> {
    let card = gate.card(request).await?;
    gate.review(review(identity, &card, vote)).await
}

/// A person decides on a request, with the account of that name.
pub async fn vote(
    gate: &Gate,
    person: &str,
    request: RequestId,
    vote: Vote,
) -> Result<Tally, ApprovalError> {
    decide(gate, account("test", "", person), request, vote).await
}

/// The people of the house: `u_1` to `u_5` in ops, `u_6` and `u_7` in security, Alice and Olga
/// in both, `u_eve` in nothing, `u_gone` disabled. Everybody has a `test` account of their name.
#[derive(Debug, Clone)]
pub struct Crew {
    standings: Arc<Mutex<BTreeMap<PersonId, Standing>>>,
    accounts: Arc<Mutex<HashMap<IdentityKey, PersonId>>>,
    trap: Trap,
}

impl Crew {
    /// Everybody in their place.
    pub fn new() -> Self {
        let crew = Self {
            standings: Arc::default(),
            accounts: Arc::default(),
            trap: Trap::default(),
        };
        for (person, groups) in CAST {
            crew.join(person, groups);
        }
        crew.join("u_gone", &["ops"]);
        crew.disable("u_gone");
        crew
    }

    /// The groups that a policy can name.
    pub fn groups() -> [GroupName; 2] {
        ["ops", "security"].map(|name| name.parse().expect("a group"))
    }

    /// A person is in exactly these groups from now on.
    pub fn join(&self, person: &str, groups: &[&str]) {
        let id: PersonId = person.parse().expect("a person");
        let groups = groups.iter().map(|group| group.parse().expect("a group"));
        let standing = Standing::active(id.clone(), groups);
        self.standings.lock().unwrap().insert(id, standing);
        self.link(account("test", "", person), person);
    }

    /// One more account of a person.
    pub fn link(&self, identity: IdentityKey, person: &str) {
        let person = person.parse().expect("a person");
        self.accounts.lock().unwrap().insert(identity, person);
    }

    /// A person may no longer act.
    pub fn disable(&self, person: &str) {
        let person: PersonId = person.parse().expect("a person");
        let standing = Standing::disabled(person.clone());
        self.standings.lock().unwrap().insert(person, standing);
    }

    /// The same people in a directory that this trap can break.
    pub fn with(mut self, trap: Trap) -> Self {
        self.trap = trap;
        self
    }
}

/// The steps of a directory that can fail.
pub const STEPS: &[&str] = &["resolve", "standing", "standing unknown"];

const CAST: &[(&str, &[&str])] = &[
    ("u_1", &["ops"]),
    ("u_2", &["ops"]),
    ("u_3", &["ops"]),
    ("u_4", &["ops"]),
    ("u_5", &["ops"]),
    ("u_6", &["security"]),
    ("u_7", &["security"]),
    ("u_alice", &["ops", "security"]),
    ("u_olga", &["ops", "security"]),
    ("u_bob", &["ops"]),
    ("u_eve", &[]),
];

#[async_trait]
impl Directory for Crew {
    async fn resolve(&self, identity: &IdentityKey) -> Result<Option<PersonId>, DirectoryError> {
        if self.trap.springs("resolve") {
            return Err(DirectoryError::new("the directory does not answer"));
        }
        Ok(self.accounts.lock().unwrap().get(identity).cloned())
    }

    async fn standing(&self, person: &PersonId) -> Result<Option<Standing>, DirectoryError> {
        if self.trap.springs("standing") {
            return Err(DirectoryError::new("the directory does not answer"));
        }
        if self.trap.springs("standing unknown") {
            return Ok(None);
        }
        Ok(self.standings.lock().unwrap().get(person).cloned())
    }
}

/// A channel whose people approve whatever they see, and that can fail.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    gate: Arc<OnceLock<Gate>>,
    seen: Arc<Mutex<Vec<Notice>>>,
    voters: &'static [&'static str],
    trap: Trap,
}

impl Channel {
    /// A channel behind which these people approve everything; nobody, when there are none.
    pub fn of(voters: &'static [&'static str]) -> Self {
        Self {
            voters,
            ..Self::default()
        }
    }

    /// The same channel, which this trap can break.
    pub fn with(mut self, trap: Trap) -> Self {
        self.trap = trap;
        self
    }

    /// Its people answer to this gate.
    pub fn serve(&self, gate: &Gate) {
        let _ = self.gate.set(gate.clone());
    }

    /// Everything that went out on it.
    pub fn seen(&self) -> Vec<Notice> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Notifier for Channel {
    fn name(&self) -> &str {
        "channel"
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        if self.trap.springs("notify") {
            return Err(NotifyError("the channel is down".to_owned()));
        }
        self.seen.lock().unwrap().push(notice.clone());
        if let Some(gate) = self.gate.get()
            && notice.card.status == Status::Pending
        {
            for voter in self.voters {
                let review = review(account("test", "", voter), &notice.card, Vote::Approve);
                let counted = gate.review(review).await;
                counted.map_err(|error| NotifyError(error.to_string()))?;
            }
        }
        Ok(vec![Delivery::to("the channel")])
    }
}
