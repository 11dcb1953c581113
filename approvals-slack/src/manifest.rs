//! The manifest of the app: exactly what the channel needs, and nothing more.

use serde_json::{Value, json};

use crate::config::Mode;
use crate::http::PATH;

/// The manifest to make the app from at <https://api.slack.com/apps>; `base` is the public address
/// of `approvals serve`, which only HTTP needs.
///
/// The app reads no messages and has no command: it posts, redraws, and asks who somebody is.
#[must_use]
pub fn manifest(mode: Mode, base: Option<&str>) -> Value {
    let mut interactivity = json!({ "is_enabled": true });
    if let (Mode::Http, Some(base), Some(fields)) = (mode, base, interactivity.as_object_mut()) {
        let url = format!("{}{PATH}", base.trim_end_matches('/'));
        fields.insert("request_url".to_owned(), json!(url));
    }
    json!({
        "display_information": {
            "name": "approvals",
            "description": "Asks people before automation does something privileged",
        },
        "features": {
            "bot_user": { "display_name": "approvals", "always_online": true },
        },
        "oauth_config": { "scopes": { "bot": SCOPES } },
        "settings": {
            "interactivity": interactivity,
            "org_deploy_enabled": false,
            "socket_mode_enabled": mode == Mode::Socket,
            "token_rotation_enabled": false,
        },
    })
}

/// What the bot token must be able to do.
pub(crate) const SCOPES: &[&str] = &[
    "chat:write",
    "im:write",
    "channels:read",
    "groups:read",
    "users:read",
    "users:read.email",
];
