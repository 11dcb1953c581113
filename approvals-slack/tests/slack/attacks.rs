//! What outsiders, robots, forgers and the late try, and that nothing comes of it.

use std::time::Duration;

use approvals_core::ledger::{ChannelRefused, Entry, LogEvent};
use approvals_core::{Code, RequestId, Status};
use approvals_slack::Mode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::proxy::{Callback, Fault};
use crate::support::{
    App, CHANNEL, SIGNING, TEAM, World, bot, button, drop_table, grant, records, waiting,
    with_secret,
};

/// What somebody changes on the way.
type Change = fn(&mut Value);

/// A request that waits, with its card.
async fn scene(world: &World) -> (App, RequestId, Value) {
    let app = world.start().await;
    let request = asked(&app, "users").await;
    let card = world.copy_of(request).await;
    (app, request, card)
}

async fn asked(app: &App, table: &str) -> RequestId {
    let call = app.gate.enter(bot(), drop_table(table.to_owned())).await;
    waiting(&call.unwrap_err())
}

/// Whether anybody has decided anything.
async fn untouched(app: &App, request: RequestId) {
    let card = app.gate.card(request).await.unwrap();
    assert_eq!(card.status, Status::Pending);
    assert!(card.votes.is_empty(), "{:?}", card.votes);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_09_a_card_that_is_cut_cannot_be_approved() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let long = format!("{}; DROP TABLE users", "x".repeat(30_000));
    let request = asked(&app, &long).await;
    let card = world.copy_of(request).await;
    assert!(button(&card, "approvals.approve").is_none());
    assert!(
        card.to_string().contains("; DROP TABLE users"),
        "the tail is shown"
    );
    assert!(card.to_string().contains("CUT HERE"));
    // The denial's own value does not turn into an approval.
    let mut payload = world.genuine("U02DANA", &card, "approvals.deny").await;
    payload["actions"][0]["action_id"] = json!("approvals.approve");
    world.send(&payload).await;
    world.until_told("U02DANA", "say different things").await;
    untouched(&app, request).await;
    // Not even one under our own key approves it from here.
    payload["actions"][0]["value"] = json!(resealed(&card, "approve"));
    world.send(&payload).await;
    world.until_told("U02DANA", "Unrenderable").await;
    untouched(&app, request).await;
    let refused = refusals(&app).await;
    let codes: Vec<_> = refused.iter().map(|one| one.code).collect();
    assert_eq!(codes, [Code::Unauthenticated, Code::Unrenderable]);
    for one in &refused {
        assert_eq!(one.identity.as_deref(), Some("slack:T01ACME:U02DANA"));
        assert_eq!(one.request, Some(request));
    }
    app.end().await;
}

/// The value of a card's denial as one of another vote, made with the key that only we have.
fn resealed(card: &Value, vote: &str) -> String {
    let sealed = button(card, "approvals.deny").unwrap()["value"].clone();
    let (plain, _) = sealed.as_str().unwrap().rsplit_once('|').unwrap();
    let plain = plain.replace("|deny", &format!("|{vote}"));
    let base = hmac::Key::new(hmac::HMAC_SHA256, b"xoxb-test-token");
    let key = hmac::sign(&base, b"approvals/slack/button/v1");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&key, plain.as_bytes()));
    format!("{plain}|{mac}")
}

/// What the channel refused by itself, as the log tells of it.
async fn refusals(app: &App) -> Vec<ChannelRefused> {
    let records = records(&app.gate).await.into_iter();
    records
        .filter_map(|record| match record.entry {
            Entry::Log(LogEvent::ChannelRefused(refused)) => Some(refused),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_no_secret_reaches_slack() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let call = app
        .gate
        .enter(bot(), with_secret("CANARY-4711".to_owned()))
        .await;
    let request = waiting(&call.unwrap_err());
    let card = world.copy_of(request).await;
    assert!(card.to_string().contains("[redacted]"));
    for (method, body) in world.proxy.calls() {
        let body = body.to_string();
        for secret in ["CANARY", "xoxb-", SIGNING] {
            assert!(!body.contains(secret), "{method}: {body}");
        }
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_12_a_policy_that_wants_signatures_takes_no_click() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    let call = app
        .gate
        .enter(
            bot().rationale("already approved by the CISO"),
            grant("admin".to_owned()),
        )
        .await;
    let request = waiting(&call.unwrap_err());
    let card = world.copy_of(request).await;
    assert!(button(&card, "approvals.approve").is_none());
    assert!(button(&card, "approvals.deny").is_some());
    let blocks = card["blocks"].as_array().unwrap();
    let claims = blocks
        .iter()
        .find(|block| block["block_id"] == "approvals.claims")
        .unwrap();
    assert!(claims.to_string().contains("its own claim, unverified"));
    assert!(
        !blocks[0].to_string().contains("CISO"),
        "the title is the gate's"
    );
    // A click does not carry what the policy wants, whatever a callback says.
    let mut payload = world.genuine("U02DANA", &card, "approvals.deny").await;
    payload["actions"][0]["action_id"] = json!("approvals.approve");
    payload["actions"][0]["value"] = json!(resealed(&card, "approve"));
    world.send(&payload).await;
    world.until_told("U02DANA", "AssuranceTooLow").await;
    untouched(&app, request).await;
    // It can be denied here.
    world
        .send(&world.denial("U02DANA", &card, "who asked for it?"))
        .await;
    world.until_card_says(request, "Denied: iam.grant").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_and_37_robots_and_outsiders_decide_nothing() {
    let world = World::new(Mode::Http).await;
    let (app, request, card) = scene(&world).await;
    let changes: &[(Change, &str)] = &[
        (|answer| answer["user"]["is_bot"] = json!(true), "is a bot"),
        (
            |answer| answer["user"]["is_workflow_bot"] = json!(true),
            "is a workflow",
        ),
        (
            |answer| answer["user"]["is_app_user"] = json!(true),
            "is an app",
        ),
        (
            |answer| answer["user"]["deleted"] = json!(true),
            "is deactivated",
        ),
        (
            |answer| answer["user"]["is_restricted"] = json!(true),
            "is a guest",
        ),
        (
            |answer| answer["user"]["is_ultra_restricted"] = json!(true),
            "guest of one channel",
        ),
        (
            |answer| answer["user"]["is_stranger"] = json!(true),
            "is a stranger",
        ),
        (
            |answer| answer["user"]["is_invited_user"] = json!(true),
            "has not accepted",
        ),
        (|answer| answer["user"]["is_bot"] = json!("yes"), "is a bot"),
        (
            |answer| answer["user"]["is_email_confirmed"] = json!(false),
            "not confirmed",
        ),
        (
            |answer| answer["user"]["team_id"] = json!("T09EVIL"),
            "another organization",
        ),
        (
            |answer| answer["user"]["team_id"] = Value::Null,
            "another organization",
        ),
        (
            |answer| answer["user"]["id"] = json!("U03ERIN"),
            "does not know your account",
        ),
        (
            |answer| answer["user"] = Value::Null,
            "does not know your account",
        ),
        (
            |answer| *answer = json!({ "ok": false, "error": "user_not_found" }),
            "could not be checked",
        ),
    ];
    let mut payload = world.genuine("U02DANA", &card, "approvals.approve").await;
    for (number, (change, wanted)) in changes.iter().enumerate() {
        let change = *change;
        world
            .proxy
            .fail(move |method, _| (method == "users.info").then_some(Fault::Changed(change)));
        payload["actions"][0]["action_ts"] = json!(number.to_string());
        assert_eq!(world.send(&payload).await.0, 200);
        world.until_told("U02DANA", wanted).await;
        let reason = format!("try {number}");
        let (_, answer) = world.send(&world.denial("U02DANA", &card, &reason)).await;
        assert!(answer.contains("NotEligible"), "{wanted}: {answer}");
        untouched(&app, request).await;
    }
    world
        .proxy
        .fail(|method, _| (method == "users.info").then(|| Fault::Answer(503, &[], String::new())));
    let (_, answer) = world
        .send(&world.denial("U02DANA", &card, "the lookup fails"))
        .await;
    assert!(answer.contains("could not be checked"), "{answer}");
    untouched(&app, request).await;
    // Each try is on record, with who it was and no word of theirs.
    let refused = refusals(&app).await;
    assert_eq!(refused.len(), 2 * changes.len() + 1);
    for one in &refused {
        assert_eq!(one.code, Code::NotEligible);
        assert_eq!(one.identity.as_deref(), Some("slack:T01ACME:U02DANA"));
        assert_eq!((one.request, one.passed_over), (Some(request), 0));
    }
    world.proxy.heal();
    payload["actions"][0]["action_ts"] = json!("last");
    world.send(&payload).await;
    world.until_card_says(request, "Approved: db.drop").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_37_a_click_from_elsewhere_decides_nothing() {
    let world = World::new(Mode::Http).await;
    let (app, request, card) = scene(&world).await;
    let genuine = world.genuine("U02DANA", &card, "approvals.approve").await;
    let changes: &[Change] = &[
        |payload| payload["api_app_id"] = json!("A09EVIL"),
        |payload| payload["api_app_id"] = Value::Null,
        |payload| payload["team"]["id"] = json!("T09EVIL"),
        |payload| payload["team"] = Value::Null,
        |payload| payload["user"]["team_id"] = json!("T09EVIL"),
        |payload| payload["user"]["team_id"] = json!("E09EVIL"),
        |payload| payload["container"]["type"] = json!("message_attachment"),
        |payload| payload["container"]["is_ephemeral"] = json!(true),
        |payload| payload["container"]["channel_id"] = json!("C09EVIL"),
        |payload| payload["container"]["message_ts"] = json!("1.1"),
        |payload| payload["actions"] = json!([]),
        |payload| payload["actions"] = json!([payload["actions"][0], payload["actions"][0]]),
        |payload| payload["actions"][0]["type"] = json!("static_select"),
        |payload| payload["type"] = json!("interactive_message"),
        |payload| payload["user"] = Value::Null,
    ];
    for change in changes {
        let mut payload = genuine.clone();
        change(&mut payload);
        let (status, _) = world.send(&payload).await;
        assert_eq!(status, 200, "{payload}");
        untouched(&app, request).await;
    }
    assert_eq!(world.send(&json!("text")).await.0, 200);
    untouched(&app, request).await;
    // A stranger is on record as one, under the organization that Slack says it is of.
    let refused = refusals(&app).await;
    let of = |identity: &str| {
        let of = |one: &&ChannelRefused| one.identity.as_deref() == Some(identity);
        refused.iter().filter(of).count()
    };
    assert_eq!(
        (of("slack:T09EVIL:U02DANA"), of("slack:E09EVIL:U02DANA")),
        (1, 1)
    );
    assert!(of("slack:T01ACME:U02DANA") >= 10, "{refused:?}");
    let stored = format!("{refused:?}");
    for theirs in ["A09EVIL", "C09EVIL", "static_select"] {
        assert!(!stored.contains(theirs), "{stored}");
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_25_every_way_to_decide_refuses_the_same_people() {
    let world = World::new(Mode::Http).await;
    let (app, request, card) = scene(&world).await;
    for (user, code) in [
        ("U04MALL", "IdentityUnresolved"),
        ("U05FRANK", "NotEligible"),
        ("U01ALICE", "SelfApproval"),
    ] {
        let approve = button(&card, "approvals.approve").unwrap();
        world.press(user, &card, &approve).await;
        world.until_told(user, code).await;
    }
    for (user, code) in [
        ("U04MALL", "IdentityUnresolved"),
        ("U05FRANK", "NotEligible"),
    ] {
        let (_, answer) = world.send(&world.denial(user, &card, "because")).await;
        assert!(answer.contains(code), "{answer}");
    }
    untouched(&app, request).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_27_a_late_click_approves_nothing() {
    let world = World::new(Mode::Http).await;
    let app = world.start().await;
    for (number, late) in [1, 86_400_000].into_iter().enumerate() {
        let request = asked(&app, &format!("table_{number}")).await;
        let card = world.copy_of(request).await;
        let payload = world.genuine("U02DANA", &card, "approvals.approve").await;
        let deadline = app.gate.card(request).await.unwrap().expires_at;
        let left = deadline.since(approvals_core::Clock::now(&world.clock));
        world.clock.forward(left + Duration::from_millis(late));
        world.send(&payload).await;
        world.until_told("U02DANA", "Expired").await;
        let card = world
            .until_card_says(request, "Too late, nothing ran")
            .await;
        assert_eq!(app.status(request).await, Status::Expired);
        assert!(button(&card, "approvals.approve").is_none());
        assert!(button(&card, "approvals.deny").is_none());
        assert!(!card.to_string().contains("Approved"));
        assert!(app.gate.card(request).await.unwrap().votes.is_empty());
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_31_a_button_decides_its_own_request_only() {
    let world = World::new(Mode::Http).await;
    let (app, first, card) = scene(&world).await;
    let second = asked(&app, "payments").await;
    let other = world.copy_of(second).await;
    // A's value on B's message, and the other way round.
    for (from, on) in [(&card, &other), (&other, &card)] {
        let mut payload = world.genuine("U02DANA", from, "approvals.approve").await;
        payload["container"]["message_ts"] = on["ts"].clone();
        payload["message"] = on.clone();
        world.send(&payload).await;
        world.until_told("U02DANA", "no copy of the request").await;
        untouched(&app, first).await;
        untouched(&app, second).await;
    }
    let approve = button(&card, "approvals.approve").unwrap();
    world.press("U02DANA", &card, &approve).await;
    world.until_card_says(first, "Approved: db.drop").await;
    untouched(&app, second).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_36_only_a_fresh_signature_over_the_raw_bytes_is_heard() {
    let world = World::new(Mode::Http).await;
    let (app, request, card) = scene(&world).await;
    let payload = world.genuine("U02DANA", &card, "approvals.approve").await;
    let now = approvals_core::Clock::now(&world.clock);
    let good = Callback::of(&payload, now);
    let at = |offset: i64| (now.as_micros() / 1_000_000 + offset).to_string();
    let signed = |secret: &str, at: &str| Callback::signed(secret, at, good.body.clone());
    let spaced = String::from_utf8(good.body.clone())
        .unwrap()
        .replace("%20", "+");
    let mut bad = vec![
        signed("another-secret-entirely", &at(0)),
        signed(SIGNING, &at(-301)),
        signed(SIGNING, &at(305)),
        signed(SIGNING, "abc"),
        signed(SIGNING, &format!("+{}", at(0))),
        Callback {
            signature: good.signature.replace("v0=", "v1="),
            ..good.clone()
        },
        Callback {
            signature: good.signature.to_uppercase(),
            ..good.clone()
        },
        Callback {
            signature: String::new(),
            ..good.clone()
        },
        Callback {
            timestamp: String::new(),
            ..good.clone()
        },
        Callback {
            body: [good.body.clone(), b" ".to_vec()].concat(),
            ..good.clone()
        },
    ];
    // The same payload written in other bytes is another body.
    bad.push(Callback {
        body: format!("{spaced}&x=1").into_bytes(),
        ..good.clone()
    });
    for callback in &bad {
        assert_eq!(world.proxy.send(callback).await.0, 401, "{callback:?}");
        untouched(&app, request).await;
    }
    let told = world.proxy.count("chat.postEphemeral");
    assert_eq!(world.proxy.send(&good).await.0, 200);
    world.until_card_says(request, "Approved: db.drop").await;
    let looked = world.proxy.count("users.info");
    // Replayed within the window: heard, and of no effect at all.
    assert_eq!(world.proxy.send(&good).await.0, 200);
    assert_eq!(world.proxy.count("chat.postEphemeral"), told);
    assert_eq!(world.proxy.count("users.info"), looked);
    let refused = refusals(&app).await;
    let codes: Vec<_> = refused.iter().map(|one| one.code).collect();
    let few = [Code::SignatureInvalid; 10];
    assert_eq!(codes, few, "the eleventh and the replay are counted only");
    assert!(refused.iter().all(|one| one.identity.is_none()));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_forged_state_is_ignored() {
    let world = World::new(Mode::Http).await;
    let (app, request, card) = scene(&world).await;
    // Slack itself delivers it, correctly signed, with a value that is not ours.
    let mut action = button(&card, "approvals.approve").unwrap();
    let value = action["value"].as_str().unwrap().to_owned();
    for forged in [
        request.to_string(),
        value.replace(&request.to_string(), "req_x"),
        format!("{value}A"),
        String::new(),
    ] {
        action["value"] = json!(forged);
        world.press("U02DANA", &card, &action).await;
        world.until_told("U02DANA", "none of ours").await;
        untouched(&app, request).await;
    }
    // The form's own memory is of no use without our key either, nor for an approval.
    let approve = button(&card, "approvals.approve").unwrap()["value"].clone();
    let kept = [
        json!([value.replace("approve", "deny"), CHANNEL, card["ts"]]).to_string(),
        json!([approve, CHANNEL, card["ts"]]).to_string(),
        json!({ "approved": true, "team": TEAM }).to_string(),
        String::new(),
    ];
    for kept in kept {
        let mut form = world.denial("U02DANA", &card, "because");
        form["view"]["private_metadata"] = json!(kept);
        let (_, answer) = world.send(&form).await;
        assert!(answer.contains("response_action"), "{answer}");
        untouched(&app, request).await;
    }
    let (_, answer) = world.send(&world.denial("U02DANA", &card, "  ")).await;
    assert!(answer.contains("say why"), "{answer}");
    untouched(&app, request).await;
    app.end().await;
}
