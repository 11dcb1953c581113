//! What is drawn: by the schema, by the official parser, and in pixels.

use std::path::Path;

use approvals_core::{Agent, Card, Gate, RequestId};
use approvals_teams::{Drawn, Fullness};
use serde_json::{Value, json};

use crate::support::bot::Bot;
use crate::support::{agent, drop_table, export, newest, passes, script, until};

const TO_CHAT: &str = "[[post]]\nchat = \"19:group-1@thread.v2\"\n";

/// What agents could write to be more than text, and what must be read in its place.
const HOSTILE: &[(&str, &str)] = &[
    (
        "[APPROVED](https://evil.example)",
        "[APPROVED](https://evil.example)",
    ),
    (
        "![x](https://evil.example/x.png)",
        "![x](https://evil.example/x.png)",
    ),
    ("**bold** _it_ ~no~ # title", "**bold** _it_ ~no~ # title"),
    (
        "x` <https://evil.example|Approve here>",
        "x` <https://evil.example|Approve here>",
    ),
    (
        "<at>everyone</at> <!channel> <b>b</b>",
        "<at>everyone</at> <!channel> <b>b</b>",
    ),
    ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ("&lt;b&gt; &amp; &#91;", "&lt;b&gt; &amp; &#91;"),
    (
        "{{DATE(2026-01-01T00:00:00Z, LONG)}}",
        "{{DATE(2026-01-01T00:00:00Z, LONG)}}",
    ),
    (
        "{{{{TIME(2026-01-01T00:00:00Z)}}}}",
        "{{{{TIME(2026-01-01T00:00:00Z)}}}}",
    ),
    (
        "${$root.request} ${if(true,'a','b')}",
        "${$root.request} ${if(true,'a','b')}",
    ),
    ("pay\u{202e}gpj.exe", "pay\\u{202e}gpj.exe"),
    (
        "a\u{200b}b\u{e0041}\u{fe0f}c",
        "a\\u{200b}b\\u{e0041}\\u{fe0f}c",
    ),
    ("one\rtwo\u{1b}[2Kthree", "one\\u{d}two\\u{1b}[2Kthree"),
    ("first\n\n\nlast", "first\\u{a}\\u{a}\\u{a}last"),
    ("rm -rf      /", "rm -rf      /"),
    ("a\u{21a9} b", "a\\u{21a9} b"),
    ("already approved by CISO", "already approved by CISO"),
];

struct Shown {
    name: String,
    drawn: Drawn,
    texts: Vec<String>,
}

async fn ask(gate: &Gate, table: String, agent: Agent) -> RequestId {
    let before = gate
        .list(approvals_core::ports::Filter::all())
        .await
        .unwrap()
        .len();
    let (other, call) = (gate.clone(), export(table, "canary".to_owned()));
    tokio::spawn(async move { other.enter(agent, call).await });
    until("it is asked", async || {
        let rows = gate
            .list(approvals_core::ports::Filter::all())
            .await
            .unwrap();
        (rows.len() > before).then(|| rows[0].id)
    })
    .await
}

fn shown(name: &str, card: &Card, texts: Vec<String>) -> Shown {
    Shown {
        name: name.to_owned(),
        drawn: Drawn::of(card),
        texts,
    }
}

/// A card of each kind, and one of each hostile text: as an argument, and as the agent's words.
async fn corpus() -> Vec<Shown> {
    let bot = Bot::start(TO_CHAT).await;
    let gate = &bot.gate;
    let mut all = Vec::new();
    for (text, read) in HOSTILE {
        let agent = Agent::new("runbook-bot")
            .on_behalf_of("u_0")
            .rationale(*text)
            .model(*text);
        let request = ask(gate, format!("t {text}"), agent).await;
        let card = gate.card(request).await.unwrap();
        let mut texts = vec![format!("\"{read}\""), "weekly export of".to_owned()];
        // A canonical text escapes controls itself, before anything is drawn.
        if !text.contains(['\r', '\n', '\u{1b}']) {
            texts.push(format!("t {read}"));
        }
        all.push(shown(text, &card, texts));
        gate.cancel(request).await.unwrap();
    }
    let word = "W".repeat(900);
    let card = gate
        .card(ask(gate, word.clone(), agent()).await)
        .await
        .unwrap();
    all.push(shown("a long word", &card, vec![word]));
    let tail = format!("{}; rm -rf /", "x ".repeat(9_000));
    let card = gate.card(ask(gate, tail, agent()).await).await.unwrap();
    all.push(shown(
        "cut",
        &card,
        vec!["; rm -rf /".to_owned(), "NOT SHOWN".to_owned()],
    ));
    let other = gate.clone();
    let asked =
        tokio::spawn(async move { other.enter(agent(), drop_table("users".to_owned())).await });
    let request = until("two are wanted", async || {
        let newest = newest(gate).await;
        let card = gate.card(newest).await.unwrap();
        (card.action.scope.as_str() == "db.drop").then_some(newest)
    })
    .await;
    for (number, verb, name) in [(1, "approve", "one of two"), (2, "deny", "denied")] {
        bot.send(&bot.click(request, number, verb).await).await;
        let card = gate.card(request).await.unwrap();
        all.push(shown(name, &card, vec!["u_1".to_owned()]));
    }
    assert!(asked.await.unwrap().is_err());
    all
}

fn write(corpus: &[Shown], folder: &Path) -> std::path::PathBuf {
    let cards = corpus.iter().map(|shown| {
        json!({"name": shown.name, "card": shown.drawn.card, "texts": shown.texts, "pending": shown.drawn.card.to_string().contains("ActionSet"), "cut": shown.drawn.fullness == Fullness::Cut})
    });
    let path = folder.join("cards.json");
    std::fs::write(&path, Value::Array(cards.collect()).to_string()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn every_card_is_what_the_schema_and_the_official_parser_take() {
    let folder = tempfile::tempdir().unwrap();
    let cards = write(&corpus().await, folder.path());
    let mut schema = approvals_peers::python();
    schema.arg(script("schema.py")).arg(&cards);
    passes(schema);
    let mut parser = approvals_peers::node(&script("parser.mjs"));
    parser.arg(&cards);
    passes(parser);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_threat_11_threat_12_hostile_text_is_read_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus().await;
    for shown in &corpus {
        let all = shown.drawn.card.to_string();
        let claims = all.find("The agent says (unverified)");
        assert!(
            claims.is_some() || shown.name == "cut",
            "{}: the claim is marked as one",
            shown.name
        );
    }
    let cards = write(&corpus, folder.path());
    let mut pixels = approvals_peers::node(&script("pixels.mjs"));
    pixels.arg(&cards).env("FOLDER", folder.path());
    passes(pixels);
}
