//! Slack is slow, overloaded, away, or comes twice: the request waits and nothing is lost.

use std::time::Duration;

use approvals_core::{RequestId, Status};
use approvals_slack::{Mode, Slack, doctor};
use serde_json::json;

use crate::support::proxy::Fault;
use crate::support::{App, World, bot, drop_table, waiting};

async fn asked(app: &App, table: &str) -> RequestId {
    let call = app.gate.enter(bot(), drop_table(table.to_owned())).await;
    waiting(&call.unwrap_err())
}

async fn outage(fault: fn() -> Fault) {
    let world = World::new(Mode::Http).await;
    world
        .proxy
        .fail(move |method, _| (method == "chat.postMessage").then(fault));
    let app = world.start().await;
    let request = asked(&app, "users").await;
    world
        .wait_for("a try", async || {
            (world.proxy.count("chat.postMessage") > 0).then_some(())
        })
        .await;
    assert_eq!(app.status(request).await, Status::Pending);
    world.proxy.heal();
    // The outbox tries again after a while, by the gate's own clock.
    let card = world
        .wait_for("a card", async || {
            world.clock.forward(Duration::from_secs(16));
            let text = request.to_string();
            let messages = world.messages().await;
            messages
                .into_iter()
                .find(|message| message["text"].to_string().contains(&text))
        })
        .await;
    let payload = world.genuine("U02DANA", &card, "approvals.approve").await;
    assert_eq!(world.send(&payload).await.0, 200);
    world.until_card_says(request, "Approved: db.drop").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_for() {
    outage(|| Fault::Answer(429, &[("retry-after", "1")], String::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_loses_nothing() {
    outage(|| Fault::Answer(503, &[], "<html>".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_loses_nothing() {
    outage(|| {
        Fault::Answer(
            200,
            &[],
            r#"{"ok":false,"error":"internal_error"}"#.to_owned(),
        )
    })
    .await;
}

/// It was posted, and nobody heard: the second copy decides, the first one does not.
#[tokio::test(flavor = "multi_thread")]
async fn threat_31_a_copy_that_nobody_remembers_decides_nothing() {
    let world = World::new(Mode::Http).await;
    world.proxy.fail(|method, _| {
        (method == "chat.postMessage").then_some(Fault::Slow(Duration::from_secs(6)))
    });
    let app = world.start().await;
    let request = asked(&app, "users").await;
    let lost = world.copy_of(request).await;
    world.proxy.heal();
    let text = request.to_string();
    let copies = world
        .wait_for("a second copy", async || {
            world.clock.forward(Duration::from_secs(2));
            let messages = world.messages().await;
            let copies: Vec<_> = messages
                .into_iter()
                .filter(|message| {
                    message["thread_ts"].is_null() && message["text"].to_string().contains(&text)
                })
                .collect();
            (copies.len() > 1).then_some(copies)
        })
        .await;
    let payload = world.genuine("U02DANA", &lost, "approvals.approve").await;
    world.send(&payload).await;
    world.until_told("U02DANA", "no copy of the request").await;
    assert_eq!(app.status(request).await, Status::Pending);
    let payload = world
        .genuine("U02DANA", copies.last().unwrap(), "approvals.approve")
        .await;
    world.send(&payload).await;
    world
        .wait_for("the approval", async || {
            (app.status(request).await == Status::Approved).then_some(())
        })
        .await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_becomes_one_summary_and_its_cards_follow() {
    let world = World::new(Mode::Http).await;
    let app = world.start_with("cards_per_minute = 2").await;
    let mut requests = Vec::new();
    for number in 0..6 {
        requests.push(asked(&app, &format!("table_{number}")).await);
    }
    let (cards, summaries) = world
        .wait_for("a summary", async || {
            let messages = world.messages().await;
            let texts: Vec<_> = messages
                .iter()
                .map(|message| message["text"].as_str().unwrap().to_owned())
                .collect();
            let summaries = texts
                .iter()
                .filter(|text| text.starts_with("Many requests"))
                .count();
            let cards = texts
                .iter()
                .filter(|text| text.starts_with("Approval needed"))
                .count();
            (summaries > 0 && cards > 0).then_some((cards, summaries))
        })
        .await;
    // How many cards go out before the summary is a matter of time; not all, and one summary.
    assert!(cards < requests.len(), "{cards}");
    assert_eq!(summaries, 1);
    for request in requests {
        assert_eq!(app.status(request).await, Status::Pending);
    }
    app.end().await;
}

/// Two people click at once, and each click comes twice: one decision, and everybody is told.
#[tokio::test(flavor = "multi_thread")]
async fn clicks_that_come_twice_or_late_count_once_or_not() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let request = asked(&app, "users").await;
    let card = world.copy_of(request).await;
    let dana = world.genuine("U02DANA", &card, "approvals.approve").await;
    let erin = world.genuine("U03ERIN", &card, "approvals.approve").await;
    let late = world.proxy.callbacks().last().unwrap().clone();
    // Slack's very bytes, held up on the way for longer than they are fresh.
    world.clock.forward(Duration::from_secs(301));
    assert_eq!(world.proxy.send(&late).await.0, 401);
    assert_eq!(app.status(request).await, Status::Pending);
    let mut again = dana.clone();
    again["actions"][0]["action_ts"] = json!("9.9");
    let all = tokio::join!(world.send(&dana), world.send(&erin), world.send(&again));
    assert_eq!([all.0.0, all.1.0, all.2.0], [200; 3]);
    world.until_card_says(request, "Approved: db.drop").await;
    let votes = app.gate.card(request).await.unwrap().votes;
    let mut people: Vec<_> = votes.iter().map(|(person, _)| person.as_str()).collect();
    people.dedup();
    assert_eq!(people.len(), votes.len(), "{votes:?}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_strangers_read_gets_nothing() {
    let world = World::new(Mode::Http).await;
    world.proxy.fail(|method, _| {
        (method == "conversations.info").then_some(Fault::Changed(|answer| {
            answer["channel"]["is_ext_shared"] = json!(true)
        }))
    });
    let app = world.start().await;
    let request = asked(&app, "users").await;
    world
        .wait_for("a look", async || {
            (world.proxy.count("conversations.info") > 0).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.proxy.count("chat.postMessage"), 0);
    assert_eq!(app.status(request).await, Status::Pending);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong() {
    let world = World::new(Mode::Http).await;
    let slack = Slack::new(world.config(""), world.secrets()).unwrap();
    let wrong = async || {
        let findings = doctor(&slack).await;
        let wrong = findings.iter().filter(|finding| finding.wrong.is_some());
        wrong
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    // This stand-in does not tell scopes; everything else is well.
    let found = wrong().await;
    assert!(
        found.starts_with("WRONG the scopes") && found.lines().count() == 1,
        "{found}"
    );
    world.proxy.fail(|method, _| match method {
        "auth.test" => Some(Fault::Answer(
            200,
            &[(
                "x-oauth-scopes",
                "chat:write,im:write,channels:read,groups:read,users:read",
            )],
            r#"{"ok":true,"team_id":"T09EVIL"}"#.to_owned(),
        )),
        "conversations.info" => Some(Fault::Changed(|answer| {
            answer["channel"]["is_member"] = json!(false)
        })),
        _ => None,
    });
    let found = wrong().await;
    for part in ["T09EVIL", "`users:read.email` is missing", "/invite"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert_eq!(world.proxy.count("chat.postMessage"), 0);
}
