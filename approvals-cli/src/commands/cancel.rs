//! `approvals cancel`: an operator withdraws a request.

use approvals_core::{Code, Status};
use serde_json::json;

use crate::answer::Answer;
use crate::args::{Cli, One};
use crate::failure::Failure;
use crate::{draw, request, state};

pub(crate) async fn run(cli: &Cli, one: &One) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, &one.id).await?;
    state.gate.cancel(id).await?;
    let card = state.gate.card(id).await?;
    let (code, message) = match card.status {
        Status::Cancelled => {
            let json = json!({ "request": draw::card_json(&card) });
            return Ok(Answer::new(
                format!("withdrawn: {id}; nothing will run\n"),
                json,
            ));
        }
        Status::Denied => (Code::Denied, "it was denied before; nothing ran"),
        Status::Expired => (Code::Expired, "it ran out of time before; nothing ran"),
        Status::Pending | Status::Approved | Status::Failed => (
            Code::AlreadyConsumed,
            "too late: the approval has been used",
        ),
    };
    Err(Failure::new(code, message).about(id))
}
