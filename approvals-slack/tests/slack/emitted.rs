//! Everything we send: Slack's own models accept it, and no text of an agent's gets out of its box.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use approvals_core::Untrusted;
use approvals_peers::python;
use approvals_slack::Mode;
use serde_json::{Value, json};

use crate::rendered::look_at;
use crate::support::{World, bot, copy_table, drop_table, grant, waiting};

/// What agents would write to be taken for something else.
const HOSTILE: &[&str] = &[
    "x` <https://evil.example|Approve here>",
    "```\n*APPROVED* by <@U02DANA>\n```",
    "<!channel> <!here> <#C01APPR>",
    "[APPROVED](https://evil.example) https://evil.example",
    "\u{202e}dessap\u{202c} \u{200b}\u{2066}x\u{2069}",
    "\u{1b}[2K\r\u{7}",
    ":white_check_mark: _ok_ ~no~ &amp; &lt;b&gt;",
    "{{DATE(2026-01-01)}} {\"type\":\"mrkdwn\"}",
    "p\u{430}yments e\u{301}tat",
    "\n\n\n\n",
    "",
];

/// Every text in a value, with whether it stands in a preformatted part.
fn texts(value: &Value, literal: bool, found: &mut Vec<(String, bool)>) {
    match value {
        Value::String(text) => found.push((text.clone(), literal)),
        Value::Array(items) => items.iter().for_each(|item| texts(item, literal, found)),
        Value::Object(fields) => {
            let literal = literal || fields.get("type") == Some(&json!("rich_text_preformatted"));
            fields
                .values()
                .for_each(|field| texts(field, literal, found));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_and_11_hostile_texts_stay_in_their_box_and_slacks_models_accept_all() {
    let world = World::new(Mode::Http).await;
    let app = world.start_with("cards_per_minute = 60").await;
    let mut drawn = Vec::new();
    for three in HOSTILE.chunks(3) {
        let marked: Vec<_> = three.iter().map(|text| format!("MARK{text}")).collect();
        let at = |place: usize| marked.get(place).unwrap_or(&marked[0]);
        let agent = bot().rationale(at(1)).software(at(2));
        let call = app.gate.enter(agent, drop_table(at(0).clone())).await;
        let request = waiting(&call.unwrap_err());
        let card = world.copy_of(request).await;
        let mut found = Vec::new();
        texts(&card["blocks"], false, &mut found);
        // A parameter stands there in its canonical text, which writes quotes and breaks out.
        for said in marked.iter().skip(1) {
            let shown = Untrusted::new(said).to_string();
            let whole = found
                .iter()
                .any(|(text, literal)| *literal && text.contains(&shown));
            assert!(whole, "{said:?}: {card}");
        }
        for (part, literal) in &found {
            assert!(
                *literal || !part.contains("MARK"),
                "{three:?} got out: {part}"
            );
            assert!(*literal || part != "mrkdwn", "{card}");
            assert!(
                part.chars().all(|c| c == '\n' || !c.is_control()),
                "{part:?}"
            );
        }
        assert!(!card["text"].to_string().contains("MARK"));
        drawn.push((card, None));
        app.gate.cancel(request).await.unwrap();
    }
    for (method, call) in world.proxy.calls() {
        let posted = method == "chat.postMessage";
        assert!(!posted || call["unfurl_links"] == false && call["unfurl_media"] == false);
    }
    // One of each other kind.
    let long = format!("sessions; {} DROP TABLE users", "-".repeat(22_000));
    let long = app.gate.enter(bot(), drop_table(long)).await;
    let long = world.copy_of(waiting(&long.unwrap_err())).await;
    let barred = app.gate.enter(bot(), grant("admin".to_owned())).await;
    let barred = world.copy_of(waiting(&barred.unwrap_err())).await;
    let two = app.gate.enter(bot(), copy_table("users".to_owned())).await;
    let request = waiting(&two.unwrap_err());
    let card = world.copy_of(request).await;
    let denied = world.denial("U04MALL", &card, "because");
    world.send(&denied).await;
    let deny = crate::support::button(&card, "approvals.deny").unwrap();
    world.press("U02DANA", &card, &deny).await;
    world
        .wait_for("the form", async || {
            (world.proxy.count("views.open") > 0).then_some(())
        })
        .await;
    let approve = crate::support::button(&card, "approvals.approve").unwrap();
    world.press("U04MALL", &card, &approve).await;
    world.until_told("U04MALL", "IdentityUnresolved").await;
    world
        .send(&world.denial("U02DANA", &card, "<b>no</b> & *never*"))
        .await;
    let denied = world.until_card_says(request, "Denied: db.two").await;
    app.end().await;
    drawn.extend([
        (long, Some("slack-cut.png")),
        (barred, Some("slack-barred.png")),
        (denied, Some("slack-denied.png")),
    ]);
    let looked = tokio::task::spawn_blocking(move || look_at(&drawn));
    looked.await.unwrap();
    judge(&world.proxy.calls());
}

/// Hands everything that has blocks to Slack's own models.
fn judge(calls: &[(String, Value)]) {
    let drawn = [
        "chat.postMessage",
        "chat.update",
        "chat.postEphemeral",
        "views.open",
    ];
    for method in drawn {
        assert!(
            calls.iter().any(|(name, _)| name == method),
            "no {method} was seen"
        );
    }
    let calls = calls
        .iter()
        .filter(|(name, _)| drawn.contains(&name.as_str()));
    let lines: Vec<_> = calls.map(|(_, body)| body.to_string()).collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slack/validate.py");
    assert_eq!(run(&script, &lines), Ok(lines.len().to_string()));
    // And they do judge: each of these is one step over a limit.
    let good: Value = serde_json::from_str(&lines[0]).unwrap();
    let breaks: &[fn(&mut Value)] = &[
        |call| call["blocks"][0]["text"]["text"] = json!("x".repeat(151)),
        |call| call["blocks"][1]["block_id"] = call["blocks"][0]["block_id"].clone(),
        |call| call["blocks"] = json!(vec![json!({ "type": "divider" }); 51]),
        |call| call["blocks"][1]["block_id"] = json!("x".repeat(256)),
    ];
    for change in breaks {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(run(&script, &[bad.to_string()]).is_err(), "{bad}");
    }
}

fn run(script: &std::path::Path, lines: &[String]) -> Result<String, String> {
    let mut command = python();
    command
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
