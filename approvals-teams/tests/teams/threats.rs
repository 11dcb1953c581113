//! Attacks on the channel, by the number that they have in the threat model.

use std::time::Duration;

use approvals_core::{Code, Status};
use serde_json::{Value, json};

use crate::channel::redrawn_at;
use crate::support::bot::Bot;
use crate::support::microsoft::now;
use crate::support::sign::{KEYS, claims};
use crate::support::{APP, TENANT, ask_drop, ask_export, logs, newest, object, stands, until};

const TO_CHAT: &str = "[[post]]\nchat = \"19:group-1@thread.v2\"\n";

/// One change of a good click.
type Change = (&'static str, fn(&mut Value));

/// One change of a good click, and what must become of it.
type Forged = (&'static str, fn(&mut Value), u16, &'static str);

async fn check_clicks(cases: &[Forged]) {
    let bot = Bot::start(TO_CHAT).await;
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    for (name, forge, status, part) in cases {
        let mut click = bot.click(request, 1, "approve").await;
        forge(&mut click);
        let (got, answer) = bot.send(&click).await;
        assert_eq!(got, *status, "{name}: {answer}");
        assert!(answer.to_string().contains(part), "{name}: {answer}");
    }
    let card = bot.gate.card(request).await.unwrap();
    assert_eq!((card.status, card.votes.len()), (Status::Pending, 0));
    // The same click without a change counts.
    let answer = bot.send(&bot.click(request, 1, "approve").await).await.1;
    assert_eq!(answer["value"]["body"][0]["text"], "Approved", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_09_a_cut_card_has_no_approve_button_and_takes_no_approval() {
    let bot = Bot::start(TO_CHAT).await;
    let tails = [
        "x".repeat(60_000) + "; rm -rf /",
        "\n".repeat(3_000) + "DROP TABLE users",
        "é".repeat(4_100),
    ];
    for table in tails {
        let asked = ask_export(&bot.gate, &table);
        let request = newest(&bot.gate).await;
        bot.posted(request).await;
        let message = bot.microsoft.world().messages.last().unwrap().2.to_string();
        assert!(
            message.contains("NOT SHOWN") && message.contains("CUT"),
            "{message}"
        );
        assert!(
            !message.contains("\"approve\"") && message.contains("\"deny\""),
            "{message}"
        );
        assert!(message.encode_utf16().count() * 2 <= 80 * 1024);
        let end: String = table.chars().rev().take(5).collect();
        let end: String = end.chars().rev().collect();
        assert!(message.contains(&end), "its end is shown");
        let forged = bot.send(&bot.click(request, 1, "approve").await).await.1;
        assert!(forged.to_string().contains("Unrenderable"), "{forged}");
        bot.send(&bot.click(request, 1, "deny").await).await;
        stands(&bot.gate, request, Status::Denied).await;
        assert!(asked.await.unwrap().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_no_secret_reaches_a_card_an_error_or_a_log() {
    let hook = "[[workflow]]\nname = \"ops\"\nurl = { file = \"hook.url\" }\nlink = \"https://approvals.example.com/\"\n";
    let bot = Bot::start(&format!("{TO_CHAT}{hook}")).await;
    // What fails is logged: calls of ours, and calls that are not proven.
    bot.microsoft.world().failures.extend([500, 500, 401]);
    let asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let bearer = KEYS[0].token(&claims(&bot.microsoft.service()));
    let (_, signature) = bearer.rsplit_once('.').unwrap();
    let rogue = KEYS[3].token(&claims(&bot.microsoft.service()));
    until("both are told", async || {
        let waits = {
            let world = bot.microsoft.world();
            world.messages.is_empty() || world.hooked.is_empty()
        };
        if waits {
            bot.clock.forward(Duration::from_secs(30));
            bot.gate.deliver().await.unwrap();
        }
        (!waits).then_some(())
    })
    .await;
    let click = bot.click(request, 1, "approve").await;
    assert_eq!(
        bot.send_as(&[format!("Bearer {rogue}")], &click).await.0,
        401
    );
    let (_, answer) = bot.send_as(&[format!("Bearer {bearer}")], &click).await;
    asked.await.unwrap().unwrap();
    let mut seen = answer.to_string() + &format!("{:?}", bot.teams);
    {
        let world = bot.microsoft.world();
        for message in world
            .messages
            .iter()
            .map(|(_, _, message)| message)
            .chain(&world.hooked)
        {
            seen += &message.to_string();
        }
    }
    let logged = logs::kept();
    assert!(logged.contains("is not proven") && logged.contains("a notice did not go out"));
    let (_, rogue) = rogue.rsplit_once('.').unwrap();
    for canary in ["canary", "app-token", signature, rogue] {
        assert!(!seen.contains(canary), "`{canary}` got out");
        let at = logged.find(canary).map(|at| {
            let line = logged
                .get(..at)
                .and_then(|before| before.rfind('\n'))
                .unwrap_or(0);
            logged
                .get(line..)
                .unwrap_or_default()
                .chars()
                .take(400)
                .collect::<String>()
        });
        assert_eq!(at, None, "`{canary}` was logged");
    }
    assert!(seen.contains("[redacted]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_robots_guests_and_agents_decide_nothing() {
    check_clicks(&[
        (
            "a bot",
            |click| click["from"]["role"] = json!("bot"),
            200,
            "NotEligible",
        ),
        (
            "a skill",
            |click| click["from"]["role"] = json!("skill"),
            200,
            "NotEligible",
        ),
        (
            "an agent by role",
            |click| click["from"]["role"] = json!("agenticUser"),
            200,
            "NotEligible",
        ),
        (
            "an agent by user",
            |click| click["from"]["agenticUserId"] = json!(object(1)),
            200,
            "NotEligible",
        ),
        (
            "an agent by app",
            |click| click["from"]["agenticAppId"] = json!(APP),
            200,
            "NotEligible",
        ),
    ])
    .await;
    let bot = Bot::start(TO_CHAT).await;
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let usual = json!({"id": "29:user-1", "aadObjectId": object(1), "tenantId": TENANT, "userRole": "user"});
    let members: [(&str, Value, &str); 7] = [
        ("userRole", json!("guest"), "NotEligible"),
        ("userRole", json!("anonymous"), "NotEligible"),
        ("userRole", json!("bot"), "NotEligible"),
        ("agenticUserId", json!("x"), "NotEligible"),
        ("aadObjectId", json!(object(2)), "IdentityUnresolved"),
        ("aadObjectId", Value::Null, "IdentityUnresolved"),
        ("tenantId", json!(APP), "IdentityUnresolved"),
    ];
    for (name, value, code) in members {
        let mut member = usual.clone();
        member[name] = value;
        bot.microsoft.world().member = Some(member.clone());
        let answer = bot.send(&bot.click(request, 1, "approve").await).await.1;
        assert!(answer.to_string().contains(code), "{member}: {answer}");
    }
    bot.microsoft.world().member = Some(usual);
    let answer = bot.send(&bot.click(request, 1, "approve").await).await.1;
    assert_eq!(answer["value"]["body"][0]["text"], "Approved", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_25_this_way_in_refuses_what_every_way_refuses() {
    let bot = Bot::start(TO_CHAT).await;
    let asked = ask_drop(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let cases = [
        (0, "SelfApproval"),
        (4, "NotEligible"),
        (9, "IdentityUnresolved"),
    ];
    for (number, code) in cases {
        let answer = bot
            .send(&bot.click(request, number, "approve").await)
            .await
            .1;
        assert!(answer.to_string().contains(code), "{code}: {answer}");
    }
    let mut click = bot.click(request, 1, "approve").await;
    click["value"]["action"]["data"]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    let answer = bot.send(&click).await.1;
    assert!(answer.to_string().contains("ActionMismatch"), "{answer}");
    // A sponsor may stop their own agent.
    let answer = bot.send(&bot.click(request, 0, "deny").await).await.1;
    assert_eq!(
        answer["value"]["body"][0]["text"], "Denied: nothing ran",
        "{answer}"
    );
    assert!(asked.await.unwrap().is_err());
    let late = bot.send(&bot.click(request, 1, "approve").await).await.1;
    assert!(late.to_string().contains("Denied"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_27_a_late_click_is_too_late() {
    let lifetime = Duration::from_secs(15 * 60);
    let late = [
        Duration::from_millis(1),
        Duration::from_secs(1),
        Duration::from_secs(24 * 60 * 60),
    ];
    for late in late {
        let bot = Bot::start(TO_CHAT).await;
        let asked = ask_export(&bot.gate, "users");
        let request = newest(&bot.gate).await;
        let (_, copy) = bot.posted(request).await;
        let click = bot.click(request, 1, "approve").await;
        bot.clock.forward(lifetime + late);
        let mut claims = claims(&bot.microsoft.service());
        claims["exp"] = json!(bot.gate.now().as_micros() / 1_000_000 + 600);
        let bearer = format!("Bearer {}", KEYS[0].token(&claims));
        let answer = bot.send_as(&[bearer], &click).await.1;
        assert!(
            answer["value"]
                .as_str()
                .is_some_and(|text| text.contains("Too late") && text.contains("nothing ran")),
            "{late:?}: {answer}"
        );
        assert_eq!(asked.await.unwrap().unwrap_err().code(), Code::Expired);
        let card = bot.gate.card(request).await.unwrap();
        assert_eq!((card.status, card.votes.len()), (Status::Expired, 0));
        // The record and every copy say that it was too late, and of nobody that they approved.
        bot.gate.deliver().await.unwrap();
        redrawn_at(
            &bot.microsoft,
            &copy,
            "Too late: it expired, and nothing ran",
        )
        .await;
        let drawn = bot.microsoft.world().messages.last().unwrap().2.to_string();
        let history = bot.gate.journal().history(request).await.unwrap();
        let history = format!("{history:?}");
        assert!(
            !drawn.contains("Approved by") && !history.contains("review"),
            "{history}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_a_button_acts_on_its_own_request_or_on_none() {
    let bot = Bot::start(TO_CHAT).await;
    let _first = ask_export(&bot.gate, "first");
    let first = newest(&bot.gate).await;
    bot.posted(first).await;
    let _second = ask_export(&bot.gate, "second");
    let second = crate::support::until("there is another", async || {
        let newest = newest(&bot.gate).await;
        (newest != first).then_some(newest)
    })
    .await;
    bot.posted(second).await;
    let (old, new) = (
        bot.click(first, 1, "approve").await,
        bot.click(second, 1, "approve").await,
    );
    let mut mixed = old.clone();
    mixed["value"] = new["value"].clone();
    let answer = bot.send(&mixed).await.1;
    assert!(answer.to_string().contains("copies on record"), "{answer}");
    bot.send(&old).await;
    stands(&bot.gate, first, Status::Approved).await;
    let card = bot.gate.card(second).await.unwrap();
    assert_eq!((card.status, card.votes.len()), (Status::Pending, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_38_only_the_bot_connectors_token_for_this_app_counts() {
    let bot = Bot::start(TO_CHAT).await;
    let _asked = ask_export(&bot.gate, "users");
    let request = newest(&bot.gate).await;
    let click = bot.click(request, 1, "approve").await;
    let good = claims(&bot.microsoft.service());
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        KEYS[0].token(&claims)
    };
    let bearer = |token: &str| vec![format!("Bearer {token}")];
    let valid = KEYS[0].token(&good);
    let forged = [
        ("no header", vec![]),
        (
            "two headers",
            vec![format!("Bearer {valid}"), format!("Bearer {valid}")],
        ),
        ("another scheme", vec![format!("Basic {valid}")]),
        (
            "another issuer",
            bearer(&with(
                "iss",
                json!("https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"),
            )),
        ),
        ("another app", bearer(&with("aud", json!(TENANT)))),
        ("expired", bearer(&with("exp", json!(now() - 600)))),
        (
            "another connector",
            bearer(&with("serviceurl", json!("https://evil.example/"))),
        ),
        ("a rogue key", bearer(&KEYS[3].token(&good))),
        (
            "no signature",
            bearer(&format!("{}.", valid.rsplit_once('.').unwrap().0)),
        ),
    ];
    for (name, headers) in forged {
        assert_eq!(bot.send_as(&headers, &click).await.0, 401, "{name}");
    }
    let changes: [Change; 6] = [
        ("another tenant", |click| {
            click["channelData"]["tenant"]["id"] = json!(APP)
        }),
        ("another tenant's chat", |click| {
            click["conversation"]["tenantId"] = json!(APP)
        }),
        ("no tenant", |click| click["channelData"] = json!({})),
        ("another channel", |click| {
            click["channelId"] = json!("emulator")
        }),
        ("another service", |click| {
            click["serviceUrl"] = json!("http://127.0.0.1:9/")
        }),
        ("a service outside", |click| {
            click["serviceUrl"] = json!("https://evil.example/")
        }),
    ];
    for (name, change) in changes {
        let mut changed = click.clone();
        change(&mut changed);
        assert_eq!(bot.send(&changed).await.0, 401, "{name}");
    }
    for object in [
        Value::Null,
        json!(""),
        json!("not-a-guid"),
        json!("00000000-0000-0000-0000-000000000000"),
    ] {
        let mut changed = click.clone();
        changed["from"]["aadObjectId"] = object;
        let answer = bot.send(&changed).await.1;
        assert!(
            answer.to_string().contains("IdentityUnresolved"),
            "{answer}"
        );
    }
    assert_eq!(bot.gate.card(request).await.unwrap().votes.len(), 0);
    let answer = bot.send(&click).await.1;
    assert_eq!(answer["value"]["body"][0]["text"], "Approved", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_38_an_unknown_key_does_not_make_us_fetch_again_and_again() {
    let bot = Bot::start(TO_CHAT).await;
    let rogue = KEYS[3].token(&claims(&bot.microsoft.service()));
    for _ in 0..20 {
        assert_eq!(
            bot.send_as(&[format!("Bearer {rogue}")], &bot.added())
                .await
                .0,
            401
        );
    }
    assert_eq!(bot.microsoft.world().keys_asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_a_state_that_the_client_brings_along_means_nothing() {
    check_clicks(&[
        (
            "a client's own trigger",
            |click| click["value"]["trigger"] = json!("automatic"),
            200,
            "takes a click",
        ),
        (
            "an unknown trigger",
            |click| click["value"]["trigger"] = json!("timer"),
            200,
            "takes a click",
        ),
        (
            "a submit",
            |click| click["value"]["action"]["type"] = json!("Action.Submit"),
            200,
            "Action.Execute",
        ),
        (
            "an unknown verb",
            |click| click["value"]["action"]["verb"] = json!("approve-all"),
            200,
            "not known",
        ),
        (
            "a claim to be approved",
            |click| click["value"] = json!({"approved": true}),
            200,
            "no action",
        ),
        (
            "another message",
            |click| click["replyToId"] = json!("act-99"),
            200,
            "copies on record",
        ),
        (
            "no message",
            |click| {
                click.as_object_mut().unwrap().remove("replyToId");
            },
            200,
            "copies on record",
        ),
        (
            "another conversation",
            |click| click["conversation"]["id"] = json!("19:evil@thread.v2"),
            200,
            "copies on record",
        ),
        (
            "a message with a value",
            |click| click["type"] = json!("message"),
            400,
            "",
        ),
        (
            "another invoke",
            |click| click["name"] = json!("task/submit"),
            501,
            "",
        ),
        (
            "words",
            |click| {
                click["type"] = json!("message");
                click["text"] = json!("approved");
                click.as_object_mut().unwrap().remove("value");
            },
            200,
            "",
        ),
    ])
    .await;
}
