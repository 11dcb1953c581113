//! Drawing: a card as Block Kit. Whatever an agent can influence stands in
//! `rich_text_preformatted`, where Slack interprets nothing; the words around it are ours.

mod blocks;
mod card;
mod literal;
mod modal;

pub(crate) use card::{Drawing, barred, draw, trail};
pub(crate) use modal::modal;

use serde_json::{Value, json};

/// A short answer to one person, in our own words.
pub(crate) fn note(text: &str) -> Value {
    json!([blocks::plain("approvals.note", text)])
}

/// The text that notifications and screen readers get: nothing in it is markup.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
