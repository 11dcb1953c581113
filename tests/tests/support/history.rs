//! An honest log in which everything happens that can happen, and who is in it.

use std::collections::BTreeMap;
use std::time::Duration;

use approvals_core::directory::People;
use approvals_core::ledger::{SignedCheckpoint, StoredRecord, Verifier, VerifierKey};
use approvals_core::{
    Agent, ApprovalError, Assurance, Card, Gate, PolicyDigest, RequestId, Review, Vote,
    requires_approval,
};

use super::forge::{Forger, Sealed};
use super::house::{House, SEED, origin};
use super::people::{Crew, account, proven};
use super::signing::Signer;
use super::stored;
use approvals_core::review::Evidence;
use approvals_core::sealed::Disclosure;

/// One person of ops decides a refund; two with keys of their own a drop; a rule lets a few reads
/// through; nobody grants anything.
pub fn rules(version: u32, refund: u8) -> String {
    format!(
        r#"version = {version}
default = {{ require = [{{ group = "ops", n = {refund} }}], ttl = "15m", use_within = "15m" }}

[[rule]]
id = "two"
scope = "db.drop"
require = [{{ group = "ops", n = 2, min_assurance = "A3" }}]

[[rule]]
id = "reads"
scope = "db.query"
when = {{ "args.table" = {{ in = ["metrics", "events"] }} }}
effect = "auto"
rate = "3/h/agent"

[[rule]]
id = "never"
scope = "iam.*"
effect = "deny"
"#
    )
}

#[requires_approval(scope = "pay.refund", reason = "refund {order}")]
pub async fn refund(order: String, cents: u64) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "db.drop", reason = "drop {table}")]
pub async fn drop_it(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "db.query", reason = "read {table}")]
pub async fn query(table: String) -> Result<(), ApprovalError> {
    Ok(())
}

#[requires_approval(scope = "iam.grant")]
pub async fn grant(role: String) -> Result<(), ApprovalError> {
    Ok(())
}

/// The people of a history: their keys, and the house they are in.
pub struct Cast {
    pub house: House,
    pub crew: Crew,
    pub keys: BTreeMap<&'static str, Signer>,
}

impl Cast {
    /// `u_1` to `u_3` of ops, who sign; `u_4` and `u_5`, who decide in a chat.
    pub fn new(policy: &str) -> Self {
        let crew = Crew::new();
        let keys: BTreeMap<_, _> = [
            ("u_1", Signer::new()),
            ("u_2", Signer::passkey()),
            ("u_3", Signer::passkey()),
            ("u_alice", Signer::new()),
        ]
        .into();
        for (person, key) in &keys {
            crew.link(key.identity().clone(), person);
        }
        for person in ["u_4", "u_5", "u_alice"] {
            crew.link(account("slack", "T1", person), person);
        }
        let house = House::new().policy(policy).people(crew.clone());
        Self { house, crew, keys }
    }

    /// The people file of an auditor who knows them all.
    pub fn people(&self) -> People {
        let mut text = "version = 1\n".to_owned();
        for person in ["u_1", "u_2", "u_3", "u_4", "u_5", "u_alice", "u_olga"] {
            text += &format!("[[person]]\nid = \"{person}\"\ngroups = [\"ops\"]\n");
            text += &self.keys.get(person).map(Signer::entry).unwrap_or_default();
            text += &format!(
                "[[person.identity]]\nprovider = \"slack\"\ntenant = \"T1\"\nsubject = \"{person}\"\n"
            );
        }
        People::parse(&text).expect("people")
    }

    /// A signed vote.
    pub async fn signs(&self, gate: &Gate, person: &str, request: RequestId, vote: Vote) {
        let card = gate.card(request).await.expect("a card");
        let why = (vote == Vote::Deny).then_some("not on a Friday");
        let review = self.keys[person].review(person, &card, vote, why, gate.now());
        gate.review(review).await.expect("it counts");
    }

    /// A vote in a chat.
    pub async fn clicks(&self, gate: &Gate, person: &str, request: RequestId, vote: Vote) {
        let card = gate.card(request).await.expect("a card");
        let review = Self::click(person, &card, vote);
        gate.review(review).await.expect("it counts");
    }

    /// What a chat says that somebody clicked.
    pub fn click(person: &str, card: &Card, vote: Vote) -> Review {
        let identity = account("slack", "T1", person);
        let evidence = Evidence::new("slack").with("event", "Ev01");
        let approver = proven(identity, Assurance::A1, evidence);
        Review::new(approver, card.request, card.digest, card.policy, vote)
    }
}

/// An agent of Alice, in a run of its own.
pub fn agent(run: &str) -> Agent {
    Agent::new("bot")
        .on_behalf_of("u_alice")
        .owned_by("u_olga")
        .run(run)
}

/// Asks and goes away.
pub async fn asks(
    gate: &Gate,
    run: &str,
    work: impl Future<Output = Result<(), ApprovalError>>,
) -> RequestId {
    let patient = agent(run).wait(Duration::from_millis(1));
    let error = gate
        .enter(patient, work)
        .await
        .expect_err("nobody has decided");
    error.request().expect("the request")
}

/// The same call, whose approval is used.
pub async fn uses(gate: &Gate, run: &str, work: impl Future<Output = Result<(), ApprovalError>>) {
    gate.enter(agent(run), work).await.expect("it runs");
}

/// An honest log, and what an auditor of it knows.
pub struct History {
    pub cast: Cast,
    pub records: Vec<StoredRecord>,
    pub note: String,
    named: BTreeMap<&'static str, RequestId>,
    values: BTreeMap<RequestId, Vec<Disclosure>>,
}

impl History {
    /// The request of this name.
    pub fn request(&self, name: &str) -> RequestId {
        self.named[name]
    }

    /// The first policy that was in force.
    pub fn policy(&self) -> PolicyDigest {
        PolicyDigest::of(rules(1, 1).as_bytes())
    }

    /// The key that verifies it.
    pub fn key(&self) -> VerifierKey {
        self.cast.house.key()
    }

    /// Its owner.
    pub fn forger(&self) -> Forger {
        Forger::of(&self.records, SEED, &origin())
    }

    /// Its head, as it was kept outside.
    pub fn head(&self) -> SignedCheckpoint {
        SignedCheckpoint::parse(self.note.as_str()).expect("a head")
    }

    /// The log as it is.
    pub fn sealed(&self) -> Sealed {
        Sealed {
            records: self.records.clone(),
            note: self.note.clone(),
        }
    }

    /// An auditor who has nothing but the key.
    pub fn auditor(&self) -> Verifier {
        Verifier::new(self.key())
    }

    /// Everything that can happen to a request, under two versions of a policy.
    pub async fn honest() -> Self {
        let cast = Cast::new(&rules(1, 1));
        let gate = cast.house.open().await;
        let mut named = BTreeMap::new();
        let order = |name: &str| refund(name.to_owned(), 4_200);

        let one = asks(&gate, "one", order("one")).await;
        cast.signs(&gate, "u_1", one, Vote::Approve).await;
        uses(&gate, "one", order("one")).await;

        let two = asks(&gate, "two", drop_it("users".to_owned())).await;
        cast.signs(&gate, "u_1", two, Vote::Approve).await;
        cast.signs(&gate, "u_2", two, Vote::Approve).await;
        uses(&gate, "two", drop_it("users".to_owned())).await;

        for (name, table) in [("auto", "metrics"), ("auto again", "events")] {
            let before: Vec<_> = ids(&gate).await;
            uses(&gate, name, query(table.to_owned())).await;
            let new = ids(&gate).await.into_iter().find(|id| !before.contains(id));
            named.insert(name, new.expect("a request"));
        }

        let denied = asks(&gate, "denied", order("denied")).await;
        cast.signs(&gate, "u_3", denied, Vote::Deny).await;

        let forbidden = gate
            .enter(agent("forbidden"), grant("root".to_owned()))
            .await;
        let forbidden = forbidden.expect_err("never").request().expect("a request");

        let expired = asks(&gate, "expired", order("expired")).await;
        let unused = asks(&gate, "unused", order("unused")).await;
        cast.signs(&gate, "u_2", unused, Vote::Approve).await;
        tokio::time::sleep(Duration::from_secs(20 * 60)).await;
        gate.sweep().await.expect("swept");

        let withdrawn = asks(&gate, "withdrawn", order("withdrawn")).await;
        gate.cancel(withdrawn).await.expect("withdrawn");

        let chat = asks(&gate, "chat", order("chat")).await;
        cast.clicks(&gate, "u_4", chat, Vote::Approve).await;
        uses(&gate, "chat", order("chat")).await;
        drop(gate);

        let gate = cast.house.clone().policy(rules(2, 2)).open().await;
        let later = asks(&gate, "later", order("later")).await;
        cast.signs(&gate, "u_3", later, Vote::Approve).await;
        cast.clicks(&gate, "u_5", later, Vote::Approve).await;
        uses(&gate, "later", order("later")).await;
        let open = asks(&gate, "open", order("open")).await;
        cast.signs(&gate, "u_1", open, Vote::Approve).await;

        for (name, request) in [
            ("one", one),
            ("two", two),
            ("denied", denied),
            ("forbidden", forbidden),
            ("expired", expired),
            ("unused", unused),
            ("withdrawn", withdrawn),
            ("chat", chat),
            ("later", later),
            ("open", open),
        ] {
            named.insert(name, request);
        }
        Self::of(cast, &gate, named).await
    }

    /// The log that a gate has written.
    pub async fn of(cast: Cast, gate: &Gate, named: BTreeMap<&'static str, RequestId>) -> Self {
        let mut values = BTreeMap::new();
        for request in ids(gate).await {
            let opened = gate.journal().disclosures(request).await;
            values.insert(request, opened.expect("opened"));
        }
        let note = gate.journal().checkpoint().await.expect("a head");
        Self {
            cast,
            records: stored(gate).await,
            note: note.expect("a head"),
            named,
            values,
        }
    }

    /// What opens the values of each request.
    pub fn values(&self) -> BTreeMap<RequestId, Vec<Disclosure>> {
        self.values.clone()
    }
}

async fn ids(gate: &Gate) -> Vec<RequestId> {
    let all = approvals_core::ports::Filter::all();
    let rows = gate.list(all).await.expect("a list");
    rows.into_iter().map(|row| row.id).collect()
}
