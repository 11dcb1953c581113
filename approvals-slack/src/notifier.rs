//! One route: posts each request once, redraws every copy, keeps a trail in its thread.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use approvals_core::{Card, RequestId, Status};
use async_trait::async_trait;
use ring::hmac;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{Api, ApiError};
use crate::config::{Config, Route};
use crate::names;
use crate::pace::{Pace, Turn};
use crate::render::{self, Drawing};

/// Carries requests to one channel or person. Several places are several of these, so that each is
/// tried again on its own.
pub(crate) struct Conversation {
    name: String,
    route: Route,
    config: Arc<Config>,
    api: Api,
    key: hmac::Key,
    pace: Mutex<Pace>,
    /// When the channel was last found to be within the workspace.
    checked: Mutex<Option<Instant>>,
    /// What the threads said last, so that a notice that comes twice adds nothing.
    said: Mutex<HashMap<RequestId, String>>,
}

impl Conversation {
    pub(crate) fn new(config: &Arc<Config>, route: &Route, api: &Api, key: &hmac::Key) -> Self {
        Self {
            name: names::channel(route.to()),
            route: route.clone(),
            config: Arc::clone(config),
            api: api.clone(),
            key: key.clone(),
            pace: Mutex::new(Pace::new(config.cards_per_minute)),
            checked: Mutex::default(),
            said: Mutex::default(),
        }
    }

    async fn post(&self, card: &Card) -> Result<Vec<Delivery>, NotifyError> {
        self.check_channel().await?;
        let turn = held(&self.pace).card(card.request, Instant::now());
        match turn {
            Turn::After(wait) => tokio::time::sleep(wait).await,
            Turn::Held(waiting) => {
                if let Some(waiting) = waiting {
                    self.sum_up(waiting).await;
                }
                let message = "too many requests at once: its card follows when there is room, and it can be decided elsewhere";
                return Err(NotifyError(message.to_owned()));
            }
        }
        let body = self.message(card, &[("channel", self.route.to())]);
        let (channel, ts) = self.api.post_message(&body).await.map_err(failed)?;
        Ok(vec![Delivery::to(names::place(
            &self.config.team,
            &channel,
            &ts,
        ))])
    }

    /// One message in place of many cards.
    async fn sum_up(&self, waiting: usize) {
        let text = format!(
            "Many requests at once: {waiting} or more wait for a decision and have no card here yet. Cards follow one by one; all of them are in `approvals list`."
        );
        let body = json!({
            "channel": self.route.to(),
            "text": render::escape(&text),
            "blocks": render::note(&text),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        // It is only good to have: each request is still due.
        if let Err(error) = self.api.post_message(&body).await {
            tracing::warn!(channel = self.name, %error, "a summary did not go out");
        }
    }

    async fn redraw(&self, card: &Card, copies: &[Delivery]) -> Result<(), NotifyError> {
        let mut result = Ok(());
        for copy in copies {
            let Some((channel, ts)) = names::of_place(&copy.place) else {
                continue;
            };
            let body = self.message(card, &[("channel", channel), ("ts", ts)]);
            match self.api.write("chat.update", &body).await {
                Ok(_) => self.say(card, channel, ts).await,
                // Somebody deleted it: there is nothing left that could be stale.
                Err(ApiError::Refused(code)) if GONE.contains(&code.as_str()) => {
                    tracing::warn!(approval.request = %card.request, channel = self.name, code, "a copy is gone");
                }
                Err(error) => result = Err(failed(error)),
            }
        }
        result
    }

    /// Adds to the thread of a copy what has changed.
    async fn say(&self, card: &Card, channel: &str, ts: &str) {
        let Some(trail) = render::trail(card) else {
            return;
        };
        if held(&self.said).get(&card.request) == Some(&trail) {
            return;
        }
        let Some(wait) = held(&self.pace).message(Instant::now()) else {
            return;
        };
        tokio::time::sleep(wait).await;
        let body = json!({
            "channel": channel,
            "thread_ts": ts,
            "text": render::escape(&trail),
            "blocks": render::note(&trail),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        match self.api.post_message(&body).await {
            Ok(_) => {
                let mut said = held(&self.said);
                if said.len() >= REMEMBERED {
                    said.clear();
                }
                said.insert(card.request, trail);
            }
            Err(error) => {
                tracing::warn!(approval.request = %card.request, channel = self.name, %error, "the trail lacks a line");
            }
        }
    }

    /// Refuses channels that people of other organizations read.
    async fn check_channel(&self) -> Result<(), NotifyError> {
        let person = self.route.to().starts_with(['U', 'W', 'D']);
        let fresh = held(&self.checked).is_some_and(|at| at.elapsed() < FRESH);
        if person || fresh || self.config.shared_channels {
            return Ok(());
        }
        let asked = json!({ "channel": self.route.to() });
        let answer = self
            .api
            .read("conversations.info", &asked)
            .await
            .map_err(failed)?;
        let shared = |name| answer.pointer(&format!("/channel/{name}")) == Some(&Value::Bool(true));
        if [
            "is_ext_shared",
            "is_shared",
            "is_org_shared",
            "is_pending_ext_shared",
        ]
        .into_iter()
        .any(shared)
        {
            let message = format!(
                "the channel `{}` is shared with others than this workspace; take another, or allow it with `shared_channels = true` in slack.toml",
                self.route.to()
            );
            return Err(NotifyError(message));
        }
        *held(&self.checked) = Some(Instant::now());
        Ok(())
    }

    fn message(&self, card: &Card, to: &[(&str, &str)]) -> Value {
        let link = self.config.link_of(card.request);
        let mut message = render::draw(
            card,
            Drawing {
                route: self.route.to(),
                key: &self.key,
                link: link.as_deref(),
            },
        );
        if let Some(fields) = message.as_object_mut() {
            fields.extend(
                to.iter()
                    .map(|(name, value)| ((*name).to_owned(), json!(value))),
            );
        }
        message
    }
}

#[async_trait]
impl Notifier for Conversation {
    fn name(&self) -> &str {
        &self.name
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let card = &notice.card;
        if !notice.copies().is_empty() {
            self.redraw(card, notice.copies()).await?;
            return Ok(notice.copies().to_vec());
        }
        let wanted = card.status == Status::Pending && self.route.takes(&card.action.scope);
        if !wanted {
            held(&self.pace).forget(card.request);
            return Ok(Vec::new());
        }
        self.post(card).await
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn failed(error: ApiError) -> NotifyError {
    NotifyError(error.to_string())
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Slack's words for a message that is not there any more.
const GONE: &[&str] = &["message_not_found", "channel_not_found", "is_archived"];

/// How long a look at the channel holds.
const FRESH: Duration = Duration::from_secs(60);

const REMEMBERED: usize = 4_096;
