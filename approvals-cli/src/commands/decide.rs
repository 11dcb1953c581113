//! `approvals approve` and `approvals deny`: one signed decision.

use std::path::Path;
use std::time::Duration;

use approvals_core::review::{Statement, commit_reason};
use approvals_core::text::minute;
use approvals_core::{ApprovalError, Card, PersonId, RequestId, Status, Vote, id, sshsig};
use serde_json::{Value, json};

use super::receipt;
use crate::answer::{Answer, Printer};
use crate::args::{Cli, Signer};
use crate::failure::Failure;
use crate::save::NewFile;
use crate::sign::SigningKey;
use crate::state::State;
use crate::{draw, request, state};

/// How long a signed decision is worth anything.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(300);

/// What somebody wants to decide.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) vote: Vote,
    pub(crate) id: &'a str,
    pub(crate) reason: Option<&'a str>,
    pub(crate) signer: &'a Signer,
    /// Where the receipt of the decision is to be saved.
    pub(crate) receipt: Option<&'a Path>,
}

pub(crate) async fn run(cli: &Cli, printer: &Printer, wish: Wish<'_>) -> Result<Answer, Failure> {
    check_reason(wish.reason)?;
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, wish.id).await?;
    // No card, no decision: what cannot be shown whole cannot be signed.
    let card = state.gate.card(id).await?;
    printer.show(&draw::card_text(&card));
    let key = SigningKey::find(wish.signer.key.as_deref())?;
    let person = key
        .person(state.home.people(), wish.signer.person.as_ref())
        .map_err(|failure| failure.about(id))?;
    let file = wish.receipt.map(NewFile::create).transpose()?;
    let record = review(&state, &card, &wish, &key, &person).await?;
    let receipt = match file {
        Some(file) => Some(receipt::save(&state.gate, id, record, file).await?),
        None => None,
    };
    report(&state, id, wish.vote, &person, receipt).await
}

/// An empty reason is none, and an answer to nobody.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Failure> {
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        let message = "the reason is empty; say why in a few words with `--reason`";
        return Err(Failure::usage(message));
    }
    Ok(())
}

/// Signs exactly what was shown, and hands it to the gate; gives the record of the vote.
async fn review(
    state: &State,
    card: &Card,
    wish: &Wish<'_>,
    key: &SigningKey,
    person: &PersonId,
) -> Result<u64, Failure> {
    let reason = wish.reason.map(commit_reason).transpose()?;
    let decided = (card.request, card.digest, card.policy, wish.vote);
    let until = state.gate.now().after(GOOD_FOR);
    let statement = Statement::new(decided, person.clone(), reason.as_ref(), nonce()?, until);
    let signature = key
        .sign(&statement)
        .map_err(|failure| failure.about(card.request))?;
    let review = sshsig::review(&statement.bytes()?, &signature, reason, state.gate.now())?;
    Ok(state.gate.review(review).await?.record)
}

pub(super) fn nonce() -> Result<String, Failure> {
    let bytes = id::random::<16>().map_err(ApprovalError::from)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Says what the decision led to.
async fn report(
    state: &State,
    id: RequestId,
    vote: Vote,
    person: &PersonId,
    receipt: Option<Value>,
) -> Result<Answer, Failure> {
    let card = state.gate.card(id).await?;
    let mut json = json!({ "vote": vote, "person": person, "request": draw::card_json(&card) });
    if let (Some(receipt), Some(members)) = (receipt, json.as_object_mut()) {
        members.insert("receipt".to_owned(), receipt);
    }
    Ok(Answer::new(
        format!("\n{}\n", outcome(&card, vote, person)),
        json,
    ))
}

fn outcome(card: &Card, vote: Vote, person: &PersonId) -> String {
    if vote == Vote::Deny {
        return format!("denied by {person}; nothing will run");
    }
    let yes = card.votes.iter().filter(|(_, vote)| *vote == Vote::Approve);
    let people: Vec<String> = yes.map(|(person, _)| person.to_string()).collect();
    match (card.status, card.approved_until) {
        (Status::Pending, _) => format!("counted: {} so far", draw::progress_text(&card.progress)),
        (Status::Approved, Some(until)) => format!(
            "approved by {}; it may run until {} UTC",
            people.join(", "),
            minute(until)
        ),
        (Status::Approved, None) => format!(
            "approved by {}; it is running or has run",
            people.join(", ")
        ),
        (status, _) => format!("counted; the request is {status} now"),
    }
}
