//! What Slack sends through a socket. The official clients take these frames, so that ours is tried
//! with nothing else.

use serde_json::{Value, json};

use super::{APP, CHANNEL, TEAM, button};

pub(crate) fn hello(app: &str) -> Value {
    json!({
        "type": "hello",
        "num_connections": 1,
        "connection_info": { "app_id": app },
        "debug_info": { "host": "applink", "approximate_connection_time": 18_060 },
    })
}

pub(crate) fn disconnect(reason: &str) -> Value {
    json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "applink" } })
}

/// A callback in its envelope.
pub(crate) fn interactive(envelope: &str, payload: &Value) -> Value {
    json!({
        "envelope_id": envelope,
        "type": "interactive",
        "accepts_response_payload": true,
        "payload": payload,
    })
}

/// Somebody presses Approve on a card.
pub(crate) fn click(user: &str, card: &Value, envelope: &str) -> Value {
    let action = button(card, "approvals.approve").unwrap();
    let payload = json!({
        "type": "block_actions",
        "api_app_id": APP,
        "team": { "id": TEAM, "domain": "acme" },
        "user": { "id": user, "team_id": TEAM },
        "container": { "type": "message", "channel_id": CHANNEL, "message_ts": card["ts"] },
        "trigger_id": "1.2.3",
        "actions": [{ "type": "button", "action_id": "approvals.approve", "block_id": "approvals.decide", "value": action["value"], "action_ts": "1.5" }],
    });
    interactive(envelope, &payload)
}
