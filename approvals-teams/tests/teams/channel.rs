//! The way of a request through the channel: posted, decided, redrawn, retried, restarted.

use approvals_core::{ApprovalError, Code, Status};
use serde_json::Value;

use crate::support::bot::{Bot, CHAT};
use crate::support::{SECRET, ask_drop, ask_export, newest, object, stands, until};

const TO_CHAT: &str = "[[post]]\nchat = \"19:group-1@thread.v2\"\n";

/// The title of the newest drawing of a copy.
fn title(bot: &Bot, activity: &str) -> String {
    let world = bot.microsoft.world();
    let mut drawn = world.messages.iter().rev();
    let (_, _, message) = drawn.find(|(_, id, _)| id == activity).expect("a message");
    let title = &message["attachments"][0]["content"]["body"][0]["text"];
    title.as_str().expect("a title").to_owned()
}

async fn redrawn(bot: &Bot, activity: &str, wanted: &str) {
    until(wanted, async || {
        (title(bot, activity) == wanted).then_some(())
    })
    .await;
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
async fn what_teams_cannot_take_now_is_tried_again() {
    let bot = Bot::start(TO_CHAT).await;
    bot.microsoft.world().failures.extend([429, 502, 412]);
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let (_, activity) = bot.posted(request).await;
    assert_eq!(title(&bot, &activity), "Approval wanted");
    assert!(bot.microsoft.world().failures.is_empty());
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
