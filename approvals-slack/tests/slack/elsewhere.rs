//! Decided in Slack or elsewhere, or by nobody: every copy is drawn again, and its thread says so.

use std::time::Duration;

use approvals_core::review::Evidence;
use approvals_core::{
    Assurance, Gate, IdentityKey, PersonId, RequestId, Review, Status, VerifiedApprover, Vote,
};
use approvals_slack::Mode;

use crate::support::{World, bot, button, copy_table, drop_table, waiting};

/// A decision through another channel, of which Slack hears from the log only.
async fn decide(gate: &Gate, request: RequestId, provider: &str, person: &str, vote: Vote) {
    let card = gate.card(request).await.unwrap();
    let identity = match provider {
        "local" => {
            let person: PersonId = person.parse().unwrap();
            approvals_core::directory::local_identity(&person).unwrap()
        }
        _ => IdentityKey::new(provider, "", person).unwrap(),
    };
    let evidence = Evidence::new(provider).with("by", "a test");
    let approver = VerifiedApprover::assertion(identity, Assurance::A1, evidence);
    let review = Review::new(approver, request, card.digest, card.policy, vote);
    let review = match vote {
        Vote::Approve => review,
        Vote::Deny => review.because("seen elsewhere").unwrap(),
    };
    gate.review(review).await.unwrap();
}

/// Where a state of the request comes from.
enum Source {
    /// A click in Slack.
    Slack,
    /// Another process with the same store, as the web inbox and the command line are.
    Web(Vote),
    Cli(Vote),
    Expiry,
    Cancel,
}

/// Whatever ends it: the one copy is drawn again where it is, loses its buttons, and its thread
/// keeps a line of it.
async fn redrawn(source: Source, title: &str) {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let call = app.gate.enter(bot(), drop_table("users".to_owned())).await;
    let request = waiting(&call.unwrap_err());
    let card = world.copy_of(request).await;
    // The process that posted it is gone; the one that draws it knows nothing but the log.
    app.end().await;
    let app = world.start().await;
    match source {
        Source::Slack => {
            let payload = world.genuine("U02DANA", &card, "approvals.approve").await;
            world.send(&payload).await;
        }
        Source::Web(vote) => {
            let other = world.other_process().await;
            decide(&other, request, "local", "u_erin", vote).await;
        }
        Source::Cli(vote) => {
            let other = world.other_process().await;
            decide(&other, request, "terminal", "erin", vote).await;
        }
        Source::Expiry => world.clock.forward(Duration::from_secs(901)),
        Source::Cancel => app.gate.cancel(request).await.unwrap(),
    }
    let drawn = world.until_card_says(request, title).await;
    assert_eq!(drawn["ts"], card["ts"]);
    for gone in ["approvals.approve", "approvals.deny"] {
        assert!(button(&drawn, gone).is_none(), "{title}: {gone}");
    }
    world
        .wait_for("the trail", async || {
            let messages = world.messages().await;
            messages.into_iter().find(|message| {
                let text = message["text"].as_str().unwrap_or_default();
                message["thread_ts"] == card["ts"] && text.starts_with(title)
            })
        })
        .await;
    // And it stays one: nothing was posted anew.
    let messages = world.messages().await;
    let id = request.to_string();
    let copies = messages.iter().filter(|message| {
        message["thread_ts"].is_null() && message["text"].to_string().contains(&id)
    });
    assert_eq!(copies.count(), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decided_in_slack() {
    redrawn(Source::Slack, "Approved: db.drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approved_in_the_web_inbox() {
    redrawn(Source::Web(Vote::Approve), "Approved: db.drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_on_the_command_line() {
    redrawn(Source::Cli(Vote::Deny), "Denied: db.drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_time() {
    redrawn(Source::Expiry, "Too late, nothing ran: db.drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn() {
    redrawn(Source::Cancel, "Withdrawn: db.drop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_18_who_voted_elsewhere_is_no_second_person_here() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let call = app.gate.enter(bot(), copy_table("users".to_owned())).await;
    let request = waiting(&call.unwrap_err());
    world.copy_of(request).await;
    let other = world.other_process().await;
    decide(&other, request, "local", "u_erin", Vote::Approve).await;
    let card = world.until_card_says(request, "1 so far: u_erin").await;
    let payload = world.genuine("U03ERIN", &card, "approvals.approve").await;
    world.send(&payload).await;
    world.until_told("U03ERIN", "DuplicateVote").await;
    assert_eq!(app.status(request).await, Status::Pending);
    let payload = world.genuine("U02DANA", &card, "approvals.approve").await;
    world.send(&payload).await;
    world.until_card_says(request, "Approved: db.two").await;
    assert_eq!(app.status(request).await, Status::Approved);
    app.end().await;
}
