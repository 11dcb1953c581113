//! Activities, as far as they are read. What is not read cannot change an answer.

use serde::Deserialize;
use serde_json::Value;

/// What the Bot Connector sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) channel_id: String,
    pub(crate) service_url: String,
    pub(crate) reply_to_id: Option<String>,
    pub(crate) from: Account,
    pub(crate) recipient: Option<Account>,
    pub(crate) conversation: Conversation,
    pub(crate) channel_data: Option<ChannelData>,
    pub(crate) value: Option<Value>,
    #[serde(default)]
    pub(crate) members_removed: Vec<Account>,
}

/// Somebody, as the connector says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) aad_object_id: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) agentic_user_id: Option<String>,
    pub(crate) agentic_app_id: Option<String>,
}

/// Where it happened.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) conversation_type: Option<String>,
    pub(crate) tenant_id: Option<String>,
}

/// What Teams adds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ChannelData {
    pub(crate) tenant: Option<Named>,
    pub(crate) team: Option<Named>,
}

/// Something with an id.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
}

impl Activity {
    /// Whether everything in it that names a tenant names this one, and at least Teams does.
    pub(crate) fn is_of(&self, tenant: &str) -> bool {
        let data = self.channel_data.as_ref();
        let own = data.and_then(|data| data.tenant.as_ref());
        let other = self.conversation.tenant_id.as_deref();
        own.is_some_and(|own| own.id.eq_ignore_ascii_case(tenant))
            && other.is_none_or(|other| other.eq_ignore_ascii_case(tenant))
    }

    /// The conversation without the thread in it.
    pub(crate) fn root(&self) -> &str {
        self.conversation.id.split(';').next().unwrap_or_default()
    }

    /// Where the members of the conversation are listed: a channel's are its team's.
    pub(crate) fn roster(&self) -> &str {
        let data = self.channel_data.as_ref();
        let team = data.and_then(|data| data.team.as_ref());
        team.map_or(self.root(), |team| &team.id)
    }
}
