//! A person in a real browser decides in a third party's Slack, over HTTP and in Socket Mode.

use std::time::Duration;

use approvals_core::{Agent, ApprovalError, Code, RequestId, Status};
use approvals_slack::Mode;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::rendered::look_at;
use crate::support::{App, World, bot, copy_table, drop_table, spawn, waiting};

fn patient() -> Agent {
    Agent::new("bot")
        .on_behalf_of("u_alice")
        .software("examples/cleanup 2.1")
        .rationale("the weekly clean-up; the table is empty (says the agent)")
        .wait(Duration::from_secs(120))
}

/// Where a picture for the documentation goes, when one is asked for.
fn shot(name: &str) -> serde_json::Value {
    match std::env::var_os("APPROVALS_DOC_IMAGES") {
        Some(folder) => json!({ "shot": std::path::Path::new(&folder).join(name) }),
        None => json!({}),
    }
}

/// A call that waits, and whose card is in the channel.
async fn asked_and_posted(mode: Mode) -> (World, App, RequestId, Call) {
    let world = World::new(mode).await;
    let app = world.start().await;
    let gate = app.gate.clone();
    let call = spawn(async move { gate.enter(patient(), drop_table("users".to_owned())).await });
    world
        .wait_for("a request", async || app.pending().await.pop())
        .await;
    let request = app.pending().await.remove(0);
    world.copy_of(request).await;
    (world, app, request, call)
}

type Call = JoinHandle<Result<usize, ApprovalError>>;

async fn approve_and_run(mode: Mode) {
    let (world, app, request, call) = asked_and_posted(mode).await;
    let asked = world.copy_of(request).await;
    world
        .browse(json!([
            { "as": "Dana Oncall", "sees": "Approval needed: db.drop" },
            { "press": "Approve", "sees": "Approved: db.drop", "gone": "Approve" },
        ]))
        .await;
    assert_eq!(call.await.unwrap().unwrap(), 5);
    let card = app.gate.card(request).await.unwrap();
    assert_eq!(
        card.votes
            .iter()
            .map(|(who, _)| who.as_str())
            .collect::<Vec<_>>(),
        ["u_dana"]
    );
    let approved = world.copy_of(request).await;
    let cards = [
        (asked, Some("slack-asked.png")),
        (approved, Some("slack-approved.png")),
    ];
    tokio::task::spawn_blocking(move || look_at(&cards))
        .await
        .unwrap();
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_click_lets_it_run() {
    approve_and_run(Mode::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_socket_mode_a_click_lets_it_run() {
    approve_and_run(Mode::Socket).await;
}

async fn deny_with_reason(mode: Mode) {
    let (world, app, request, call) = asked_and_posted(mode).await;
    world
        .browse(json!([
            { "as": "Dana Oncall", "press": "Deny" },
            { "fill": "not during the freeze <b>" },
            shot("slack-deny.png"),
            { "submit": true, "sees": "Denied: db.drop", "gone": "Deny" },
        ]))
        .await;
    let refused = call.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Denied);
    assert_eq!(refused.reason(), Some("not during the freeze <b>"));
    let card = world.until_card_says(request, "Why it was denied").await;
    assert!(crate::support::button(&card, "approvals.approve").is_none());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_a_denial_asks_why() {
    deny_with_reason(Mode::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_socket_mode_a_denial_asks_why() {
    deny_with_reason(Mode::Socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_two_people_and_never_the_one_who_asks_across_a_restart() {
    two_people_across_a_restart(Mode::Http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_socket_mode_two_people_and_never_the_one_who_asks_across_a_restart() {
    two_people_across_a_restart(Mode::Socket).await;
}

async fn two_people_across_a_restart(mode: Mode) {
    let world = World::new(mode).await;
    let app = world.start().await;
    let asked = app
        .gate
        .enter(bot().run("r1"), copy_table("users".to_owned()))
        .await;
    let request = waiting(&asked.unwrap_err());
    world.copy_of(request).await;
    world
        .browse(json!([{ "as": "Alice Asker", "press": "Approve" }]))
        .await;
    world.until_told("U01ALICE", "SelfApproval").await;
    world
        .browse(json!([{ "as": "Dana Oncall", "press": "Approve", "sees": "1 so far" }]))
        .await;
    assert_eq!(app.status(request).await, Status::Pending);

    // Between the post and the second click our process ends and begins again.
    app.end().await;
    let app = world.start().await;
    world
        .browse(json!([{ "as": "Dana Oncall", "press": "Approve" }]))
        .await;
    world.until_told("U02DANA", "DuplicateVote").await;
    assert_eq!(app.status(request).await, Status::Pending);
    world
        .browse(json!([{ "as": "Erin Oncall", "press": "Approve", "sees": "Approved: db.two", "gone": "Approve" }]))
        .await;
    assert_eq!(app.status(request).await, Status::Approved);
    app.end().await;
}
