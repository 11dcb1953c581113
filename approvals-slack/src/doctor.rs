//! Whether everything is in place: asked of Slack itself, before somebody waits for a card.

use std::fmt;

use serde_json::{Value, json};

use crate::Slack;
use crate::api::{ApiError, text};
use crate::manifest::SCOPES;
use crate::secret::Way;

/// One thing that was looked at. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What is wrong and how to mend it; none when it is well.
    pub wrong: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            None => write!(f, "ok    {}", self.what),
            Some(wrong) => write!(f, "WRONG {}: {wrong}", self.what),
        }
    }
}

/// Looks at the token and its scopes, the workspace, every route, and the way that clicks come in.
/// It posts nothing.
pub async fn doctor(slack: &Slack) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |what: String, wrong: Option<String>| findings.push(Finding { what, wrong });
    match slack.api.whoami().await {
        Ok((answer, scopes)) => {
            found("the bot token is accepted".to_owned(), None);
            let team = text(&answer, "team_id").unwrap_or_default();
            let other = (team != slack.config.team).then(|| {
                format!("the token is of the workspace `{team}`; set `team` in slack.toml to it, or take the token of `{}`", slack.config.team)
            });
            found(format!("the workspace is {}", slack.config.team), other);
            found("the scopes of the bot token".to_owned(), lacking(&scopes));
        }
        Err(error) => found("the bot token is accepted".to_owned(), Some(mend(&error))),
    }
    for route in slack.config.routes() {
        found(
            format!("the route to {}", route.to()),
            place(slack, route.to()).await,
        );
    }
    match &slack.way {
        Way::Http { signing } => {
            let wrong = "it is not 32 hexadecimal digits, as Slack's are; copy it from `Basic Information` of the app";
            let text = signing.reveal();
            let right = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            found(
                "the signing secret".to_owned(),
                (!right).then(|| wrong.to_owned()),
            );
        }
        Way::Socket { app } => {
            let opened = slack.api.open_socket(app).await;
            found(
                "the app-level token opens a socket".to_owned(),
                opened.err().map(|error| mend(&error)),
            );
        }
    }
    findings
}

/// The scopes that are missing, where Slack tells which there are.
fn lacking(scopes: &[String]) -> Option<String> {
    if scopes.is_empty() {
        return Some(
            "slack does not tell them; compare them with `approvals slack manifest`".to_owned(),
        );
    }
    let lacks = |scope: &&&str| !scopes.iter().any(|have| have == **scope);
    let lacking: Vec<_> = SCOPES.iter().filter(lacks).copied().collect();
    let message = || {
        format!(
            "`{}` is missing; add it and install the app again",
            lacking.join("`, `")
        )
    };
    (!lacking.is_empty()).then(message)
}

async fn place(slack: &Slack, to: &str) -> Option<String> {
    if to.starts_with(['U', 'W']) {
        let asked = slack.api.read("users.info", &json!({ "user": to })).await;
        return asked.err().map(|error| mend(&error));
    }
    let answer = match slack
        .api
        .read("conversations.info", &json!({ "channel": to }))
        .await
    {
        Ok(answer) => answer,
        Err(error) => return Some(mend(&error)),
    };
    let is = |name: &str| answer.pointer(&format!("/channel/{name}")) == Some(&Value::Bool(true));
    if is("is_archived") {
        return Some("the channel is archived; take another".to_owned());
    }
    let shared = is("is_ext_shared") || is("is_shared") || is("is_org_shared");
    if shared && !slack.config.shared_channels {
        return Some(
            "the channel is shared with others than this workspace; take another".to_owned(),
        );
    }
    let here = is("is_member") || to.starts_with('D');
    (!here).then(|| "the app is not in the channel; write `/invite @approvals` there".to_owned())
}

fn mend(error: &ApiError) -> String {
    let hint = match error {
        ApiError::Refused(code) => match code.as_str() {
            "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" => {
                "copy the token again from `OAuth & Permissions` of the app"
            }
            "missing_scope" => {
                "add the scopes of `approvals slack manifest` and install the app again"
            }
            "channel_not_found" => "write the id of the channel, and invite the app to it",
            "user_not_found" => "write the id of the person, which begins with `U`",
            _ => "see Slack's documentation of the method",
        },
        ApiError::Limited(_) => "run it again later",
        ApiError::Unavailable(_) => "check the network, and `api` in slack.toml if it is there",
    };
    format!("{error}; {hint}")
}
