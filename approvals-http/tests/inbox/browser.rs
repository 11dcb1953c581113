//! The same in a real browser.

use std::path::{Path, PathBuf};

use approvals_core::{RequestId, Status};
use approvals_http::{Config, TokenHash};

use super::oidc::account;
use super::provider::SECRET;
use super::support::{House, scale, shell};

/// Runs a script against a server in Chromium; what it prints last is its answer.
async fn run(script: &str, house: &mut House, variables: &[(&str, String)]) -> String {
    let port = house.serve().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/inbox")
        .join(script);
    let mut command = approvals_peers::node(&path);
    command.env("BASE", format!("http://localhost:{port}"));
    for (name, value) in variables {
        command.env(name, value);
    }
    let images: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    if std::env::var_os("APPROVALS_SCREENSHOTS").is_some() {
        command.env("IMAGES", images);
    }
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{script}:\n{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_decide_and_verify_in_a_browser() {
    // A passkey is made in one browser; an operator adds the entry that the page showed.
    let mut house = House::open("").await;
    let link = [("LINK", house.link("u_bob"))];
    let made = run("enrol.mjs", &mut house, &link).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let entry = made["entry"].as_str().unwrap();

    let mut house = House::open(entry).await;
    let mut requests = house.requests().await;
    requests.push(("glass", house.broken_glass().await));
    let mut variables = vec![
        ("CREDENTIAL", made["credential"].to_string()),
        ("BOB", house.link("u_bob")),
        ("BOB_PLAIN", house.link("u_bob")),
        ("DANA", house.link("u_dana")),
    ];
    variables.push(named(&requests));
    run("inbox.mjs", &mut house, &variables).await;

    let expected = [
        ("export", Status::Approved),
        ("drop", Status::Approved),
        ("restart", Status::Denied),
        ("second", Status::Approved),
        ("third", Status::Approved),
        ("refuse", Status::Denied),
        ("glass", Status::Approved),
        ("hostile", Status::Pending),
    ];
    for (name, status) in expected {
        let id = requests.iter().find(|(other, _)| *other == name).unwrap().1;
        assert_eq!(house.gate.card(id).await.unwrap().status, status, "{name}");
    }
    // The passkey's votes are evidence that needs nobody's word.
    let report = house.gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);
    assert_eq!(report.reviews.signed, 5);
    assert!(report.unreviewed.is_empty());
}

/// The requests by name, as the scripts take them.
fn named(requests: &[(&str, RequestId)]) -> (&'static str, String) {
    let ids: serde_json::Map<String, serde_json::Value> = requests
        .iter()
        .map(|(name, id)| ((*name).to_owned(), id.to_string().into()))
        .collect();
    ("REQUESTS", serde_json::Value::Object(ids).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_at_a_real_identity_provider() {
    let (ours, theirs) = (approvals_peers::free_port(), approvals_peers::free_port());
    let issuer = format!("http://localhost:{theirs}");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inbox/provider.mjs");
    let mut command = approvals_peers::node(&script);
    command
        .env("ISSUER", &issuer)
        .env(
            "REDIRECT",
            format!("http://localhost:{ours}/login/callback"),
        )
        .env("SECRET", SECRET);
    let mut provider = approvals_peers::Process::start(command);
    provider.line_with("ready");
    let config = format!(
        "version = 1\naddress = \"127.0.0.1:{ours}\"\n[oidc]\nissuer = \"{issuer}\"\nclient_id = \"approvals\"\nclient_secret = {{ file = \"oidc.secret\" }}\namr = [\"mfa\"]\n"
    );
    let config = Config::parse(&config).unwrap();
    let config = config.with_client_secret(SECRET).unwrap();
    let (bob, dana) = (account(&issuer, "bob-1"), account(&issuer, "dana-1"));
    let mut house = House::with(config, &[("u_bob", &bob), ("u_dana", &dana)]).await;
    let mut requests = house.requests().await;
    requests.push(("scale", house.ask(scale("billing-api".into(), 12)).await));
    run("oidc.mjs", &mut house, &[named(&requests)]).await;
    for (name, status) in [
        ("scale", Status::Approved),
        ("restart", Status::Denied),
        ("second", Status::Approved),
        ("drop", Status::Pending),
    ] {
        let id = requests.iter().find(|(other, _)| *other == name).unwrap().1;
        assert_eq!(house.gate.card(id).await.unwrap().status, status, "{name}");
    }
    assert!(house.gate.journal().verify().await.unwrap().passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_tried_from_its_own_page() {
    let config =
        Config::default().with_reader(TokenHash::of("apr_reader"), "u_dana".parse().unwrap());
    let mut house = House::with(config, &[]).await;
    let requests = house.requests().await;
    let variables = [named(&requests), ("TOKEN", "apr_reader".to_owned())];
    run("openapi.mjs", &mut house, &variables).await;
}

/// What an agent may write, by name, from the list that the script judges the pages by.
fn corpus() -> Vec<(String, String)> {
    let rows: Vec<serde_json::Value> = serde_json::from_str(include_str!("hostile.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let written = |raw: &serde_json::Value| match raw.as_array().map(Vec::as_slice) {
        Some([begin, again, times, end]) => {
            let times = usize::try_from(times.as_u64().unwrap()).unwrap();
            text(begin) + &text(again).repeat(times) + &text(end)
        }
        _ => text(raw),
    };
    let rows = rows.iter();
    rows.map(|row| (text(&row["name"]), written(&row["raw"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threats_7_to_12_what_hides_or_lies_is_drawn_literally_in_document_and_pixels() {
    let mut house = House::open("").await;
    let mut requests = Vec::new();
    let corpus = corpus();
    for (name, raw) in &corpus {
        let id = house.ask(shell(raw.clone(), String::new())).await;
        requests.push((name.as_str(), id));
    }
    let variables = [named(&requests), ("BOB", house.link("u_bob"))];
    run("hostile.mjs", &mut house, &variables).await;
}
