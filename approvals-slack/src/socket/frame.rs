//! What goes through a socket.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One frame, as far as it is known; whatever else Slack sends is passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    pub(super) envelope_id: Option<String>,
    pub(super) payload: Option<Box<RawValue>>,
    pub(super) reason: Option<String>,
    pub(super) connection_info: Option<Connection>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Connection {
    pub(super) app_id: Option<String>,
}
