//! `approvals erase`: two people let what people were shown of a request be destroyed.

use std::time::Duration;

use approvals_core::erasure::Erasure;
use approvals_core::ledger::Entry;
use approvals_core::{Agent, Code, PersonId, RequestId};
use serde_json::{Value, json};

use crate::answer::{Answer, Printer};
use crate::args::{Cli, Erase};
use crate::failure::Failure;
use crate::sign::SigningKey;
use crate::state::State;
use crate::{request, state};

/// The agent that asks: this command.
const AGENT: &str = "approvals-cli";

pub(crate) async fn run(cli: &Cli, printer: &Printer, erase: &Erase) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, &erase.one.id).await?;
    let before = recorded(&state, id).await?;
    let done = match before {
        Some(done) => done,
        None => match ask(cli, printer, &state, id, erase).await? {
            Ok(erasure) => Done::of(&erasure),
            Err(waiting) => return Ok(waiting),
        },
    };
    // Done again when it was erased before: whatever was interrupted is finished.
    let scrubbed = state.gate.scrub().await.is_ok();
    let wrapped = match erase.keep_key {
        true => None,
        false => Some(replace(cli, &state, id).await?),
    };
    Ok(report(cli, id, &done, before.is_some(), scrubbed, wrapped))
}

/// Replaces the disclosure key.
pub(crate) async fn rewrap(cli: &Cli) -> Result<Answer, Failure> {
    let state = state::open(cli).await?;
    let journal = state.gate.journal();
    let wrapped = state.home.replace_disclosure_key(journal).await?;
    let text = format!("{}{BACKUP}", replaced(wrapped));
    Ok(Answer::new(text, json!({ "rewrapped": wrapped })))
}

/// What the log says of an erasure.
#[derive(Debug, Clone, Copy)]
struct Done {
    authority: RequestId,
    record: u64,
}

impl Done {
    fn of(erasure: &Erasure) -> Self {
        Self {
            authority: erasure.authority,
            record: erasure.record,
        }
    }
}

/// The erasure of this request, if it is on record.
async fn recorded(state: &State, id: RequestId) -> Result<Option<Done>, Failure> {
    let history = state.gate.journal().history(id).await?;
    Ok(history.iter().find_map(|record| match &record.entry {
        Entry::Request(_, approvals_core::lifecycle::Event::Erased(erased)) => Some(Done {
            authority: erased.authority,
            record: record.seq,
        }),
        _ => None,
    }))
}

/// Asks two people, and erases once they have approved; otherwise the answer that they have not yet.
async fn ask(
    cli: &Cli,
    printer: &Printer,
    state: &State,
    id: RequestId,
    erase: &Erase,
) -> Result<Result<Erasure, Answer>, Failure> {
    let person = asker(state, erase)?;
    // One run for each request: the same command finds what it asked before.
    let agent = Agent::new(AGENT)
        .on_behalf_of(person.to_string())
        .run(format!("erase {id}"));
    let first = agent.clone().wait(Duration::ZERO);
    let pending = match state.gate.erase(first, id, &erase.basis).await {
        Err(error) if error.code() == Code::Pending => error,
        done => return Ok(Ok(done?)),
    };
    let Some(authority) = pending.request() else {
        return Err(pending.into());
    };
    let approve = state::command(cli, &format!("approve {authority}"));
    let asked = format!("asked as {authority}; two people decide it, each with: {approve}\n");
    if erase.detach {
        let again = "nothing is erased yet: run the same command again when they have\n";
        let json = json!({ "erased": Value::Null, "waits_for": authority });
        return Ok(Err(Answer::new(asked + again, json).passed(false)));
    }
    printer.show(&asked);
    Ok(Ok(state.gate.erase(agent, id, &erase.basis).await?))
}

/// Who asks, and so cannot approve.
fn asker(state: &State, erase: &Erase) -> Result<PersonId, Failure> {
    if let Some(person) = &erase.signer.person {
        return Ok(person.clone());
    }
    let key = SigningKey::find(erase.signer.key.as_deref())?;
    key.person(state.home.people(), None)
}

async fn replace(cli: &Cli, state: &State, id: RequestId) -> Result<u64, Failure> {
    let replaced = state.home.replace_disclosure_key(state.gate.journal());
    replaced.await.map_err(|error| {
        let code = error.code();
        let again = state::command(cli, "key rewrap");
        let message = format!(
            "erased and on record, but the disclosure key is not replaced, so that backups of the store may still open it: {error}; then run `{again}`"
        );
        Failure::new(code, message).about(id)
    })
}

fn report(
    cli: &Cli,
    id: RequestId,
    done: &Done,
    before: bool,
    scrubbed: bool,
    wrapped: Option<u64>,
) -> Answer {
    let Done { authority, record } = done;
    let when = if before {
        "was erased before"
    } else {
        "is erased"
    };
    let mut text = format!("{id} {when}: record {record}, under {authority}\n");
    if !scrubbed {
        text += "bytes of it may lie in the store until it overwrites them; what they hold cannot be opened without its data key\n";
    }
    match wrapped {
        Some(wrapped) => text += &format!("{}{BACKUP}", replaced(wrapped)),
        None => {
            let later = state::command(cli, "key rewrap");
            text += &format!("backups of the store still open it until you run: {later}\n");
        }
    }
    let receipt = state::command(cli, &format!("receipt {id} --record {record}"));
    text += &format!("proof of it: {receipt}\n");
    let erased = json!({ "request": id, "authority": authority, "record": record });
    let json = json!({
        "erased": erased, "before": before, "scrubbed": scrubbed, "rewrapped": wrapped,
    });
    Answer::new(text, json)
}

fn replaced(wrapped: u64) -> String {
    format!("the disclosure key is replaced, and {wrapped} data keys are wrapped by the new one\n")
}

const BACKUP: &str = "older backups of the store open nothing now: make a new one\n";
