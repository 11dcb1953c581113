//! `approvals review`: one signed look at how the glass was broken.

use approvals_core::review::{PostStatement, commit_reason};
use approvals_core::sshsig;
use serde_json::json;

use super::decide::{GOOD_FOR, check_reason, nonce};
use crate::answer::{Answer, Printer};
use crate::args::{Cli, Reasoned};
use crate::failure::Failure;
use crate::sign::SigningKey;
use crate::{draw, request, state};

pub(crate) async fn run(cli: &Cli, printer: &Printer, post: &Reasoned) -> Result<Answer, Failure> {
    check_reason(Some(&post.reason))?;
    let state = state::open(cli).await?;
    let id = request::find(&state.gate, &post.one.id).await?;
    // No card, no review: what cannot be shown whole cannot be signed.
    let card = state.gate.card(id).await?;
    printer.show(&draw::card_text(&card));
    let key = SigningKey::find(post.signer.key.as_deref())?;
    let person = key
        .person(state.home.people(), post.signer.person.as_ref())
        .map_err(|failure| failure.about(id))?;
    let reason = commit_reason(&post.reason)?;
    let until = state.gate.now().after(GOOD_FOR);
    let used = (card.request, card.digest);
    let statement = PostStatement::new(used, person.clone(), &reason, nonce()?, until);
    let signature = key
        .sign_post(&statement)
        .map_err(|failure| failure.about(id))?;
    let now = state.gate.now();
    let review = sshsig::post_review(&statement.bytes()?, &signature, reason, now)?;
    state.gate.post_review(review).await?;
    let card = state.gate.card(id).await?;
    Ok(Answer::new(
        format!("\nreviewed by {person}; nothing is open about it any more\n"),
        json!({ "person": person, "request": draw::card_json(&card) }),
    ))
}
