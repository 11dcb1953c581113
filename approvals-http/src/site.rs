//! What every route of a running server shares.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use approvals_core::ports::Directory;
use approvals_core::{AgentId, Code, Gate, IdentityKey, PersonId, Timestamp};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio_util::sync::CancellationToken;

use crate::auth::{Caller, TokenHash};
use crate::config::{Address, Config};
use crate::instances::Instances;
use crate::metrics::Counters;
use crate::problem::Problem;
use crate::slots::{Slot, Slots};
use crate::webhook::Hooks;

/// The gate, who is who, and the limits: what the handlers of a server work with. Cheap to clone.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    gate: Gate,
    people: Arc<dyn Directory>,
    config: Config,
    calls: DefaultKeyedRateLimiter<AgentId>,
    asks: DefaultKeyedRateLimiter<AgentId>,
    looks: DefaultKeyedRateLimiter<PersonId>,
    streams: Slots<PersonId>,
    waits: Slots<AgentId>,
    stop: CancellationToken,
    counters: Counters,
    hooks: Hooks,
    instances: OnceLock<Instances>,
    making: tokio::sync::Mutex<()>,
}

impl Site {
    pub(crate) fn new(gate: Gate, people: Arc<dyn Directory>, config: Config) -> Self {
        let limits = config.limits;
        Self(Arc::new(Inner {
            gate,
            people,
            calls: RateLimiter::keyed(Quota::per_minute(limits.agent_per_minute)),
            asks: RateLimiter::keyed(Quota::per_minute(limits.asks_per_minute)),
            looks: RateLimiter::keyed(Quota::per_minute(limits.person_per_minute)),
            streams: Slots::new("streams", limits.streams_per_person.get()),
            waits: Slots::new("waits", limits.waits_per_agent.get()),
            config,
            stop: CancellationToken::new(),
            counters: Counters::default(),
            hooks: Hooks::default(),
            instances: OnceLock::new(),
            making: tokio::sync::Mutex::default(),
        }))
    }

    /// The gate that every ask and every decision goes to.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Who is who.
    #[must_use]
    pub fn people(&self) -> &dyn Directory {
        &*self.0.people
    }

    /// Where the server is reached.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.0.config.address()
    }

    /// Ends when the server shuts down: what waits for people or streams must end with it.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The time, as the gate sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.gate.now()
    }

    /// Refuses whoever is not active in the directory now; a directory that cannot tell is a no.
    pub(crate) async fn still_here(&self, person: &PersonId) -> Result<(), Problem> {
        let standing = tokio::time::timeout(DIRECTORY, self.people().standing(person)).await;
        match standing {
            Ok(Ok(Some(standing))) if standing.active => Ok(()),
            Ok(Ok(_)) => Err(Problem::new(
                Code::NotEligible,
                format!("`{person}` is not active in the directory; ask whoever keeps it"),
            )),
            Ok(Err(_)) | Err(_) => Err(cannot_tell()),
        }
    }

    /// Whose account this is, as the directory says now.
    pub(crate) async fn owner(&self, account: &IdentityKey) -> Result<PersonId, Problem> {
        let found = tokio::time::timeout(DIRECTORY, self.people().resolve(account)).await;
        match found {
            Ok(Ok(Some(person))) => Ok(person),
            Ok(Ok(None)) => Err(Problem::new(
                Code::IdentityUnresolved,
                format!(
                    "the account `{}` of `{}` is nobody's here; ask whoever keeps people.toml to add it to you",
                    account.subject(),
                    account.tenant()
                ),
            )),
            Ok(Err(_)) | Err(_) => Err(cannot_tell()),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    /// The instances that provisioners have made; none are kept unless the server was given a file.
    pub(crate) fn instances(&self) -> &Instances {
        self.0.instances.get_or_init(Instances::default)
    }

    pub(crate) fn keep_instances(&self, instances: Instances) {
        // Only the first: what is known already is not forgotten.
        let _ = self.0.instances.set(instances);
    }

    /// One at a time makes or ends an instance.
    pub(crate) async fn instances_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.making.lock().await
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn caller(&self, token: &TokenHash) -> Option<Caller> {
        let config = &self.0.config;
        let known = config.agents.get(token).cloned();
        known.or_else(|| self.instances().caller(token, config))
    }

    pub(crate) fn reader(&self, token: &TokenHash) -> Option<PersonId> {
        self.0.config.readers.get(token).cloned()
    }

    /// Counts one call of an agent.
    pub(crate) fn count_call(&self, agent: &AgentId) -> Result<(), Problem> {
        limited(&self.0.calls, agent)
    }

    /// Counts one new request of an agent: people are asked no faster than this.
    pub(crate) fn count_ask(&self, agent: &AgentId) -> Result<(), Problem> {
        limited(&self.0.asks, agent)
    }

    /// Counts one look of a person.
    pub(crate) fn count_look(&self, person: &PersonId) -> Result<(), Problem> {
        limited(&self.0.looks, person)
    }

    /// Opens one stream of a person, until the slot is gone.
    pub(crate) fn open_stream(&self, person: &PersonId) -> Result<Slot<PersonId>, Problem> {
        self.0.streams.take(person)
    }

    /// Begins one wait of an agent, until the slot is gone.
    pub(crate) fn begin_wait(&self, agent: &AgentId) -> Result<Slot<AgentId>, Problem> {
        self.0.waits.take(agent)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("gate", &self.0.gate)
            .finish_non_exhaustive()
    }
}

fn cannot_tell() -> Problem {
    let message = "the directory cannot tell who may look; try again";
    Problem::new(Code::IdentityUnresolved, message)
}

/// How long the directory may take to say who somebody is.
const DIRECTORY: Duration = Duration::from_secs(5);

fn limited<K: Clone + std::hash::Hash + Eq + fmt::Display>(
    limiter: &DefaultKeyedRateLimiter<K>,
    who: &K,
) -> Result<(), Problem> {
    limiter.check_key(who).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        let message = format!("`{who}` asks faster than is allowed here; come back later");
        Problem::new(Code::RateLimited, message).retry_after(wait.as_secs().saturating_add(1))
    })
}
