//! The connector's REST calls: post a card, change it, look up a member.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::{Cloud, ServiceUrl};
use crate::pace::Pace;
use crate::token::Tokens;
use crate::web::{self, WebError};

/// Calls connectors in the name of the app.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) web: Client,
    pub(crate) cloud: Cloud,
    pub(crate) tokens: Tokens,
    pub(crate) pace: Pace,
}

/// One posted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) conversation: String,
    pub(crate) activity: String,
}

/// Somebody in a conversation, as the connector says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) aad_object_id: Option<String>,
    pub(crate) object_id: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) user_role: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) agentic_user_id: Option<String>,
    pub(crate) agentic_app_id: Option<String>,
}

/// What a call came to when nothing went wrong on the way.
pub(crate) enum Answer {
    Done(Response),
    /// The conversation or the message is not there (any more), or not for us.
    Gone(StatusCode),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    id: Option<String>,
    activity_id: Option<String>,
}

impl Connector {
    /// Posts into a conversation that is there.
    pub(crate) async fn post(
        &self,
        service: &ServiceUrl,
        conversation: &str,
        activity: &Value,
    ) -> Result<Message, WebError> {
        let path = format!("conversations/{}/activities", escaped(conversation));
        let posted: Posted = self
            .answered(service, Method::POST, &path, Some(activity))
            .await?;
        let activity = posted.id.ok_or_else(no_id)?;
        Ok(Message {
            conversation: conversation.to_owned(),
            activity,
        })
    }

    /// Begins a new thread in a channel.
    pub(crate) async fn thread(
        &self,
        service: &ServiceUrl,
        channel: &str,
        tenant: &str,
        activity: &Value,
    ) -> Result<Message, WebError> {
        let body = json!({
            "isGroup": true, "tenantId": tenant, "activity": activity,
            "channelData": {"channel": {"id": channel}, "tenant": {"id": tenant}},
        });
        let posted: Posted = self
            .answered(service, Method::POST, "conversations", Some(&body))
            .await?;
        let conversation = posted.id.ok_or_else(no_id)?;
        let named = || Some(conversation.split_once(";messageid=")?.1.to_owned());
        let activity = posted.activity_id.or_else(named).ok_or_else(no_id)?;
        Ok(Message {
            conversation,
            activity,
        })
    }

    /// The conversation of the app with one person, made when it is not there.
    pub(crate) async fn chat_with(
        &self,
        service: &ServiceUrl,
        app: &str,
        person: &str,
        tenant: &str,
    ) -> Result<String, WebError> {
        let body = json!({
            "bot": {"id": format!("28:{app}")}, "members": [{"id": person}], "isGroup": false,
            "tenantId": tenant, "channelData": {"tenant": {"id": tenant}},
        });
        let posted: Posted = self
            .answered(service, Method::POST, "conversations", Some(&body))
            .await?;
        posted.id.ok_or_else(no_id)
    }

    /// Draws a message anew.
    pub(crate) async fn update(
        &self,
        service: &ServiceUrl,
        message: &Message,
        activity: &Value,
    ) -> Result<Answer, WebError> {
        let path = format!(
            "conversations/{}/activities/{}",
            escaped(&message.conversation),
            escaped(&message.activity)
        );
        self.call(service, Method::PUT, &path, Some(activity)).await
    }

    /// Somebody in a conversation; none when the connector knows nobody by that id there.
    pub(crate) async fn member(
        &self,
        service: &ServiceUrl,
        conversation: &str,
        id: &str,
    ) -> Result<Option<Member>, WebError> {
        let path = format!(
            "conversations/{}/members/{}",
            escaped(conversation),
            escaped(id)
        );
        match self.call(service, Method::GET, &path, None).await? {
            Answer::Done(answer) => web::json(answer).await.map(Some),
            Answer::Gone(_) => Ok(None),
        }
    }

    async fn answered(
        &self,
        service: &ServiceUrl,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Posted, WebError> {
        match self.call(service, method, path, body).await? {
            Answer::Done(answer) => web::json(answer).await,
            Answer::Gone(status) => Err(WebError::new(format!(
                "Teams refused with {status}; check that the app is installed where it is to post"
            ))),
        }
    }

    async fn call(
        &self,
        service: &ServiceUrl,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, WebError> {
        let url = format!("{}/v3/{path}", service.as_str());
        // A limit is for one kind of call in one conversation.
        let place: Vec<_> = path.split('/').take(2).collect();
        let whom = format!("{method} {}", place.join("/"));
        let mut tries = self.pace.begin("Teams", whom)?;
        loop {
            let answer = self.send(&method, &url, body).await?;
            let Some(answer) = tries.settled(answer).await? else {
                continue;
            };
            let status = answer.status();
            return match status.as_u16() {
                200..=299 => Ok(Answer::Done(answer)),
                403 | 404 | 410 => Ok(Answer::Gone(status)),
                _ => Err(WebError::new(format!("Teams answered with {status}"))),
            };
        }
    }

    /// One call with our token; with a new one, when the old one was taken back before its time.
    async fn send(
        &self,
        method: &Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Response, WebError> {
        let mut renewed = false;
        loop {
            let token = self.tokens.get(&self.web, &self.cloud).await?;
            let call = self.web.request(method.clone(), url);
            let call = call.bearer_auth(token.reveal());
            let call = body.into_iter().fold(call, |call, body| call.json(body));
            let answer = call.send().await.map_err(|error| WebError::of(&error))?;
            if answer.status() != StatusCode::UNAUTHORIZED || renewed {
                return Ok(answer);
            }
            self.tokens.forget().await;
            renewed = true;
        }
    }
}

fn escaped(part: &str) -> String {
    utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()
}

fn no_id() -> WebError {
    WebError::new("Teams did not say what it calls the message")
}
