//! The same in a real browser.

use std::path::{Path, PathBuf};

use approvals_core::Status;

use super::support::House;

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
    let requests = house.requests().await;
    let mut variables = vec![
        ("CREDENTIAL", made["credential"].to_string()),
        ("BOB", house.link("u_bob")),
        ("BOB_PLAIN", house.link("u_bob")),
        ("DANA", house.link("u_dana")),
    ];
    let ids: serde_json::Map<String, serde_json::Value> = requests
        .iter()
        .map(|(name, id)| ((*name).to_owned(), id.to_string().into()))
        .collect();
    variables.push(("REQUESTS", serde_json::Value::Object(ids).to_string()));
    run("inbox.mjs", &mut house, &variables).await;

    let expected = [
        ("export", Status::Approved),
        ("drop", Status::Approved),
        ("restart", Status::Denied),
        ("second", Status::Approved),
        ("third", Status::Approved),
        ("hostile", Status::Pending),
    ];
    for (name, status) in expected {
        let id = requests.iter().find(|(other, _)| *other == name).unwrap().1;
        assert_eq!(house.gate.card(id).await.unwrap().status, status, "{name}");
    }
    // The passkey's approval is evidence that needs nobody's word.
    let report = house.gate.journal().verify().await.unwrap();
    assert!(report.passed(), "{:?}", report.findings);
    assert_eq!(report.reviews.signed, 3);
}
