//! The few blocks that cards are made of, within Slack's limits.

use serde_json::{Value, json};

/// A line in large letters; our own words and checked names only.
pub(super) fn header(id: &str, text: &str) -> Value {
    json!({ "type": "header", "block_id": id, "text": plain_text(&clip(text, 150)) })
}

/// Text without any markup.
pub(crate) fn plain(id: &str, text: &str) -> Value {
    json!({ "type": "section", "block_id": id, "expand": true, "text": plain_text(&clip(text, 3_000)) })
}

/// A label of ours over a text that is drawn literally.
pub(super) fn literal(id: &str, label: &str, text: &str) -> Value {
    let label = json!({ "type": "text", "text": label, "style": { "bold": true } });
    json!({
        "type": "rich_text",
        "block_id": id,
        "elements": [
            { "type": "rich_text_section", "elements": [label] },
            { "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": text }] },
        ],
    })
}

pub(super) fn actions(id: &str, elements: Vec<Value>) -> Value {
    json!({ "type": "actions", "block_id": id, "elements": elements })
}

pub(super) fn button(action: &str, text: &str, style: &str, value: &str) -> Value {
    json!({
        "type": "button",
        "action_id": action,
        "style": style,
        "text": plain_text(text),
        "value": value,
    })
}

pub(super) fn link(action: &str, text: &str, url: &str) -> Value {
    json!({ "type": "button", "action_id": action, "text": plain_text(text), "url": url })
}

pub(super) fn plain_text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// At most so many characters; what is left out is marked.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.push('…');
    kept
}
