//! Answers to an `adaptiveCard/action`: always HTTP 200, with what happened inside.

use serde_json::{Value, json};

use crate::cards::Drawn;

/// What the clicker gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The card as it is now.
    Card(Drawn),
    /// Words: why a click did not count.
    Message(String),
    /// The call itself was none that this app takes.
    Refused(&'static str),
    /// Something here did not work; nothing was counted.
    Broken,
}

impl Answer {
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Card(drawn) => {
                answer(200, "application/vnd.microsoft.card.adaptive", &drawn.card)
            }
            Self::Message(words) => answer(
                200,
                "application/vnd.microsoft.activity.message",
                &json!(words),
            ),
            Self::Refused(why) => error(400, "BadRequest", why),
            Self::Broken => error(
                500,
                "InternalServerError",
                "this could not be counted now; try again",
            ),
        }
    }
}

fn answer(status: u16, kind: &str, value: &Value) -> Value {
    json!({"statusCode": status, "type": kind, "value": value})
}

fn error(status: u16, code: &str, message: &str) -> Value {
    let value = json!({"code": code, "message": message});
    answer(status, "application/vnd.microsoft.error", &value)
}
