//! Webhooks: what happens to requests, signed and sent to other systems.
//!
//! The log is the outbox: what happened is durable before anybody hears of it, and each receiver has
//! its own place in the log, kept in the store. So nothing is lost by a crash, one receiver that is
//! down holds up no other, and each gets its events in the order in which they happened.
//!
//! Trusted: who can write http.toml says where events go. A receiver is trusted with what it is sent,
//! and with nothing else: no answer of it changes anything here.

mod client;
mod endpoint;
mod network;
mod resolved;
mod secret;
mod status;
mod worker;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use approvals_core::ledger::{AuditRecord, Hash};
use approvals_core::{AgentId, ApprovalError, Card, Code, RequestId, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use client::{Answer, Client, Message};
pub use endpoint::SecretPlace;
pub(crate) use endpoint::{Endpoint, EndpointText};
pub(crate) use network::Network;
pub(crate) use secret::Secret;

use crate::config::Config;
use crate::events::Happening;
use crate::instances::{Instance, Provisioner};
use crate::site::Site;
use endpoint::{Begin, Content, Format};
use resolved::Resolved;
use status::Status;

/// The receivers of a server, each with the secrets that sign for it.
///
/// # Examples
/// ```
/// use approvals_http::{Config, SecretPlace, Webhooks};
///
/// let config = Config::parse(r#"
///     version = 1
///     [[webhook]]
///     name = "siem"
///     url = "https://siem.example/approvals"
///     secrets = ["env:SIEM_SECRET"]
/// "#)?;
/// let secret = |_: &SecretPlace| Ok(Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()));
/// let webhooks = Webhooks::open(&config, secret)?;
/// assert_eq!(webhooks.names(), ["siem"]);
///
/// // Without its secret nothing is sent, and nothing is served.
/// assert!(Webhooks::open(&config, |_| Ok(None)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Webhooks(Vec<Hook>);

impl Webhooks {
    /// The receivers of a configuration. `look` gives the secret at a place, if there is one.
    ///
    /// # Errors
    /// `Misuse` when a secret is missing or is none; whatever `look` says.
    pub fn open(
        config: &Config,
        mut look: impl FnMut(&SecretPlace) -> Result<Option<String>, ApprovalError>,
    ) -> Result<Self, ApprovalError> {
        let mut hooks = Vec::new();
        for endpoint in &config.webhooks {
            let mut secrets = Vec::new();
            for place in &endpoint.secrets {
                let text = look(place)?.ok_or_else(|| missing(&endpoint.name, place))?;
                let secret = Secret::parse(text.trim()).map_err(|error| {
                    ApprovalError::new(Code::Misuse, format!("`{place}`: {error}"))
                })?;
                secrets.push(secret);
            }
            hooks.push(Hook::of(endpoint, secrets)?);
        }
        Ok(Self(hooks))
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|hook| hook.name.as_str()).collect()
    }
}

fn missing(name: &str, place: &SecretPlace) -> ApprovalError {
    let message = format!(
        "there is no secret for the webhook `{name}` at `{place}`; put it there, or take the webhook out of http.toml"
    );
    ApprovalError::new(Code::Misuse, message)
}

/// One receiver at work.
pub(crate) struct Hook {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// Its name in the store.
    pub(crate) follower: String,
    pub(crate) status: Status,
    client: Client,
    begin: Begin,
    told: Told,
    stop: CancellationToken,
}

/// What a receiver is told.
enum Told {
    /// Events, as its configuration says.
    Events(Endpoint),
    /// That a request of its instance is decided.
    Resolved(Resolved),
}

impl Hook {
    fn of(endpoint: &Endpoint, secrets: Vec<Secret>) -> Result<Self, ApprovalError> {
        let (url, network) = (endpoint.url.clone(), endpoint.network);
        let client = Client::new(url, network, secrets, endpoint.timeout);
        Ok(Self {
            name: endpoint.name.clone(),
            follower: format!("{FOLLOWER}{}", endpoint.name),
            status: Status::default(),
            client: client.map_err(|error| ApprovalError::new(Code::Misuse, error.to_string()))?,
            begin: endpoint.begin,
            told: Told::Events(endpoint.clone()),
            stop: CancellationToken::new(),
        })
    }

    /// The receiver of an instance.
    pub(crate) fn of_instance(
        instance: &Instance,
        by: &Provisioner,
    ) -> Result<Self, ApprovalError> {
        let wrong = || {
            let message = format!(
                "the receiver of the instance `{}` is not under an address that http.toml allows its provisioner; add it to `receivers`, or delete the instance",
                instance.id
            );
            ApprovalError::new(Code::Misuse, message)
        };
        let delivery = instance.delivery.as_ref().ok_or_else(wrong)?;
        let url = by.receiver(&delivery.url).ok_or_else(wrong)?;
        let secret = Secret::parse(&delivery.signing_secret).map_err(|_| wrong())?;
        let client = Client::new(url, by.network, vec![secret], INSTANCE_TIMEOUT);
        Ok(Self {
            name: instance.agent.to_string(),
            follower: Self::follower_of(&instance.id),
            status: Status::default(),
            client: client.map_err(|error| ApprovalError::new(Code::Misuse, error.to_string()))?,
            begin: Begin::Now,
            told: Told::Resolved(Resolved::new(instance)),
            stop: CancellationToken::new(),
        })
    }

    /// The name of an instance's receiver in the store.
    pub(crate) fn follower_of(instance: &str) -> String {
        format!("{FOLLOWER}instance/{instance}")
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The instance's agent, when it waits for messages.
    pub(crate) fn agent(&self) -> Option<&AgentId> {
        match &self.told {
            Told::Events(_) => None,
            Told::Resolved(resolved) => Some(resolved.agent()),
        }
    }

    /// What this receiver is told of a record, and until when that is of use; none when it is not its
    /// business.
    async fn message(
        &self,
        site: &Site,
        request: RequestId,
        leaf: Hash,
        record: &AuditRecord,
    ) -> Result<Option<(Message, Option<Timestamp>)>, ApprovalError> {
        let endpoint = match &self.told {
            Told::Resolved(resolved) => return resolved.message(site, request, record).await,
            Told::Events(endpoint) => endpoint,
        };
        if !endpoint.events.has(record.kind()) {
            return Ok(None);
        }
        let journal = site.gate().journal();
        let state = journal.state(request).await?;
        let happening = state
            .as_ref()
            .and_then(|state| Happening::of(journal.log(), leaf, record, state.created()));
        let Some(happening) = happening else {
            return Ok(None);
        };
        let told = match endpoint.format {
            Format::Ocsf => happening.ocsf().map(|event| ("application/json", event)),
            Format::Cloudevents => {
                let shown = match endpoint.content {
                    Content::Facts => None,
                    Content::Full => shown(site, request).await?,
                };
                Some((CLOUD_EVENT, happening.cloud_event(shown.as_ref())))
            }
        };
        Ok(told.map(|(kind, event)| {
            let message = Message {
                id: record.id.to_string(),
                kind,
                body: event.to_string().into(),
            };
            (message, None)
        }))
    }
}

/// What people are shown of a request now. What cannot be shown whole is not sent; that it happened
/// still is.
async fn shown(site: &Site, request: RequestId) -> Result<Option<Card>, ApprovalError> {
    match site.gate().card(request).await {
        Ok(card) => Ok(Some(card)),
        Err(error) if error.code() == Code::Unrenderable => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Begins the name of every webhook in the store.
pub(crate) const FOLLOWER: &str = "webhook:";

/// How long a receiver of an instance may take.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(10);

const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

/// The receivers of a running server.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    all: Mutex<Vec<Arc<Hook>>>,
    more: Notify,
}

impl Hooks {
    pub(crate) fn add(&self, webhooks: Webhooks) {
        self.locked().extend(webhooks.0.into_iter().map(Arc::new));
        self.more.notify_one();
    }

    pub(crate) fn all(&self) -> Vec<Arc<Hook>> {
        self.locked().clone()
    }

    pub(crate) fn push(&self, hook: Hook) {
        self.locked().push(Arc::new(hook));
        self.more.notify_one();
    }

    /// Stops sending to one.
    pub(crate) fn remove(&self, follower: &str) {
        self.locked().retain(|hook| {
            let stays = hook.follower != follower;
            if !stays {
                hook.stop.cancel();
            }
            stays
        });
    }

    /// Whether one of them has this name in the store.
    pub(crate) fn has(&self, follower: &str) -> bool {
        self.locked().iter().any(|hook| hook.follower == follower)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Arc<Hook>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends to every receiver until the server stops.
pub(crate) async fn run(site: Site) {
    let mut workers = JoinSet::new();
    let mut started = BTreeSet::new();
    loop {
        for hook in site.hooks().all() {
            if started.insert(hook.follower.clone()) {
                let site = site.clone();
                workers.spawn(async move {
                    tokio::select! {
                        () = worker::follow(&site, &hook) => {}
                        () = hook.stop.cancelled() => {}
                    }
                });
            }
        }
        tokio::select! {
            () = site.hooks().more.notified() => {}
            // Whatever is under way is sent again when the server is back.
            () = site.stop().cancelled() => return,
        }
    }
}

/// Withdraws, for agents that wait for messages, what their own time is over for.
pub(crate) async fn withdraw_late(site: &Site) {
    for hook in site.hooks().all() {
        let Some(agent) = hook.agent() else { continue };
        if let Err(problem) = crate::api::withdraw_late(site, agent).await {
            tracing::warn!(%agent, code = problem.code(), "requests could not be ended; tried again soon");
        }
    }
}
