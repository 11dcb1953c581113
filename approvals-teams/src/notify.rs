//! Carrying requests to conversations: one notifier for each, so that each is retried by itself.

use std::fmt;
use std::sync::Arc;

use approvals_core::Status;
use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use async_trait::async_trait;
use serde_json::Value;

use crate::app::Inner;
use crate::cards::Drawn;
use crate::cloud::ServiceUrl;
use crate::config::Post;
use crate::connector::{Answer, Message};
use crate::web::WebError;

/// One conversation as a channel.
pub(crate) struct Conversation {
    pub(crate) name: String,
    pub(crate) post: Post,
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conversation").field(&self.name).finish()
    }
}

#[async_trait]
impl Notifier for Conversation {
    fn name(&self) -> &str {
        &self.name
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let status = notice.card.status;
        let message = Drawn::of(&notice.card).message(status);
        let mut kept = Vec::new();
        for delivery in notice.copies() {
            let copy = parse(&delivery.place)
                .ok_or_else(|| error("a copy on record is none of this channel's"))?;
            let service = self.service(&copy.conversation)?;
            let drawn = self.inner.connector.update(&service, &copy, &message).await;
            match drawn.map_err(failed)? {
                Answer::Done(_) => kept.push(delivery.clone()),
                // Somebody deleted it. Then nobody can click on it, either.
                Answer::Gone(status) => {
                    tracing::info!(channel = self.name, %status, "a copy is gone")
                }
            }
        }
        // What nobody saw pending is not shown settled.
        if kept.is_empty() && status == Status::Pending {
            let posted = self.send(&message).await?;
            kept.push(Delivery::to(copy(&posted.conversation, &posted.activity)));
        }
        Ok(kept)
    }
}

impl Conversation {
    async fn send(&self, message: &Value) -> Result<Message, NotifyError> {
        let (connector, config) = (&self.inner.connector, &self.inner.config);
        let posted = match &self.post {
            Post::Chat(chat) => connector.post(&self.service(chat)?, chat, message).await,
            Post::Channel(channel) => {
                let service = self.service(channel)?;
                connector
                    .thread(&service, channel, &config.tenant, message)
                    .await
            }
            Post::Person(person) => {
                let service = self.service(person)?;
                let chat = match self.inner.places.chat_of(person) {
                    Some(chat) => Ok(chat),
                    None => {
                        connector
                            .chat_with(&service, &config.app, person, &config.tenant)
                            .await
                    }
                };
                connector
                    .post(&service, &chat.map_err(failed)?, message)
                    .await
            }
        };
        posted.map_err(failed)
    }

    fn service(&self, conversation: &str) -> Result<ServiceUrl, NotifyError> {
        let found = self
            .inner
            .places
            .service(conversation, &self.inner.config.cloud);
        found.ok_or_else(|| {
            error("the app is installed nowhere yet; add it to a team or chat in Teams")
        })
    }
}

/// How a copy is written in the records: the message, a space, its conversation.
pub(crate) fn copy(conversation: &str, activity: &str) -> String {
    format!("{activity} {conversation}")
}

fn parse(place: &str) -> Option<Message> {
    let (activity, conversation) = place.split_once(' ')?;
    Some(Message {
        conversation: conversation.to_owned(),
        activity: activity.to_owned(),
    })
}

fn error(message: &str) -> NotifyError {
    NotifyError(message.to_owned())
}

fn failed(error: WebError) -> NotifyError {
    NotifyError(error.to_string())
}
