//! `approvals anchor`: one round of asking the witnesses.

use approvals_core::ledger::WitnessedHead;
use serde_json::json;

use crate::answer::Answer;
use crate::args::Cli;
use crate::failure::Failure;
use crate::state;

/// Waits until a quorum has cosigned all there is. That is on record when the gate has gone.
pub(crate) async fn run(cli: &Cli) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    state.gate.anchor().await?;
    let status = state.gate.anchoring();
    drop(state);
    let head = status.as_ref().and_then(|status| status.anchored.as_ref());
    let (size, at, by) = match head {
        Some(WitnessedHead { size, at, by, .. }) => (*size, at.to_string(), by.join(", ")),
        None => (0, String::new(), String::new()),
    };
    let mut text = format!("anchored to size {size} at {at}\ncosigned by {by}\n");
    let problems = status.as_ref().map(|status| status.problems.as_slice());
    for problem in problems.unwrap_or_default() {
        text += &format!("problem: {problem}\n");
    }
    Ok(Answer::new(text, json!({ "anchoring": status })))
}
