//! The form that asks why.

use serde_json::{Value, json};

use super::blocks;
use crate::names;

/// Asks for the reason of a denial; `kept` comes back with the answer, and proves nothing about who
/// gives it.
pub(crate) fn modal(trigger: &str, request: &str, kept: &str) -> Value {
    let about =
        format!("{request} ends here, and nothing of it runs. The reason is kept in the log.");
    json!({
        "trigger_id": trigger,
        "view": {
            "type": "modal",
            "callback_id": names::MODAL,
            "private_metadata": kept,
            "title": blocks::plain_text("Deny the request"),
            "submit": blocks::plain_text("Deny"),
            "close": blocks::plain_text("Back"),
            "blocks": [
                blocks::plain("approvals.about", &about),
                {
                    "type": "input",
                    "block_id": names::REASON,
                    "label": blocks::plain_text("Why"),
                    "element": {
                        "type": "plain_text_input",
                        "action_id": names::REASON_TEXT,
                        "multiline": true,
                        "max_length": 1000,
                    },
                },
            ],
        },
    })
}
