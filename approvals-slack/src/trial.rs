//! Whose tokens these are, as Slack says: for a first try, before there is a `slack.toml`.

use approvals_core::{ApprovalError, Code};
use serde_json::json;

use crate::api::{Api, text};
use crate::config::Config;
use crate::secret::{Secrets, Way};

impl Config {
    /// A channel in Socket Mode to one person, of the workspace that the tokens are of. Every
    /// request goes to that person's direct messages with the app.
    ///
    /// `api` is the address of a stand-in's Web API on this machine; none for Slack itself.
    ///
    /// # Errors
    /// `Misuse` when the secrets are not those of Socket Mode, when Slack does not take them, or
    /// when `person` is no user id.
    pub async fn trial(
        secrets: &Secrets,
        person: &str,
        api: Option<&str>,
    ) -> Result<Self, ApprovalError> {
        let app = app_of(secrets)?;
        let mut rows = vec![
            "version = 1".to_owned(),
            "mode = \"socket\"".to_owned(),
            format!("app = {}", quoted(&app)),
            format!("route = [{{ to = {} }}]", quoted(person)),
        ];
        rows.extend(api.map(|api| format!("api = {}", quoted(api))));
        let with = |team: &str| {
            let all = format!("{}\nteam = {}", rows.join("\n"), quoted(team));
            Self::parse(&all)
        };
        // Of the workspace nothing is known yet but the way there.
        let config = with("T00")?;
        let (answer, _) = Api::over_http(&config, secrets.clone())?
            .whoami()
            .await
            .map_err(|error| wrong(&format!("{error}; check the bot token and the network")))?;
        with(&text(&answer, "team_id").unwrap_or_default())
    }

    /// The workspace whose clicks count.
    #[must_use]
    pub fn team(&self) -> &str {
        &self.team
    }
}

/// The app, which its own token names: `xapp-1-A0123ABCD-…`.
fn app_of(secrets: &Secrets) -> Result<String, ApprovalError> {
    let Way::Socket { app } = &secrets.way else {
        return Err(wrong("a first try is made in Socket Mode"));
    };
    let named = app.reveal().split('-').nth(2).unwrap_or_default();
    match named.starts_with('A') {
        true => Ok(named.to_owned()),
        false => Err(wrong(
            "the app-level token names no app; copy it whole, as `xapp-1-A…`",
        )),
    }
}

/// A text as TOML writes it, too.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn wrong(message: &str) -> ApprovalError {
    ApprovalError::new(Code::Misuse, message)
}
