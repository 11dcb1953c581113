//! Calls of Slack's Web API: every one has an end, and every answer but a plain yes is an error.

mod http;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use approvals_core::secret::Secret;
use approvals_core::{ApprovalError, Code};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) use http::{HttpWeb, tls};

use crate::config::{CALL, Config};
use crate::secret::Secrets;

/// Carries one call to Slack; what stands between us and the network, and what a test puts there.
///
/// It follows no redirect, sends the token to no other place than Slack's API, and may be dropped
/// at any time.
#[async_trait]
pub trait Web: Send + Sync + fmt::Debug {
    /// Posts one method and gives the whole answer.
    ///
    /// # Errors
    /// A text without secrets when there is no answer.
    async fn post(&self, call: Call<'_>) -> Result<Reply, String>;
}

/// One call.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Call<'a> {
    /// The method: `chat.postMessage`.
    pub method: &'a str,
    /// Goes into the `Authorization` header and nowhere else.
    pub token: &'a Secret,
    /// The arguments.
    pub body: &'a Value,
    /// Whether the method only takes forms, as those that read do.
    pub form: bool,
}

/// What Slack answered.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status; Slack says 200 also when it refuses.
    pub status: u16,
    /// For how many seconds not to ask again.
    pub retry_after: Option<u64>,
    /// What the token may do, as the answer to every call tells.
    pub scopes: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a call did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Not before that long.
    Limited(Duration),
    /// Slack's own word for why not.
    Refused(String),
    /// No answer, or none that can be read.
    Unavailable(String),
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(wait) => write!(f, "slack asks to wait {} s", wait.as_secs()),
            Self::Refused(code) => write!(f, "slack refuses with `{code}`"),
            Self::Unavailable(why) => write!(f, "slack does not answer: {why}"),
        }
    }
}

/// The calls that a channel makes, with the tokens it makes them with.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    web: Arc<dyn Web>,
    secrets: Secrets,
    /// Until when Slack asked us to leave a method alone.
    paused: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Api {
    pub(crate) fn new(web: Arc<dyn Web>, secrets: Secrets) -> Self {
        Self {
            web,
            secrets,
            paused: Arc::default(),
        }
    }

    pub(crate) fn over_http(config: &Config, secrets: Secrets) -> Result<Self, ApprovalError> {
        let web = HttpWeb::new(&config.api).map_err(|why| {
            ApprovalError::new(Code::Misuse, format!("slack cannot be called: {why}"))
        })?;
        Ok(Self::new(Arc::new(web), secrets))
    }

    /// Posts a message and gives the channel and time that name it.
    pub(crate) async fn post_message(&self, body: &Value) -> Result<(String, String), ApiError> {
        let answer = self.write("chat.postMessage", body).await?;
        match (text(&answer, "channel"), text(&answer, "ts")) {
            (Some(channel), Some(ts)) => Ok((channel, ts)),
            _ => Err(ApiError::Unavailable(
                "it does not say where the message is".to_owned(),
            )),
        }
    }

    pub(crate) async fn write(&self, method: &str, body: &Value) -> Result<Value, ApiError> {
        self.call(method, &self.secrets.bot, body, false)
            .await
            .map(|(answer, _)| answer)
    }

    pub(crate) async fn read(&self, method: &str, body: &Value) -> Result<Value, ApiError> {
        self.call(method, &self.secrets.bot, body, true)
            .await
            .map(|(answer, _)| answer)
    }

    /// Who we are, and what our token may do.
    pub(crate) async fn whoami(&self) -> Result<(Value, Vec<String>), ApiError> {
        let (answer, scopes) = self
            .call("auth.test", &self.secrets.bot, &json!({}), true)
            .await?;
        let scopes = scopes.unwrap_or_default();
        let scopes = scopes.split(',').map(|scope| scope.trim().to_owned());
        Ok((answer, scopes.filter(|scope| !scope.is_empty()).collect()))
    }

    /// The address of a new socket.
    pub(crate) async fn open_socket(&self, app: &Secret) -> Result<String, ApiError> {
        let (answer, _) = self
            .call("apps.connections.open", app, &json!({}), true)
            .await?;
        text(&answer, "url").ok_or_else(|| ApiError::Unavailable("it names no socket".to_owned()))
    }

    async fn call(
        &self,
        method: &str,
        token: &Secret,
        body: &Value,
        form: bool,
    ) -> Result<(Value, Option<String>), ApiError> {
        if let Some(wait) = self.pause(method) {
            return Err(ApiError::Limited(wait));
        }
        let call = Call {
            method,
            token,
            body,
            form,
        };
        let reply = match tokio::time::timeout(CALL, self.web.post(call)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(why)) => return Err(ApiError::Unavailable(why)),
            Err(_) => {
                return Err(ApiError::Unavailable(format!(
                    "not within {} s",
                    CALL.as_secs()
                )));
            }
        };
        let scopes = reply.scopes.clone();
        let answer = read(&reply);
        if let Err(ApiError::Limited(wait)) = &answer {
            let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            paused.insert(method.to_owned(), Instant::now() + *wait);
        }
        Ok((answer?, scopes))
    }

    fn pause(&self, method: &str) -> Option<Duration> {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let left = paused.get(method)?.checked_duration_since(Instant::now());
        if left.is_none() {
            paused.remove(method);
        }
        left
    }
}

/// Only HTTP 200 with `"ok": true` is a yes.
fn read(reply: &Reply) -> Result<Value, ApiError> {
    let limited = || {
        // Without a word how long, a while; and never for ever.
        let seconds = reply.retry_after.unwrap_or(5).clamp(1, 3_600);
        ApiError::Limited(Duration::from_secs(seconds))
    };
    if reply.status == 429 {
        return Err(limited());
    }
    if reply.status != 200 {
        return Err(ApiError::Unavailable(format!(
            "HTTP status {}",
            reply.status
        )));
    }
    let answer: Value = serde_json::from_slice(&reply.body)
        .map_err(|_| ApiError::Unavailable("the answer is no JSON".to_owned()))?;
    if answer.get("ok") == Some(&Value::Bool(true)) {
        return Ok(answer);
    }
    match text(&answer, "error") {
        Some(code) if code == "ratelimited" || code == "rate_limited" => Err(limited()),
        Some(code) => Err(ApiError::Refused(code.chars().take(80).collect())),
        None => Err(ApiError::Unavailable(
            "the answer says neither yes nor why".to_owned(),
        )),
    }
}

pub(crate) fn text(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_one() {
        let check = |status, retry_after, body: &str, wanted: Result<(), ApiError>| {
            let reply = Reply {
                status,
                retry_after,
                scopes: None,
                body: body.as_bytes().to_vec(),
            };
            assert_eq!(read(&reply).map(drop), wanted, "{status} {body}");
        };
        let unavailable = |why: &str| Err(ApiError::Unavailable(why.to_owned()));
        check(200, None, r#"{"ok":true}"#, Ok(()));
        check(
            200,
            None,
            r#"{"ok":false,"error":"x"}"#,
            Err(ApiError::Refused("x".to_owned())),
        );
        check(
            200,
            None,
            r#"{"ok":"true"}"#,
            unavailable("the answer says neither yes nor why"),
        );
        check(200, None, "<html>", unavailable("the answer is no JSON"));
        check(302, None, r#"{"ok":true}"#, unavailable("HTTP status 302"));
        check(503, None, r#"{"ok":true}"#, unavailable("HTTP status 503"));
        check(
            429,
            Some(30),
            "",
            Err(ApiError::Limited(Duration::from_secs(30))),
        );
        check(
            429,
            None,
            "",
            Err(ApiError::Limited(Duration::from_secs(5))),
        );
    }
}
