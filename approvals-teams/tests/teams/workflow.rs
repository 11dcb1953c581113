//! A Workflows webhook: it tells, with a link, and nobody can decide from what it tells.

use std::time::Duration;

use approvals_core::Status;
use serde_json::{Value, json};

use crate::support::bot::Bot;
use crate::support::{HOOK, ask_export, newest, passes, script, stands, until};

const LINK: &str = "https://approvals.example.com/inbox";

fn posts() -> String {
    format!(
        "[[post]]\nchat = \"19:group-1@thread.v2\"\n[[workflow]]\nname = \"ops\"\nurl = {{ file = \"hook.url\" }}\nlink = \"{LINK}\"\n"
    )
}

async fn hooked(bot: &Bot, count: usize) -> Value {
    until("the webhook is called", async || {
        let world = bot.microsoft.world();
        (world.hooked.len() == count).then(|| world.hooked.last().cloned())?
    })
    .await
}

fn hook_calls(bot: &Bot) -> Vec<std::time::Instant> {
    let world = bot.microsoft.world();
    let hooks = world.called.iter().filter(|(_, what)| what == "hook");
    hooks.map(|(at, _)| *at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_that_something_waits_and_where_and_nothing_decides_there() {
    let bot = Bot::start(&posts()).await;
    let asked = ask_export(&bot.gate, "customers");
    let request = newest(&bot.gate).await;
    bot.posted(request).await;
    let message = hooked(&bot, 1).await;
    let card = &message["attachments"][0]["content"];
    let link = json!([{"type": "Action.OpenUrl", "title": "Open approvals", "url": LINK}]);
    assert_eq!(card["actions"], link);
    let text = message.to_string();
    assert!(
        text.contains("db.export is pending") && text.contains(&request.to_string()),
        "{text}"
    );
    // No button but the link, no input, nothing that acts by itself; none of what is asked for.
    for part in [
        "Action.Execute",
        "Action.Submit",
        "Action.Http",
        "Action.ShowCard",
        "selectAction",
        "refresh",
        "Input.",
        "verb",
        "approve",
        "deny",
        "customers",
        "auditors",
        "canary",
        HOOK,
    ] {
        assert!(!text.contains(part), "`{part}` is in {text}");
    }
    // It is an Adaptive Card like the others.
    let posted = bot.microsoft.world().messages[0].2["attachments"][0]["content"].clone();
    let folder = tempfile::tempdir().unwrap();
    let cards = folder.path().join("cards.json");
    let shown = json!([{"name": "asked", "card": posted, "pending": true}, {"name": "workflow", "card": card}]);
    std::fs::write(&cards, shown.to_string()).unwrap();
    let mut schema = approvals_peers::python();
    schema.arg(script("schema.py")).arg(&cards);
    passes(schema);
    let mut parser = approvals_peers::node(&script("parser.mjs"));
    parser.arg(&cards);
    passes(parser);

    // Whoever clicks in the name of that message decides nothing.
    for message in ["pending", "pending ", "ops"] {
        let mut click = bot.click(request, 1, "approve").await;
        click["replyToId"] = json!(message);
        let answer = bot.send(&click).await.1;
        assert!(answer.to_string().contains("copies on record"), "{answer}");
    }
    assert_eq!(bot.gate.card(request).await.unwrap().votes.len(), 0);
    // Once it is decided, it is told once.
    bot.send(&bot.click(request, 1, "approve").await).await;
    asked.await.unwrap().unwrap();
    bot.gate.deliver().await.unwrap();
    let text = hooked(&bot, 2).await.to_string();
    assert!(
        text.contains("db.export is approved") && !text.contains("Action.Execute"),
        "{text}"
    );
    assert_eq!(bot.microsoft.world().wrong, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_asked_too_often_is_left_alone_for_as_long_as_it_says() {
    let bot = Bot::start(&posts().replace("[[post]]\nchat = \"19:group-1@thread.v2\"\n", "")).await;
    {
        let mut world = bot.microsoft.world();
        world.failures.extend([429]);
        world.retry_after = Some(1);
    }
    let asked = ask_export(&bot.gate, "users");
    hooked(&bot, 1).await;
    let calls = hook_calls(&bot);
    assert_eq!(calls.len(), 2);
    assert!(
        calls[1].duration_since(calls[0]) >= Duration::from_secs(1),
        "{calls:?}"
    );

    // Longer than a delivery may take: then no later delivery calls before that, either.
    bot.microsoft.world().failures.extend([429]);
    bot.microsoft.world().retry_after = Some(600);
    let request = newest(&bot.gate).await;
    bot.gate.cancel(request).await.unwrap();
    stands(&bot.gate, request, Status::Cancelled).await;
    assert!(asked.await.unwrap().is_err());
    for _ in 0..5 {
        bot.gate.deliver().await.unwrap();
        bot.clock.forward(Duration::from_secs(60));
    }
    assert_eq!(hook_calls(&bot).len(), 3);
    assert_eq!(bot.microsoft.world().hooked.len(), 1);
}
