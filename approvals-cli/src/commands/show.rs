//! `approvals show`: one request, whole.

use approvals_core::Status;
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, One};
use crate::failure::Failure;
use crate::{draw, request, state};

pub(crate) async fn run(cli: &Cli, one: &One) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, &one.id).await?;
    // What ran out of time is shown as such.
    state.gate.sweep().await?;
    let card = state.gate.card(id).await?;
    let history = state.gate.journal().history(id).await?;
    let mut text = draw::card_text(&card);
    text.push_str("\nhistory (UTC)\n");
    text.push_str(&draw::history_text(&history));
    if card.status == Status::Pending {
        let approve = state::command(cli, &format!("approve {id}"));
        let deny = state::command(cli, &format!("deny {id} --reason \"…\""));
        text.push_str(&format!("\ndecide\n  {approve}\n  {deny}\n"));
    }
    let mut json = draw::card_json(&card);
    if let Some(members) = json.as_object_mut() {
        members.insert("history".to_owned(), draw::history_json(&history));
    }
    Ok(Answer::new(text, json!({ "request": json })))
}
