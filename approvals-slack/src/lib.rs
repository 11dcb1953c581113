//! Slack: one click in the channel, by a verified person.
//!
//! [`Slack`] is the whole of it: it carries each request to the channels that `slack.toml` names,
//! redraws every copy when anything changes, whoever decided and wherever, and brings the clicks of
//! people back to the [`Gate`]. Nothing here decides anything by itself.
//!
//! A click counts when Slack's signature (or the socket) vouches for it, when it comes through our
//! app from our workspace, from a message that the log says is a copy of the very request, with a
//! value under our own key, by an account that Slack says at that moment is a member: no bot, guest
//! or stranger. The gate then asks whose account it is, and whether that person may decide.
//!
//! Trusted: Slack, for who clicked ([`A1`](approvals_core::Assurance::A1)). Whoever can act as
//! somebody in Slack can decide as that person here. A policy that asks for `min_assurance = "A2"` or more takes no
//! approval from Slack; its cards have no such button.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use approvals_slack::{Config, Secrets, Slack};
//!
//! let config = Config::parse(r#"
//!     version = 1
//!     mode = "http"
//!     team = "T0123ABCD"
//!     app = "A0123ABCD"
//!     route = [{ to = "C0123ABCD", scopes = ["deploy.*"] }]
//! "#)?;
//! let secrets = Secrets::http("xoxb-0000-0000", "0123456789abcdef0123456789abcdef")?;
//! let slack = Slack::new(config, secrets)?;
//! // Each of these goes into `Gate::builder().notifier(..)`; once the gate is open,
//! // `slack.start(gate, stop)` gives the routes to mount and the future to run.
//! assert_eq!(slack.notifiers().len(), 1);
//! # Ok::<(), approvals_core::ApprovalError>(())
//! ```
#![warn(missing_docs)]

mod api;
mod config;
mod doctor;
mod http;
mod interact;
mod manifest;
mod names;
mod notifier;
mod pace;
mod queue;
mod render;
mod secret;
mod sign;
mod socket;
mod trial;
mod value;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use approvals_core::ports::Notifier;
use approvals_core::{ApprovalError, Gate};
use axum::Router;
use ring::hmac;
use tokio_util::sync::CancellationToken;

pub use api::{Call, Reply, Web};
pub use config::{Config, Mode, Route};
pub use doctor::{Finding, doctor};
pub use manifest::manifest;
pub use secret::Secrets;

use api::Api;
use interact::{Desk, Seen};
use notifier::Conversation;
use secret::Way;

/// The channel: what carries requests out, and what brings decisions back.
#[derive(Clone)]
pub struct Slack {
    config: Arc<Config>,
    api: Api,
    way: Way,
    key: hmac::Key,
}

/// What a running channel needs of its program.
#[non_exhaustive]
pub struct Running {
    /// The route that Slack posts clicks to; none in Socket Mode.
    pub routes: Option<Router>,
    /// Works until the channel is stopped. Without it every click is refused.
    pub work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Slack {
    /// A channel to the real Slack, or to whatever `api` of the configuration names.
    ///
    /// # Errors
    /// `Misuse` when the secrets are of the other mode, or the TLS of this machine cannot be set up.
    pub fn new(config: Config, secrets: Secrets) -> Result<Self, ApprovalError> {
        let api = Api::over_http(&config, secrets.clone())?;
        Self::with_api(config, secrets, api)
    }

    /// The same over another transport.
    ///
    /// # Errors
    /// `Misuse` when the secrets are of the other mode.
    pub fn over(
        config: Config,
        secrets: Secrets,
        web: Arc<dyn Web>,
    ) -> Result<Self, ApprovalError> {
        let api = Api::new(web, secrets.clone());
        Self::with_api(config, secrets, api)
    }

    fn with_api(config: Config, secrets: Secrets, api: Api) -> Result<Self, ApprovalError> {
        secrets.check(config.mode())?;
        Ok(Self {
            config: Arc::new(config),
            api,
            key: secret::key(&secrets.bot, "approvals/slack/button/v1"),
            way: secrets.way,
        })
    }

    /// What carries requests out, one for each route; the gate's builder takes them.
    #[must_use]
    pub fn notifiers(&self) -> Vec<Arc<dyn Notifier>> {
        let routes = self.config.routes().iter();
        routes
            .map(|route| {
                let one = Conversation::new(&self.config, route, &self.api, &self.key);
                Arc::new(one) as Arc<dyn Notifier>
            })
            .collect()
    }

    /// What brings decisions back to this gate, until it is stopped.
    #[must_use]
    pub fn start(&self, gate: Gate, stop: CancellationToken) -> Running {
        let (inbox, worker) = queue::queue();
        let desk = Desk {
            gate: gate.clone(),
            config: Arc::clone(&self.config),
            api: self.api.clone(),
            key: self.key.clone(),
        };
        let work = worker.run(Arc::new(desk), stop.clone());
        let seen = Seen::default();
        match &self.way {
            Way::Http { signing } => Running {
                routes: Some(http::routes(http::Door {
                    gate,
                    signing: signing.clone(),
                    inbox,
                    seen,
                })),
                work: Box::pin(work),
            },
            Way::Socket { app } => {
                let keeper = socket::Keeper {
                    api: self.api.clone(),
                    token: app.clone(),
                    app: self.config.app.clone(),
                    inbox,
                    seen,
                };
                let both = async move {
                    tokio::join!(work, keeper.run(stop));
                };
                Running {
                    routes: None,
                    work: Box::pin(both),
                }
            }
        }
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("routes", &self.routes.is_some())
            .finish_non_exhaustive()
    }
}
