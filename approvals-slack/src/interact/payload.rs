//! What Slack says of a click, read as far as it is needed; nothing in it is believed by itself.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One callback.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Payload {
    /// Somebody pressed a button of a message.
    BlockActions(Click),
    /// Somebody sent a form.
    ViewSubmission(Submission),
    /// Something else, of which nothing is decided.
    #[serde(other)]
    Other,
}

/// Who acts, where, through which app.
#[derive(Debug, Deserialize)]
pub(crate) struct Origin {
    pub(crate) api_app_id: Option<String>,
    pub(crate) team: Option<Named>,
    pub(crate) enterprise: Option<Named>,
    pub(crate) user: User,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) team_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Click {
    #[serde(flatten)]
    pub(crate) origin: Origin,
    pub(crate) container: Container,
    #[serde(default)]
    pub(crate) trigger_id: String,
    pub(crate) actions: Vec<Pressed>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Container {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) channel_id: String,
    #[serde(default)]
    pub(crate) message_ts: String,
    #[serde(default)]
    pub(crate) is_ephemeral: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) action_id: String,
    #[serde(default)]
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) action_ts: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Submission {
    #[serde(flatten)]
    pub(crate) origin: Origin,
    pub(crate) view: View,
}

#[derive(Debug, Deserialize)]
pub(crate) struct View {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) callback_id: String,
    #[serde(default)]
    pub(crate) private_metadata: String,
    #[serde(default)]
    state: Option<State>,
}

#[derive(Debug, Deserialize)]
struct State {
    values: BTreeMap<String, BTreeMap<String, Input>>,
}

#[derive(Debug, Deserialize)]
struct Input {
    value: Option<String>,
}

impl View {
    /// What was written into a field; empty when nothing was.
    pub(crate) fn written(&self, block: &str, action: &str) -> &str {
        let state = self.state.as_ref();
        let input = state.and_then(|state| state.values.get(block)?.get(action));
        input
            .and_then(|input| input.value.as_deref())
            .unwrap_or_default()
    }
}
