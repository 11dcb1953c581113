//! The app: what it sends with, and the one address that Teams calls.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use approvals_core::Gate;
use approvals_core::ports::Notifier;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};

use crate::activity::Activity;
use crate::config::{Config, InvalidConfig};
use crate::connector::Connector;
use crate::inbound::{self, KeyCache, Refused, Verified};
use crate::notify::Conversation;
use crate::pace::Pace;
use crate::places::{Place, Places};
use crate::token::Tokens;
use crate::web;
use crate::workflow::Workflow;

/// How many bytes a call may have.
const MOST: usize = 256 * 1024;

/// The Teams channel, ready to be mounted.
///
/// # Examples
/// ```no_run
/// # async fn run(home: approvals_store::home::Home) -> Result<(), Box<dyn std::error::Error>> {
/// use approvals_teams::{Config, Teams};
///
/// let folder = std::path::Path::new("/var/lib/approvals");
/// let teams = Teams::open(Config::read(folder)?, folder)?;
/// let gate = teams.notifiers().into_iter().fold(home.gate()?, |gate, to| gate.notifier(to));
/// let routes: axum::Router = teams.router(gate.open().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Teams(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    pub(crate) places: Places,
    pub(crate) keys: KeyCache,
}

impl Teams {
    /// Opens the channel; where the app is installed is kept in `teams.places.json` in `folder`.
    ///
    /// # Errors
    /// [`InvalidConfig`] when that file cannot be read, or TLS cannot be set up.
    pub fn open(config: Config, folder: &Path) -> Result<Self, InvalidConfig> {
        let web =
            web::client(&config.cloud).map_err(|error| InvalidConfig::new(error.to_string()))?;
        let tokens = Tokens::new(&config.app, &config.tenant, config.credential.clone());
        Ok(Self(Arc::new(Inner {
            connector: Connector {
                web,
                cloud: config.cloud.clone(),
                tokens,
                pace: Pace::default(),
            },
            places: Places::open(folder.join("teams.places.json"))?,
            keys: KeyCache::default(),
            config,
        })))
    }

    /// One notifier for each conversation and each workflow, for the gate's builder.
    #[must_use]
    pub fn notifiers(&self) -> Vec<Arc<dyn Notifier>> {
        let inner = &self.0;
        let posts = inner.config.posts.iter().map(|post| {
            Arc::new(Conversation {
                name: post.channel(),
                post: post.clone(),
                inner: Arc::clone(inner),
            }) as Arc<dyn Notifier>
        });
        let workflows = inner.config.workflows.iter().map(|to| {
            Arc::new(Workflow {
                name: to.channel(),
                to: to.clone(),
                inner: Arc::clone(inner),
            }) as Arc<dyn Notifier>
        });
        posts.chain(workflows).collect()
    }

    /// The address that Teams calls, `POST /api/messages`; decisions go to this gate.
    pub fn router(&self, gate: Gate) -> Router {
        Router::new()
            .route("/api/messages", post(receive))
            .layer(DefaultBodyLimit::max(MOST))
            .with_state((Arc::clone(&self.0), gate))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

async fn receive(
    State((inner, gate)): State<(Arc<Inner>, Gate)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (from, activity) = match inner.prove(&gate, &headers, &body).await {
        Ok(proven) => proven,
        Err(refusal) => return refusal.into_response(),
    };
    match activity.kind.as_str() {
        "invoke" if activity.name.as_deref() == Some("adaptiveCard/action") => {
            Json(inner.click(&gate, &from, &activity).await.to_json()).into_response()
        }
        "invoke" => StatusCode::NOT_IMPLEMENTED.into_response(),
        // `Action.Submit`, by which old clients would answer: nobody sees a card for it.
        "message" if activity.value.is_some() => StatusCode::BAD_REQUEST.into_response(),
        "message" | "conversationUpdate" | "installationUpdate" => inner.learn(&from, &activity),
        _ => StatusCode::OK.into_response(),
    }
}

impl Inner {
    /// The names of the channels that carry cards with buttons.
    pub(crate) fn posts(&self) -> impl Iterator<Item = String> {
        self.config.posts.iter().map(crate::config::Post::channel)
    }

    /// The proof that a call comes from the Bot Connector, for this app and this tenant.
    async fn prove(
        &self,
        gate: &Gate,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Verified, Activity), StatusCode> {
        let unproven = |refused: Refused| {
            tracing::warn!(%refused, "a call to the Teams channel is not proven");
            StatusCode::UNAUTHORIZED
        };
        let config = &self.config;
        let bearer = headers.get_all(header::AUTHORIZATION).iter();
        let bearer: Vec<_> = bearer.map(axum::http::HeaderValue::as_bytes).collect();
        let kid = inbound::named(&bearer).map_err(unproven)?;
        let fetch = inbound::fetch(&self.connector.web, &config.cloud);
        let keys = self.keys.keys(&kid, Instant::now(), fetch).await;
        let keys = keys.map_err(|error| {
            tracing::warn!(%error, "the keys of the Bot Connector cannot be had");
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        let claims = inbound::verify(&bearer, &keys, &config.app, &config.cloud, gate.now());
        let claims = claims.map_err(unproven)?;
        let activity: Activity =
            serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
        let from = claims.of(&activity.service_url, &activity.channel_id, &config.cloud);
        let from = from.map_err(unproven)?;
        if !activity.is_of(&config.tenant) {
            return Err(unproven(Refused("the activity is of another tenant")));
        }
        Ok((from, activity))
    }

    /// Remembers where the app was added, and forgets where it was removed.
    fn learn(&self, from: &Verified, activity: &Activity) -> Response {
        let own = activity.recipient.as_ref().map(|own| &own.id);
        let removed = activity.action.as_deref() == Some("remove")
            || activity
                .members_removed
                .iter()
                .any(|member| Some(&member.id) == own);
        let personal = activity.conversation.conversation_type.as_deref() == Some("personal");
        let person = activity.from.aad_object_id.as_deref().filter(|_| personal);
        let place = Place {
            service: from.service().as_str().to_owned(),
            person: person.map(str::to_ascii_lowercase),
        };
        let kept = match removed {
            true => self.places.forget(activity.root()),
            false => self.places.learn(activity.root(), place),
        };
        match kept {
            Ok(()) => StatusCode::OK.into_response(),
            Err(error) => {
                tracing::error!(%error, "where the app is installed could not be kept");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
