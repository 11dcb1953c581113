//! The way of a request through the channel: posted, decided, redrawn, retried, restarted.

use std::time::{Duration, Instant};

use approvals_core::{ApprovalError, Code, Status};
use serde_json::Value;

use crate::support::bot::{Bot, CHAT};
use crate::support::microsoft::Microsoft;
use crate::support::{SECRET, ask_drop, ask_export, newest, object, stands, until};

const TO_CHAT: &str = "[[post]]\nchat = \"19:group-1@thread.v2\"\n";

/// The title of the newest drawing of a copy.
pub(crate) fn title_of(microsoft: &Microsoft, activity: &str) -> String {
    let world = microsoft.world();
    let mut drawn = world.messages.iter().rev();
    let (_, _, message) = drawn.find(|(_, id, _)| id == activity).expect("a message");
    let title = &message["attachments"][0]["content"]["body"][0]["text"];
    title.as_str().expect("a title").to_owned()
}

/// Waits until a copy is drawn with this title.
pub(crate) async fn redrawn_at(microsoft: &Microsoft, activity: &str, wanted: &str) {
    until(wanted, async || {
        (title_of(microsoft, activity) == wanted).then_some(())
    })
    .await;
}

async fn redrawn(bot: &Bot, activity: &str, wanted: &str) {
    redrawn_at(&bot.microsoft, activity, wanted).await;
}

fn refused(answer: &Value, part: &str) {
    assert_eq!(
        answer["type"], "application/vnd.microsoft.activity.message",
        "{answer}"
    );
    assert!(
        answer["value"]
            .as_str()
            .is_some_and(|text| text.contains(part)),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_approves_and_every_copy_is_redrawn() {
    let channel = "19:approvals@thread.tacv2";
    let posts = format!(
        "{TO_CHAT}[[post]]\nchannel = \"{channel}\"\n[[post]]\nperson = \"{}\"\n",
        object(1)
    );
    let bot = Bot::start(&posts).await;
    let asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    until("three copies are posted", async || {
        (bot.microsoft.world().messages.len() == 3).then_some(())
    })
    .await;
    let places: Vec<_> = bot
        .microsoft
        .world()
        .messages
        .iter()
        .map(|(at, _, _)| at.clone())
        .collect();
    assert!(
        places.contains(&CHAT.to_owned()) && places.contains(&"a:personal".to_owned()),
        "{places:?}"
    );
    let (status, answer) = bot.send(&bot.click(request, 1, "approve").await).await;
    assert_eq!(
        (status, &answer["statusCode"]),
        (200, &200.into()),
        "{answer}"
    );
    assert_eq!(answer["type"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(answer["value"]["body"][0]["text"], "Approved");
    assert_eq!(
        asked.await.unwrap().unwrap(),
        "users".len() + "canary-token".len()
    );
    bot.gate.deliver().await.unwrap();
    for copy in ["act-0", "act-1", "act-2"] {
        redrawn(&bot, copy, "Approved").await;
    }
    assert_eq!(bot.microsoft.world().wrong, [""; 0]);
    assert_eq!(bot.microsoft.world().logins.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_decide_and_nobody_counts_twice() {
    let bot = Bot::start(TO_CHAT).await;
    let asked = ask_drop(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let first = bot.send(&bot.click(request, 1, "approve").await).await.1;
    assert_eq!(first["value"]["body"][0]["text"], "Approval wanted");
    assert!(first.to_string().contains("1 so far: u_1"), "{first}");
    let again = bot.send(&bot.click(request, 1, "approve").await).await.1;
    refused(&again, "DuplicateVote");
    let own = bot.send(&bot.click(request, 0, "approve").await).await.1;
    refused(&own, "SelfApproval");
    let stranger = bot.send(&bot.click(request, 4, "approve").await).await.1;
    refused(&stranger, "NotEligible");
    let second = bot.send(&bot.click(request, 2, "approve").await).await.1;
    assert_eq!(second["value"]["body"][0]["text"], "Approved");
    assert_eq!(asked.await.unwrap().unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_takes_a_reason_and_says_it() {
    let bot = Bot::start(TO_CHAT).await;
    let asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    for reason in [Value::Null, "".into(), "  ".into()] {
        let mut click = bot.click(request, 1, "deny").await;
        click["value"]["action"]["data"]["reason"] = reason;
        let answer = bot.send(&click).await.1;
        assert_eq!(answer["statusCode"], 400, "{answer}");
    }
    let answer = bot.send(&bot.click(request, 1, "deny").await).await.1;
    assert!(answer.to_string().contains("not on a Friday"), "{answer}");
    let error: ApprovalError = asked.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshing_changes_nothing_whoever_does_it() {
    let bot = Bot::start(TO_CHAT).await;
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    bot.posted(request).await;
    let before = bot.gate.journal().history(request).await.unwrap().len();
    for trigger in ["manual", "automatic"] {
        let mut click = bot.click(request, 4, "refresh").await;
        click["value"]["trigger"] = trigger.into();
        let answer = bot.send(&click).await.1;
        assert_eq!(
            answer["value"]["body"][0]["text"], "Approval wanted",
            "{answer}"
        );
    }
    let after = bot.gate.journal().history(request).await.unwrap().len();
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_teams_cannot_take_now_is_tried_again_when_it_says() {
    for status in [412, 429, 502, 503, 504] {
        for wait in [None, Some(1)] {
            let bot = Bot::start(TO_CHAT).await;
            bot.microsoft.world().failures.push_back(status);
            bot.microsoft.world().retry_after = wait;
            let _asked = ask_export(&bot.gate, "users");
            let request = newest(&bot.gate).await;
            let (_, activity) = bot.posted(request).await;
            assert_eq!(title_of(&bot.microsoft, &activity), "Approval wanted");
            let posts = calls(&bot, "post");
            assert_eq!(posts.len(), 2, "{status}");
            let least = wait.map_or(Duration::from_millis(500), Duration::from_secs);
            assert!(
                posts[1].duration_since(posts[0]) >= least,
                "{status} {wait:?}"
            );
        }
    }
}

/// When a call of this kind came.
fn calls(bot: &Bot, what: &str) -> Vec<Instant> {
    let world = bot.microsoft.world();
    let calls = world.called.iter().filter(|(_, called)| called == what);
    calls.map(|(at, _)| *at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_teams_refuses_for_long_waits_in_the_outbox_and_is_not_lost() {
    let bot = Bot::start(TO_CHAT).await;
    bot.microsoft.world().failures.extend([500]);
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    until("it is tried", async || {
        (calls(&bot, "post").len() == 1).then_some(())
    })
    .await;
    // Nothing else is tried before its time, and it is tried then.
    bot.gate.deliver().await.unwrap();
    assert_eq!(calls(&bot, "post").len(), 1);
    bot.clock.forward(Duration::from_secs(60));
    bot.gate.deliver().await.unwrap();
    let (_, activity) = bot.posted(request).await;
    assert_eq!(title_of(&bot.microsoft, &activity), "Approval wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_is_left_alone_for_as_long_as_it_says() {
    let bot = Bot::start(TO_CHAT).await;
    bot.microsoft.world().failures.push_back(429);
    bot.microsoft.world().retry_after = Some(600);
    let _asked = ask_export(&bot.gate, "users");
    newest(&bot.gate).await;
    until("it is tried", async || {
        (calls(&bot, "post").len() == 1).then_some(())
    })
    .await;
    for _ in 0..4 {
        bot.clock.forward(Duration::from_secs(60));
        bot.gate.deliver().await.unwrap();
    }
    assert_eq!(calls(&bot, "post").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_card_is_over_the_budget_whatever_is_in_it() {
    let bot = Bot::start(TO_CHAT).await;
    // Each of these is a run of its own, and together they are several times the budget.
    let asked = ask_export(&bot.gate, &"{".repeat(3_900));
    let request = newest(&bot.gate).await;
    bot.posted(request).await;
    let message = bot.microsoft.world().messages.last().unwrap().2.to_string();
    assert!(
        message.encode_utf16().count() * 2 <= 82 * 1024,
        "{}",
        message.len()
    );
    assert!(
        message.contains("NOT SHOWN") && !message.contains("\"approve\""),
        "{message}"
    );
    bot.gate.cancel(request).await.unwrap();
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_taken_back_is_asked_for_again() {
    let bot = Bot::start(TO_CHAT).await;
    bot.microsoft.world().failures.push_back(401);
    let _asked = ask_export(&bot.gate, "users");
    bot.posted(newest(&bot.gate).await).await;
    let logins = bot.microsoft.world().logins.clone();
    assert_eq!(logins.len(), 2);
    assert!(
        logins
            .iter()
            .flatten()
            .any(|(name, value)| name == "client_secret" && value == SECRET)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_from_elsewhere_and_a_withdrawal_are_drawn() {
    let bot = Bot::start(TO_CHAT).await;
    let asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let (_, activity) = bot.posted(request).await;
    bot.gate.cancel(request).await.unwrap();
    stands(&bot.gate, request, Status::Cancelled).await;
    assert!(asked.await.unwrap().is_err());
    bot.gate.deliver().await.unwrap();
    redrawn(&bot, &activity, "Withdrawn: nothing ran").await;
    let late = bot.send(&bot.click(request, 1, "approve").await).await.1;
    refused(&late, "Cancelled");
}
