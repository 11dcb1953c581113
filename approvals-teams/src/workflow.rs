//! A Workflows webhook: it tells a channel that something waits, and where to decide it.
//!
//! It goes one way. Whoever clicks is known to nobody there, so its card has a link and no button
//! that decides, and it shows nothing of the request but its scope and its id.

use std::fmt;
use std::sync::Arc;

use approvals_core::ports::{Delivery, Notice, Notifier, NotifyError};
use async_trait::async_trait;
use reqwest::Response;
use serde_json::{Value, json};

use crate::app::Inner;
use crate::config;
use crate::web::WebError;

/// One webhook as a channel.
pub(crate) struct Workflow {
    pub(crate) name: String,
    pub(crate) to: config::Workflow,
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workflow").field(&self.name).finish()
    }
}

#[async_trait]
impl Notifier for Workflow {
    fn name(&self) -> &str {
        &self.name
    }

    async fn notify(&self, notice: &Notice) -> Result<Vec<Delivery>, NotifyError> {
        let card = &notice.card;
        let here = Delivery::to(card.status.as_str());
        if notice.copies().contains(&here) {
            return Ok(vec![here]);
        }
        let text = |text: &str| json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]});
        let body = [
            text(&format!("{} is {}", card.action.scope, card.status)),
            text(&card.request.to_string()),
        ];
        let message = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "type": "AdaptiveCard", "version": "1.5", "body": body,
                    "actions": [{"type": "Action.OpenUrl", "title": "Open approvals", "url": self.to.link}],
                },
            }],
        });
        let answer = self.send(&message).await;
        let answer = answer.map_err(|error| NotifyError(error.to_string()))?;
        match answer.status().is_success() {
            true => Ok(vec![here]),
            false => Err(NotifyError(format!(
                "the workflow answered with {}",
                answer.status()
            ))),
        }
    }
}

impl Workflow {
    async fn send(&self, message: &Value) -> Result<Response, WebError> {
        let connector = &self.inner.connector;
        let mut tries = connector.pace.begin("the workflow", self.name.clone())?;
        loop {
            let call = connector.web.post(self.to.url.reveal()).json(message);
            // The URL is a secret, so that no error may quote it.
            let answer = call.send().await.map_err(|error| WebError::of(&error))?;
            if let Some(answer) = tries.settled(answer).await? {
                return Ok(answer);
            }
        }
    }
}
