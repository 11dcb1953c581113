//! The gate of a test, and what it saw.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;

use super::clock::TokioClock;
use super::people::Everybody;
use super::script::{People, Script, review_by, tester};
use crate::card::Card;
use crate::error::{ApprovalError, Code};
use crate::gate::{ApprovalGate, Call, Gate, Tally};
use crate::id::RequestId;
use crate::ledger::{Entry, LedgerKey, Origin};
use crate::lifecycle::Event;
use crate::memory::ForgetfulStore;
use crate::permit::Permit;
use crate::policy::Policy;
use crate::ports::Filter;
use crate::review::Vote;

/// The real gate on a store that forgets, with scripted people on the other side.
#[derive(Debug, Clone)]
pub struct TestGate {
    gate: Gate,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One request that reached the people of a test.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// The request.
    pub request: RequestId,
    /// Its scope.
    pub scope: String,
    /// The author's words.
    pub reason: Option<String>,
    /// The agent's words.
    pub rationale: Option<String>,
    /// What was not covered.
    pub not_covered: Vec<String>,
    /// The whole card, as people saw it.
    pub card: Card,
}

impl Asked {
    pub(super) fn of(card: &Card) -> Self {
        Self {
            request: card.request,
            scope: card.action.scope.to_string(),
            reason: card.reason.as_ref().map(|text| text.raw().to_owned()),
            rationale: card.rationale.as_ref().map(|text| text.raw().to_owned()),
            not_covered: card.action.not_covered.clone(),
            card: card.clone(),
        }
    }

    /// The canonical text of a shown parameter; none when it is redacted or not there.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.card
            .params
            .iter()
            .find(|fact| fact.name == name)?
            .value
            .as_ref()
            .map(crate::text::Untrusted::raw)
    }
}

impl TestGate {
    /// A script to fill, and then to [`start`](Script::start).
    pub fn script() -> Script {
        Script::default()
    }

    /// People approve everything.
    ///
    /// # Panics
    /// Never in practice: only when the operating system gives no random bytes.
    #[must_use]
    #[expect(clippy::panic, reason = "a test set up wrongly must stop at once")]
    pub fn approving() -> Self {
        match Self::open(Script::default().approve("*")) {
            Ok(gate) => gate,
            Err(error) => panic!("the test gate cannot start: {error}"),
        }
    }

    pub(super) fn open(script: Script) -> Result<Self, ApprovalError> {
        let misuse =
            |error: &dyn std::fmt::Display| ApprovalError::new(Code::Misuse, error.to_string());
        script.check().map_err(|error| misuse(&error))?;
        let needs = script.needs.max(1);
        let group = "testers".parse().map_err(|error| misuse(&error))?;
        let mut people = Everybody::new();
        for number in 1..=needs.max(3) {
            people = people.member(
                tester(number).parse().map_err(|error| misuse(&error))?,
                Clone::clone(&group),
            );
        }
        let standard = format!(
            "version = 1\nmemory = {{ deny = \"0s\", freeze_after = 1000 }}\ndefault = {{ require = [{{ group = \"testers\", n = {needs} }}], ttl = \"15m\" }}\n"
        );
        let text = script.policy.clone().unwrap_or(standard);
        let policy = Policy::parse(&text, &[group].into(), &[]).map_err(|error| misuse(&error))?;
        let (shared, asked) = (Arc::new(OnceLock::new()), Arc::new(Mutex::default()));
        let origin: Origin = "test.invalid/approvals"
            .parse()
            .map_err(|error| misuse(&error))?;
        let key = LedgerKey::generate().map_err(|error| misuse(&error))?;
        let full_binding = script.full_binding;
        let staff = People {
            script,
            gate: Arc::clone(&shared),
            asked: Arc::clone(&asked),
        };
        let mut builder = Gate::builder()
            .policy(policy)
            .people(people)
            .store(ForgetfulStore::new())
            .ledger_key(key, &origin)
            .clock(TokioClock::default())
            .notifier(staff);
        if full_binding {
            builder = builder.full_binding();
        }
        let gate = builder.open_forgetful()?;
        // INVARIANT: set once, right here; the people cannot be asked before.
        let _ = shared.set(gate.clone());
        Ok(Self { gate, asked })
    }

    /// The gate itself.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Runs work whose guarded calls go through this gate, asked for by this agent.
    pub async fn enter<F: Future>(&self, agent: crate::Agent, work: F) -> F::Output {
        self.gate.enter(agent, work).await
    }

    /// One person decides on a request, beside the script.
    ///
    /// # Errors
    /// Every no of [`Gate::review`].
    pub async fn decide(
        &self,
        person: &str,
        request: RequestId,
        vote: Vote,
        reason: Option<&str>,
    ) -> Result<Tally, ApprovalError> {
        let card = self.gate.card(request).await?;
        self.gate
            .review(review_by(person, &card, vote, reason)?)
            .await
    }

    /// Everything that was asked of people so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last request of this scope that reached people.
    ///
    /// # Panics
    /// When there was none; the message says what was asked instead.
    #[must_use]
    #[expect(clippy::panic, reason = "this is an assertion")]
    pub fn assert_asked(&self, scope: &str) -> Asked {
        let asked = self.asked();
        match asked.iter().rev().find(|asked| asked.scope == scope) {
            Some(found) => found.clone(),
            None => panic!(
                "no approval was asked for `{scope}`; asked were: {}",
                list(asked.iter().map(|asked| asked.scope.clone()))
            ),
        }
    }

    /// Nothing reached people.
    ///
    /// # Panics
    /// When something did; the message says what.
    pub fn assert_nothing_asked(&self) {
        let asked = self.asked();
        assert!(
            asked.is_empty(),
            "nothing should have been asked; asked were: {}",
            list(asked.iter().map(|asked| asked.scope.clone()))
        );
    }

    /// Some action of this scope ran.
    ///
    /// # Panics
    /// When none did; the message says what the ledger holds instead.
    pub async fn assert_ran(&self, scope: &str) {
        let ran = self.ran().await;
        assert!(
            ran.iter().any(|have| have == scope),
            "nothing of `{scope}` ran; what ran: {}",
            list(ran.into_iter())
        );
    }

    /// No action of this scope ran.
    ///
    /// # Panics
    /// When one did.
    pub async fn assert_did_not_run(&self, scope: &str) {
        assert!(
            self.ran().await.iter().all(|have| have != scope),
            "an action of `{scope}` ran"
        );
    }

    /// The scopes of everything that was started, in order of asking.
    async fn ran(&self) -> Vec<String> {
        let mut rows = self.gate.list(Filter::all()).await.unwrap_or_default();
        rows.reverse();
        let mut ran = Vec::new();
        for row in rows {
            let history = self
                .gate
                .journal()
                .history(row.id)
                .await
                .unwrap_or_default();
            let started = history
                .iter()
                .any(|record| matches!(&record.entry, Entry::Request(_, Event::Consumed(_))));
            let burned = history.iter().any(|record| matches!(&record.entry, Entry::Request(_, Event::PermitRefused(refused)) if refused.burned));
            if started && !burned {
                ran.push(row.scope.to_string());
            }
        }
        ran
    }
}

#[async_trait]
impl ApprovalGate for TestGate {
    async fn authorize(&self, call: Call) -> Result<Permit, ApprovalError> {
        self.gate.authorize(call).await
    }

    fn shared(&self) -> Arc<dyn ApprovalGate> {
        self.gate.shared()
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "nothing".to_owned()
    } else {
        items.join(", ")
    }
}
